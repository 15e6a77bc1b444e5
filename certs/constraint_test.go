package certs

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// An authority that may sign for one domain only is worth nothing if verifiers do not look: these are real
// ones, each shown a good host, a host elsewhere and an address, all signed by the same authority.
const (
	constrained = "berth.localhost"
	inside      = "web-main-shop.berth.localhost"
	outside     = "example.com"
)

func TestVerifiersHoldTheAuthorityToItsDomain(t *testing.T) {
	c := mustOpenFor(t, Config{Dir: t.TempDir(), Domain: constrained, Ours: all})
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte(c.CAPEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func(t *testing.T, host string) error{
		"curl":     func(t *testing.T, host string) error { return curl(t, serveTLS(t, c), ca, host) },
		"openssl":  func(t *testing.T, host string) error { return openssl(t, c, ca, host) },
		"chromium": func(t *testing.T, host string) error { return chromium(t, c, ca, host) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, host := range []string{inside, constrained, "*." + constrained} {
				if host[0] == '*' && name != "openssl" {
					continue
				}
				if err := verify(t, host); err != nil {
					t.Errorf("%s is refused: %v", host, err)
				}
			}
			for _, host := range []string{outside, "localhost", "notberth.localhost", "127.0.0.1"} {
				if verify(t, host) == nil {
					t.Errorf("%s is accepted", host)
				}
			}
		})
	}
}

// program runs one that must be there: without it nothing is known.
func program(t *testing.T, name string, args ...string) error {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (scripts/test-tools.sh)", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Logf("%s %v: %v\n%s", name, args, err, out)
	}
	return err
}

func curl(t *testing.T, port, ca, host string) error {
	return program(t, "curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", ca,
		"--resolve", host+":"+port+":127.0.0.1", "https://"+host+":"+port+"/")
}

func openssl(t *testing.T, c *Certs, ca, host string) error {
	t.Helper()
	leaf, err := c.local(host)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "leaf.pem")
	if err := os.WriteFile(file, pemOf(leaf.Certificate[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	return program(t, "openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, file)
}

// chromium opens the host in a fresh profile whose person trusts the authority.
func chromium(t *testing.T, c *Certs, ca, host string) error {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("chromium is not installed (scripts/test-tools.sh)")
	}
	home, err := os.MkdirTemp("", "berth-") // short: Chromium puts a socket there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	if program(t, "certutil", "-d", "sql:"+store, "-N", "--empty-password") != nil ||
		program(t, "certutil", "-d", "sql:"+store, "-A", "-t", "C,,", "-n", "berth", "-i", ca) != nil {
		t.Fatal("the authority cannot be trusted")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	allocator, end := chromedp.NewExecAllocator(ctx, chromedp.ExecPath("chromium"), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.Env("HOME="+home, "TMPDIR="+home),
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"), chromedp.Flag("no-proxy-server", true), chromedp.Flag("disable-dev-shm-usage", true))
	defer end()
	page, closePage := chromedp.NewContext(allocator)
	defer closePage()
	address := "https://" + host + ":" + serveTLS(t, c) + "/"
	for {
		err := chromedp.Do(page, chromedp.Navigate(address))
		switch {
		case err == nil, strings.Contains(err.Error(), "ERR_CERT"):
			return err
		case ctx.Err() != nil || !strings.Contains(err.Error(), "ERR_NETWORK_CHANGED"): // an interface of somebody's container came or went
			t.Fatalf("chromium: %v", err)
		}
	}
}

// TestAuthorityOfAnotherDomainIsReplaced also stands for authorities of before there was a constraint.
func TestAuthorityOfAnotherDomainIsReplaced(t *testing.T) {
	dir := t.TempDir()
	before := mustOpenFor(t, Config{Dir: dir, Domain: "old.test", Ours: all})
	var said strings.Builder
	after := mustOpenFor(t, Config{Dir: dir, Domain: "new.test", Ours: all, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if before.Fingerprint() == after.Fingerprint() {
		t.Fatal("the authority is the old one")
	}
	kept, err := filepath.Glob(filepath.Join(dir, authorityFile+".until-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("the old authority is kept as %v (%v)", kept, err)
	}
	stored, err := os.ReadFile(kept[0])
	if err != nil || !strings.Contains(string(stored), before.CAPEM()) {
		t.Errorf("%s is not the old authority (%v)", kept[0], err)
	}
	if !strings.Contains(said.String(), "was replaced") {
		t.Errorf("the log says %q", said.String())
	}
	again := mustOpenFor(t, Config{Dir: dir, Domain: "new.test", Ours: all})
	if again.Fingerprint() != after.Fingerprint() {
		t.Error("the next start replaces it again")
	}
}

// serveTLS serves with c on loopback and returns the port.
func serveTLS(t *testing.T, c *Certs) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
		TLSConfig: &tls.Config{GetCertificate: c.GetCertificate, NextProtos: append(c.Protocols(), "http/1.1")},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
