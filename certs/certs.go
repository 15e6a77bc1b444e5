// Package certs gives Berth's hosts their certificates: public ones by ACME where there is an issuer that
// gives them, and until then, or where there is none, those of a local certificate authority of this
// server's own, which can sign for the base domain and for nothing else.
//
// It must not know where hosts come from: it is told which there are, and a function that says whether one is ours.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	leafLife    = 90 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour
	clockSkew   = 3 * 24 * time.Hour // ours may be so far ahead, as one is that nothing keeps right
	maxCached   = 4096
)

// Config is what Certs is made of.
type Config struct {
	Dir    string // of everything that has to outlive the process
	Domain string // base domain: the only one that the local authority can sign for
	// Ours says whether a host may have a certificate; it is asked once for each handshake, and before
	// every request to an issuer.
	Ours func(host string) bool
	ACME *ACME // nil: no public issuer is asked
	// Note is told what became of a host's public certificate. Nil: nobody.
	Note func(Note)
	Log  *slog.Logger // nil: none
	now  func() time.Time
}

// Note is news of a host's public certificate, of a kind as events have it.
type Note struct {
	Host, Kind, Message string
}

// The kinds of notes.
const (
	NoteIssued  = "certificate.issued"
	NoteRenewed = "certificate.renewed"
	NoteRefused = "certificate.refused"
)

// Certs issues certificates and keeps them in memory. Its methods are safe for concurrent use.
type Certs struct {
	Config
	authority *authority
	public    *public // nil: no public issuer is asked

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// Open loads the authority from its directory, or makes it there.
func Open(c Config) (*Certs, error) {
	if c.now == nil {
		c.now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Note == nil {
		c.Note = func(Note) {}
	}
	authority, err := openAuthority(c.Dir, c.Domain, c.now(), c.Log)
	if err != nil {
		return nil, fmt.Errorf("open certificate authority: %w", err)
	}
	out := &Certs{Config: c, authority: authority, issued: map[string]*tls.Certificate{}}
	if c.ACME != nil {
		if out.public, err = openPublic(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Close ends what is being asked of issuers.
func (c *Certs) Close() {
	if c.public != nil {
		c.public.close()
	}
}

// Want says which hosts there are. Each is given a public certificate before anybody visits it; what is no
// longer among them is neither asked for nor renewed. It returns at once.
func (c *Certs) Want(hosts []string) {
	if c.public != nil {
		c.public.want(hosts)
	}
}

// Challenges answers what issuers ask over HTTP to see that a host is ours, and leaves the rest to next.
func (c *Certs) Challenges(next http.Handler) http.Handler {
	if c.public == nil {
		return next
	}
	return c.public.challenges(next)
}

// Protocols are those that a TLS listener must offer for issuers to be answered there.
func (c *Certs) Protocols() []string {
	if c.public == nil {
		return nil
	}
	return []string{challengeProtocol}
}

// State says which certificate a host has, and why not a better one.
func (c *Certs) State(host string) berth.Certificate {
	if c.public != nil {
		if state, known := c.public.state(host); known {
			return c.orLocal(host, state)
		}
	}
	return c.orLocal(host, berth.Certificate{State: berth.CertificateLocal})
}

// orLocal fills in what serves while no public certificate does.
func (c *Certs) orLocal(host string, state berth.Certificate) berth.Certificate {
	if state.Issuer != "" {
		return state
	}
	state.Issuer = c.authority.certificate.Subject.CommonName
	c.mu.Lock()
	defer c.mu.Unlock()
	if leaf := c.issued[host]; leaf != nil {
		state.NotAfter = leaf.Leaf.NotAfter
	}
	return state
}

// CAPEM returns the authority's certificate for trust stores.
func (c *Certs) CAPEM() string { return c.authority.pem }

// Fingerprint returns the SHA-256 of the authority's certificate, in hex.
func (c *Certs) Fingerprint() string {
	sum := sha256.Sum256(c.authority.certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// GetCertificate is for a tls.Config without certificates of its own. A client that names no host
// gets a certificate for the address it dialled, if that is ours. For what is not ours there is
// neither a certificate nor an error, upon which crypto/tls tells the client "unrecognized name";
// an error would tell it of a fault of ours.
func (c *Certs) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.public != nil && isChallenge(hello) {
		return c.public.answer(hello)
	}
	name := nameOf(hello)
	if name == "" || !c.Ours(name) {
		return nil, nil
	}
	if c.public != nil && !slices.Contains(hello.SupportedProtos, berth.PinnedProtocol) {
		if certificate := c.public.certificate(name); certificate != nil {
			return certificate, nil
		}
	}
	return c.local(name)
}

// local returns a certificate of our own authority.
func (c *Certs) local(name string) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.issued[name]; known != nil && c.now().Before(known.Leaf.NotAfter.Add(-renewBefore)) {
		return known, nil
	}
	fresh, err := c.authority.issue(name, c.now())
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", name, err)
	}
	if len(c.issued) >= maxCached {
		clear(c.issued) // cheaper to issue again than to keep an order
	}
	c.issued[name] = fresh
	return fresh, nil
}

// nameOf returns the host or address that the client wants to be sure of, in canonical form.
func nameOf(hello *tls.ClientHelloInfo) string {
	if name := strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")); name != "" {
		return name
	}
	if hello.Conn == nil {
		return ""
	}
	address, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return address.Addr().Unmap().WithZone("").String()
}

// issue makes a certificate for one host or address.
func (a *authority) issue(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	serial, err := randomSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName(name)},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     earlier(now.Add(leafLife), a.certificate.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if address, err := netip.ParseAddr(name); err == nil {
		template.IPAddresses = []net.IP{address.AsSlice()}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	// The root goes along, so that somebody who trusts its fingerprint only can check the chain.
	return &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// commonName is only for people to read; X.509 allows 64 characters of it.
func commonName(name string) string {
	const limit = 64
	return name[:min(len(name), limit)]
}

func randomSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose serial: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil // positive, as RFC 5280 wants it
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// damaged says that what is stored cannot be used, and why nothing new is made in its place.
func damaged(path string, cause error) error {
	return berth.Errorf(berth.EInternal, "the certificate authority in %s cannot be used: %w; restore it from a backup, or remove it to get a new one that everybody has to trust again", path, cause)
}
