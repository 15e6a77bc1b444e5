package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Credentials are what a login yields: all that Config needs later.
type Credentials struct {
	URL    string
	CA     string // PEM; empty where the system's authorities will do
	Token  berth.Secret
	Person berth.ID
}

// Link is a login link, taken apart.
type Link struct {
	URL         string // of the server
	Secret      berth.Secret
	Fingerprint string // hex SHA-256 of the server's own authority; empty: the system's authorities vouch for it
}

// ParseLink reads https://HOST/login#SECRET.FINGERPRINT. What follows # never leaves this machine
// but for the secret, over a connection that the fingerprint has vouched for.
func ParseLink(text string) (Link, error) {
	bad := berth.Errorf(berth.EInvalid, "this is no login link: one looks like https://HOST/login#… and comes from berth login-link; put it in quotes")
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "login" {
		return Link{}, bad
	}
	secret, fingerprint, _ := strings.Cut(u.Fragment, ".")
	if sum, err := hex.DecodeString(fingerprint); secret == "" || err != nil || (len(sum) != sha256.Size && len(sum) != 0) {
		return Link{}, bad
	}
	return Link{URL: "https://" + u.Host, Secret: berth.NewSecret(secret), Fingerprint: fingerprint}, nil
}

// Login uses a link up. The very first connection is verified: the server's chain must lead to the
// authority whose fingerprint the link carries.
func Login(ctx context.Context, link Link) (Credentials, error) {
	pin := &pinned{host: hostname(link.URL), fingerprint: link.Fingerprint}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if link.Fingerprint != "" {
		tlsConfig.InsecureSkipVerify = true // VerifyConnection checks more strictly than the default would
		tlsConfig.VerifyConnection = pin.verify
		tlsConfig.NextProtos = pinnedProtocols()
	}
	transport := &http.Transport{
		Proxy: proxy, DialContext: dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: dialTime, DisableKeepAlives: true,
	}
	c := &Client{base: link.URL, http: &http.Client{Transport: transport, CheckRedirect: noRedirect}}
	defer c.Close()
	var answer apiwire.CreatedToken
	if err := c.call(ctx, post, at("login"), nil, apiwire.Login{Secret: link.Secret.Reveal()}, &answer); err != nil {
		if errors.Is(err, errFingerprint) {
			return Credentials{}, coded(berth.EUnavailable, err, "the server at "+link.URL+" is not the one that made this link (its certificate authority differs): nothing was sent to it")
		}
		return Credentials{}, err
	}
	return Credentials{URL: link.URL, CA: pin.pem, Token: berth.NewSecret(answer.Secret), Person: answer.Token.Person}, nil
}

var errFingerprint = errors.New("no certificate in the chain has the fingerprint of the login link")

// hostname is what the certificate must be for. The handshake's own name will not do: it is empty for an address.
func hostname(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// pinned accepts one authority only, and remembers it.
type pinned struct {
	host        string
	fingerprint string
	pem         string
}

func (p *pinned) verify(state tls.ConnectionState) error {
	if p.host == "" {
		return errFingerprint
	}
	var root *x509.Certificate
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates {
		sum := sha256.Sum256(cert.Raw)
		if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(p.fingerprint)) == 1 {
			root = cert
		} else {
			between.AddCert(cert)
		}
	}
	if root == nil {
		return errFingerprint
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: p.host, Roots: roots, Intermediates: between})
	if err != nil {
		return fmt.Errorf("verify certificate: %w", err)
	}
	p.pem = encode(root)
	return nil
}

func encode(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

// Marshal and Unmarshal turn credentials into what is stored of them. The result holds the token.
func (c Credentials) Marshal() ([]byte, error) {
	var out bytes.Buffer
	encode := json.NewEncoder(&out)
	encode.SetIndent("", "  ")
	err := encode.Encode(stored{URL: c.URL, CA: c.CA, Token: c.Token.Reveal()})
	return out.Bytes(), err
}

// Unmarshal reads what Marshal wrote.
func (c *Credentials) Unmarshal(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	*c = Credentials{URL: s.URL, CA: s.CA, Token: berth.NewSecret(s.Token)}
	return nil
}

type stored struct {
	URL   string `json:"url"`
	CA    string `json:"ca,omitempty"`
	Token string `json:"token"`
}
