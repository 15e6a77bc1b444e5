package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"go.uber.org/goleak"
)

// What certmagic keeps for the life of a process is not ours to end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*http2ClientConn).readLoop"))
}

func all(string) bool { return true }

func mustOpen(t *testing.T, dir string, ours func(string) bool) *Certs {
	t.Helper()
	return mustOpenFor(t, Config{Dir: dir, Domain: "test", Ours: ours})
}

func mustOpenFor(t *testing.T, config Config) *Certs {
	t.Helper()
	c, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func hello(name string) *tls.ClientHelloInfo { return &tls.ClientHelloInfo{ServerName: name} }

func TestAuthorityIsKeptAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first := mustOpen(t, dir, all)
	second := mustOpen(t, dir, all)
	if first.Fingerprint() != second.Fingerprint() || first.CAPEM() != second.CAPEM() {
		t.Error("the second start has another authority")
	}
	if strings.Contains(first.CAPEM(), "PRIVATE") {
		t.Error("CAPEM gives the key away")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if len(entries) != 1 {
		t.Errorf("%d files, want 1", len(entries))
	}
}

func TestDamagedAuthorityIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, authorityFile)
	for name, content := range map[string]string{"empty": "", "cut": "-----BEGIN PRIVATE KEY-----\nMIG", "foreign": "hello"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Dir: dir, Domain: "test", Ours: all})
		if coded := (*berth.Error)(nil); !errors.As(err, &coded) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%s: the file was replaced", name)
		}
	}
	// The key of one authority with the certificate of another.
	a, b := t.TempDir(), t.TempDir()
	mustOpen(t, a, all)
	mustOpen(t, b, all)
	one, _ := os.ReadFile(filepath.Join(a, authorityFile))
	two, _ := os.ReadFile(filepath.Join(b, authorityFile))
	const cut = "-----BEGIN CERTIFICATE-----"
	key, _, _ := strings.Cut(string(one), cut)
	_, certificate, _ := strings.Cut(string(two), cut)
	if _, err := parseAuthority([]byte(key + cut + certificate)); err == nil {
		t.Error("a certificate with another's key was accepted")
	}
}

func TestOnlyOurHostsHaveACertificate(t *testing.T) {
	var asked []string
	c := mustOpen(t, t.TempDir(), func(host string) bool {
		asked = append(asked, host)
		return host == "ours.test"
	})
	for _, name := range []string{"ours.test", "OURS.test.", "OURS.TEST"} {
		got, err := c.GetCertificate(hello(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Leaf.DNSNames[0] != "ours.test" {
			t.Errorf("%s: certificate for %v", name, got.Leaf.DNSNames)
		}
	}
	for _, name := range []string{"", "other.test", "sub.ours.test", "test"} {
		if got, err := c.GetCertificate(hello(name)); got != nil || err != nil {
			t.Errorf("%q got a certificate, or %v", name, err)
		}
	}
	for _, host := range asked {
		if host != strings.ToLower(host) || strings.HasSuffix(host, ".") {
			t.Errorf("asked about %q", host)
		}
	}
}

func TestCertificatesVerify(t *testing.T) {
	c := mustOpen(t, t.TempDir(), all)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.CAPEM())) {
		t.Fatal("CAPEM is no certificate")
	}
	long := strings.Repeat("a", 63) + ".berth.test"
	for _, name := range []string{"web-main-shop.test", "a.b.test", long} {
		got, err := c.GetCertificate(hello(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, apart := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
			if _, err := got.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: time.Now().Add(apart)}); err != nil {
				t.Errorf("%s, to a client whose clock is %s apart: %v", name, apart, err)
			}
		}
		if len(got.Certificate) != 2 {
			t.Errorf("%s: a chain of %d, want leaf and root", name, len(got.Certificate))
		}
		if got.Leaf.IsCA {
			t.Errorf("%s: the certificate can sign others", name)
		}
	}
}

func TestCertificatesAreKeptAndRenewedInTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c, err := Open(Config{Dir: t.TempDir(), Domain: "test", Ours: all, now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.GetCertificate(hello("a.test"))
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(leafLife - renewBefore - time.Second)
	if same, _ := c.GetCertificate(hello("a.test")); same != first {
		t.Error("issued again though it is good")
	}
	now = now.Add(2 * time.Second)
	renewed, err := c.GetCertificate(hello("a.test"))
	if err != nil {
		t.Fatal(err)
	}
	if renewed == first {
		t.Error("not renewed before it ends")
	}
	// No certificate outlives its root.
	now = now.Add(authorityLife - 100*24*time.Hour)
	last, err := c.GetCertificate(hello("b.test"))
	if err != nil {
		t.Fatal(err)
	}
	if last.Leaf.NotAfter.After(c.authority.certificate.NotAfter) {
		t.Error("the certificate outlives the root")
	}
}

func TestEndedAuthorityIsSaid(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, all)
	_, err := Open(Config{Dir: dir, Domain: "test", Ours: all, now: func() time.Time { return time.Now().Add(authorityLife + time.Hour) }})
	if err == nil || !strings.Contains(err.Error(), "it ended on") {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentHandshakesShareACertificate(t *testing.T) {
	c := mustOpen(t, t.TempDir(), all)
	var mu sync.Mutex
	got := map[*tls.Certificate]bool{}
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			certificate, err := c.GetCertificate(hello("a.test"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[certificate] = true
		})
	}
	clients.Wait()
	if len(got) != 1 {
		t.Errorf("%d certificates for one host", len(got))
	}
}

func TestUnknownNameEndsTheHandshakeWithAnAlert(t *testing.T) {
	c := mustOpen(t, t.TempDir(), func(host string) bool { return host == "ours.test" })
	address := net.JoinHostPort("127.0.0.1", serveTLS(t, c))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CAPEM()))
	dial := func(name string) error {
		d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots}}
		conn, err := d.DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial("ours.test"); err != nil {
		t.Error(err)
	}
	if err := dial("theirs.test"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("an unknown name got %v, want the alert unrecognized_name", err)
	}
}
