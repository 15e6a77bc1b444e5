package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/certs/certstest"
)

// world is a server's two listeners, a real issuer that asks there, and a name server.
type world struct {
	*certstest.Issuer
	http, https *net.TCPAddr
	front       atomic.Pointer[Certs]
	roots       *x509.CertPool // of a browser: the public issuer only
	issuers     *x509.CertPool // vouch for the issuer's own server

	mu    sync.Mutex
	notes []Note
	hosts []string // ours
}

const apps = "apps.example"

func newWorld(t *testing.T, config certstest.Config) *world {
	t.Helper()
	w := &world{roots: x509.NewCertPool(), issuers: x509.NewCertPool()}
	plain := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.front.Load().Challenges(http.NotFoundHandler()).ServeHTTP(rw, r)
	})
	secure := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") })
	w.http = listen(t, &http.Server{Handler: plain}, false)
	w.https = listen(t, &http.Server{Handler: secure, TLSConfig: &tls.Config{NextProtos: []string{"http/1.1", challengeProtocol},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return w.front.Load().GetCertificate(h) }}}, true)
	config.Tools, config.Dir, config.HTTP, config.TLS = "../tools/go.mod", t.TempDir(), w.http.Port, w.https.Port
	issuer, err := certstest.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Stop)
	w.Issuer = issuer
	root, err := issuer.Root()
	if err != nil || !w.roots.AppendCertsFromPEM([]byte(root)) || !w.issuers.AppendCertsFromPEM([]byte(issuer.CA)) {
		t.Fatalf("the issuer's roots: %v", err)
	}
	return w
}

func listen(t *testing.T, s *http.Server, secure bool) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ErrorLog = log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if secure {
			_ = s.ServeTLS(l, "", "")
		} else {
			_ = s.Serve(l)
		}
	}()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().(*net.TCPAddr)
}

// open puts a server's certificates behind the listeners.
func (w *world) open(t *testing.T, dir string, directories ...string) *Certs {
	t.Helper()
	if directories == nil {
		directories = []string{w.Directory}
	}
	dns := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, w.Resolver)
	}}
	c := mustOpenFor(t, Config{Dir: dir, Domain: apps, Ours: w.ours, Note: w.note, ACME: &ACME{
		Directories: directories, Roots: w.issuers, LookEvery: 100 * time.Millisecond,
		HTTP: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.http.Port)), HTTPS: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(w.https.Port)),
		Resolves: func(ctx context.Context, host string) error { _, err := dns.LookupHost(ctx, host); return err },
	}})
	w.front.Store(c)
	return c
}

func (w *world) ours(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.hosts, host)
}

func (w *world) want(c *Certs, hosts ...string) {
	w.mu.Lock()
	w.hosts = hosts
	w.mu.Unlock()
	c.Want(hosts)
}

func (w *world) note(n Note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, n)
}

