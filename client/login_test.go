package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseLink(t *testing.T) {
	print := strings.Repeat("0f", 32)
	good, err := ParseLink(" https://console.test:8443/login#SECRET." + print + "\n")
	if err != nil || good.URL != "https://console.test:8443" || good.Secret.Reveal() != "SECRET" || good.Fingerprint != print {
		t.Fatalf("%+v, %v", good, err)
	}
	if public, err := ParseLink("https://console.test/login#SECRET."); err != nil || public.Fingerprint != "" {
		t.Fatalf("%+v, %v", public, err)
	}
	for _, bad := range []string{
		"", "console.test", "http://console.test/login#S." + print, "https://console.test/#S." + print, "https://console.test/login",
		"https://console.test/login#." + print, "https://console.test/login#S.zz", "https://console.test/login#S.0f0f", "https://u@console.test/login#S." + print,
	} {
		if _, err := ParseLink(bad); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	return hex.EncodeToString(sum[:])
}

// certificate is for an address, with the authority's own certificate in its chain.
func (a authority) certificate(t *testing.T, ip string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.ParseIP(ip)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// TestLoginTrustsTheFingerprintOnly: a server that cannot prove itself hears nothing of the secret.
func TestLoginTrustsTheFingerprintOnly(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	smuggled := theirs.certificate(t, "127.0.0.1", later)
	smuggled.Certificate = append(smuggled.Certificate, ours.cert.Raw)
	for _, c := range []struct {
		name string
		cert tls.Certificate
		ok   bool
	}{
		{"ours", ours.certificate(t, "127.0.0.1", later), true},
		{"another authority", theirs.certificate(t, "127.0.0.1", later), false},
		{"another authority that shows ours too", smuggled, false},
		{"ours for another address", ours.certificate(t, "127.0.0.2", later), false},
		{"ours, expired", ours.certificate(t, "127.0.0.1", time.Now().Add(-time.Hour)), false},
	} {
		var heard atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			heard.Add(1)
			_ = json.NewEncoder(w).Encode(apiwire.CreatedToken{Secret: "berth_x"})
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{c.cert}}
		server.StartTLS()
		got, err := Login(t.Context(), Link{URL: server.URL, Secret: berth.NewSecret("s"), Fingerprint: ours.fingerprint()})
		if (err == nil) != c.ok || (heard.Load() == 1) != c.ok {
			t.Errorf("%s: %v, heard %d requests", c.name, err, heard.Load())
		}
		if c.ok {
			later, err := New(Config{URL: got.URL, CA: got.CA, Token: got.Token})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := later.Whoami(t.Context()); err != nil {
				t.Errorf("%s: the stored login does not work: %v", c.name, err)
			}
			later.Close()
		}
		server.Close()
	}
}

func TestNoTokenFollowsARedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	a := newAuthority(t)
	server := httptest.NewUnstartedServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.certificate(t, "127.0.0.1", time.Now().Add(time.Hour))}}
	server.StartTLS()
	defer server.Close()
	c, err := New(Config{URL: server.URL, CA: encode(a.cert), Token: berth.NewSecret("berth_x")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Whoami(t.Context()); berth.CodeOf(err) != berth.EUnavailable || elsewhere.Load() != 0 {
		t.Fatalf("%v, %d requests went elsewhere", err, elsewhere.Load())
	}
}

func TestCredentialsSurviveStoring(t *testing.T) {
	before := Credentials{URL: "https://x", CA: "PEM", Token: berth.NewSecret("berth_x")}
	text, err := before.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var after Credentials
	if err := after.Unmarshal(text); err != nil || after != before {
		t.Fatalf("%+v, %v", after, err)
	}
}

func TestUnreachableServersAreExplained(t *testing.T) {
	for want, config := range map[string]Config{
		"berth doctor says why": {Socket: "/nonexistent/berth.sock"},
		"does not answer: dial": {URL: "https://127.0.0.1:1"},
	} {
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Whoami(t.Context()); berth.CodeOf(err) != berth.EUnavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(Config{URL: "http://x"}); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("plain http: %v", err)
	}
}

// TestPinnedAuthorityIsAskedFor: a server that also has a public certificate shows a pinning client its own.
func TestPinnedAuthorityIsAskedFor(t *testing.T) {
	ours, public := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	own, other := ours.certificate(t, "127.0.0.1", later), public.certificate(t, "127.0.0.1", later)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(apiwire.CreatedToken{Secret: "berth_x"})
	}))
	server.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		shown := other
		if slices.Contains(hello.SupportedProtos, berth.PinnedProtocol) {
			shown = own
		}
		return &tls.Config{NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{shown}}, nil
	}}
	server.StartTLS()
	defer server.Close()
	got, err := Login(t.Context(), Link{URL: server.URL, Secret: berth.NewSecret("s"), Fingerprint: ours.fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{URL: got.URL, CA: got.CA, Token: got.Token})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Error(err)
	}
	// A WebSocket is another kind of connection to net/http. This server knows none, which shows that it was asked.
	_, err = c.Exec(t.Context(), "web", berth.Exec{Command: []string{"true"}})
	if err == nil || strings.Contains(err.Error(), "certificate") {
		t.Errorf("a WebSocket: %v", err)
	}
}