func (w *world) noted(kind string) (list []Note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notes {
		if n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}

// visit is a visitor who trusts roots and nobody else, and returns the certificate that was shown.
func (w *world) visit(host string, roots *x509.CertPool, protocols ...string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", w.https.String(), &tls.Config{ServerName: host, RootCAs: roots, NextProtos: append(protocols, "http/1.1")})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func own(c *Certs) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CAPEM()))
	return roots
}

func eventually(t *testing.T, what string, limit time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPublicCertificateComesWithTheDNSAndNobodyWaits(t *testing.T) {
	w := newWorld(t, certstest.Config{})
	dir := t.TempDir()
	c := w.open(t, dir)
	host := "web-main-shop." + apps
	w.want(c, host)

	// Before the name leads here the local authority vouches for it, and it is said why.
	if _, err := w.visit(host, own(c)); err != nil {
		t.Fatalf("no local certificate while waiting: %v", err)
	}
	eventually(t, "waiting is said", 5*time.Second, func() error {
		if s := c.State(host); s.State != berth.CertificateWaiting || !strings.Contains(s.Message, "DNS") || !strings.Contains(s.Issuer, "Berth local CA") {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})

	began := time.Now()
	if err := w.Point(host); err != nil {
		t.Fatal(err)
	}
	eventually(t, "trusted by a browser", 5*time.Second, func() error { _, err := w.visit(host, w.roots); return err })
	t.Logf("from DNS in place to trusted: %s", time.Since(began).Round(time.Millisecond))
	eventually(t, "public is said", time.Second, func() error {
		if s := c.State(host); s.State != berth.CertificatePublic || !strings.Contains(s.Issuer, "Pebble") || s.NotAfter.Before(time.Now()) || s.Message != "" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if n := w.noted(NoteIssued); len(n) != 1 || n[0].Host != host {
		t.Errorf("issued is noted as %v", n)
	}
	// Who trusts the server's own authority only goes on being shown that.
	if _, err := w.visit(host, own(c), berth.PinnedProtocol); err != nil {
		t.Errorf("a client with the pinned authority: %v", err)
	}

	// A restart needs no issuer.
	c.Close()
	w.Stop()
	c = w.open(t, dir)
	w.want(c, host)
	eventually(t, "trusted after a restart without the issuer", 5*time.Second, func() error { _, err := w.visit(host, w.roots); return err })
	if n := w.noted(NoteIssued); len(n) != 1 {
		t.Errorf("after a restart issued is noted as %v", n)
	}
}

func TestEitherChallengeIsEnough(t *testing.T) {
	w := newWorld(t, certstest.Config{})
	for name, without := range map[string]func(issuer){
		"http":     func(i issuer) { i.DisableTLSALPNChallenge = true },
		"tls-alpn": func(i issuer) { i.DisableHTTPChallenge = true },
	} {
		t.Run(name, func(t *testing.T) {
			c := w.open(t, t.TempDir())
			for _, i := range c.public.magic.Issuers {
				without(i.(issuer))
			}
			host := name + "." + apps
			if err := w.Point(host); err != nil {
				t.Fatal(err)
			}
			w.want(c, host)
			eventually(t, "trusted", 10*time.Second, func() error { _, err := w.visit(host, w.roots); return err })
		})
	}
}

func TestCertificateIsRenewedWhileItServes(t *testing.T) {
	w := newWorld(t, certstest.Config{Validity: 9 * time.Second})
	c := w.open(t, t.TempDir())
	host := "renewed." + apps
	if err := w.Point(host); err != nil {
		t.Fatal(err)
	}
	w.want(c, host)
	var first *x509.Certificate
	eventually(t, "issued", 5*time.Second, func() (err error) { first, err = w.visit(host, w.roots); return err })
	eventually(t, "renewed", 20*time.Second, func() error {
		now, err := w.visit(host, w.roots)
		if err == nil && now.SerialNumber.Cmp(first.SerialNumber) == 0 {
			err = errors.New("it is the first one still")
		}
		return err
	})
	if n := w.noted(NoteRenewed); len(n) == 0 || n[0].Host != host {
		t.Errorf("renewed is noted as %v", n)
	}
	if n := w.noted(NoteIssued); len(n) != 1 {
		t.Errorf("issued is noted as %v", n)
	}
}

func TestRefusalIsSaidRememberedAndNobodyWaits(t *testing.T) {
	blocked := "blocked." + apps
	w := newWorld(t, certstest.Config{Blocked: []string{blocked}})
	dir := t.TempDir()
	c := w.open(t, dir)
	if err := w.Point(blocked); err != nil {
		t.Fatal(err)
	}
	w.want(c, blocked)
	var refused berth.Certificate
	eventually(t, "the refusal is said", 10*time.Second, func() error {
		if _, err := w.visit(blocked, own(c)); err != nil {
			t.Fatalf("no local certificate meanwhile: %v", err)
		}
		if refused = c.State(blocked); refused.State != berth.CertificateRefused || !strings.Contains(refused.Message, "policy") {
			return fmt.Errorf("%+v", refused)
		}
		return nil
	})
	if n := w.noted(NoteRefused); len(n) != 1 || n[0].Host != blocked {
		t.Errorf("the refusal is noted as %v", n)
	}
	c.Close()
	c = w.open(t, dir)
	w.want(c, blocked)
	eventually(t, "the refusal is remembered", 5*time.Second, func() error {
		if now := c.State(blocked); now.State != berth.CertificateRefused || now.Message != refused.Message {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	if n := w.noted(NoteRefused); len(n) != 1 {
		t.Errorf("the next server asked again: %v", n)
	}

	// Where one issuer does not give, the next one does.
	host := "second." + apps
	if err := w.Point(host); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = w.open(t, t.TempDir(), "https://localhost:1/dir", w.Directory)
	w.want(c, host)
	eventually(t, "trusted by the second issuer", 20*time.Second, func() error { _, err := w.visit(host, w.roots); return err })
}

func TestNobodyElsesHostIsAskedForOrAnswered(t *testing.T) {
	w := newWorld(t, certstest.Config{})
	c := w.open(t, t.TempDir())
	foreign := "foreign.example.com"
	if err := w.Point(foreign); err != nil {
		t.Fatal(err)
	}
	c.Want([]string{foreign}) // and yet Ours says no
	eventually(t, "refused by ourselves", 10*time.Second, func() error {
		if s := c.State(foreign); s.State != berth.CertificateRefused || !strings.Contains(s.Message, "is not a host of this server") {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if _, err := w.visit(foreign, w.roots); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a visitor of a foreign host got %v", err)
	}
	_, err := tls.Dial("tcp", w.https.String(), &tls.Config{ServerName: foreign, InsecureSkipVerify: true, NextProtos: []string{challengeProtocol}})
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a TLS challenge of a foreign host got %v", err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.http.String()+"/.well-known/acme-challenge/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = foreign
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("an HTTP challenge of a foreign host got %s", answer.Status)
	}
}

func TestNamesThatNoIssuerKnowsAreNotAskedFor(t *testing.T) {
	for host, public := range map[string]bool{
		"web.apps.example.com": true, "web.203-0-113-9.sslip.io": true,
		"web.berth.localhost": false, "localhost": false, "web.box.local": false, "web.corp.internal": false,
	} {
		if got := neverPublic(host) == ""; got != public {
			t.Errorf("%s: asked for %v, want %v", host, got, public)
		}
	}
}
