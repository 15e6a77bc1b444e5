package truststore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newAuthority(t *testing.T, name string) Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Parse(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// browsers is a person with Chromium and a Firefox profile, whose stores are those of the real certutil.
func browsers(t *testing.T) Machine {
	t.Helper()
	if _, err := look("certutil"); err != nil {
		t.Skip("certutil is not installed (scripts/test-tools.sh)")
	}
	m := Machine{Root: t.TempDir(), Person: Person{Home: filepath.Join(t.TempDir(), "a home [with] *"), UID: -1}, Command: run}
	m.Look = func(name string) (string, error) {
		if name == "certutil" || name == "chromium" {
			return name, nil
		}
		return "", exec.ErrNotFound
	}
	profile := filepath.Join(m.Person.Home, ".mozilla/firefox/abc.default-release")
	if err := os.MkdirAll(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	certutil(t, profile, "-N", "--empty-password")
	return m
}

func certutil(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "certutil", append([]string{"-d", "sql:" + dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("certutil %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestBrowsersTrustAndForgetExactlyOne(t *testing.T) {
	m := browsers(t)
	ours, other := newAuthority(t, "Berth local CA 0001"), newAuthority(t, "Berth local CA 0002")
	stores, byHand := m.Stores()
	if len(stores) != 2 || len(byHand) != 1 {
		t.Fatalf("stores %v, by hand %v", stores, byHand)
	}
	for _, s := range stores {
		if removed, err := s.Uninstall(t.Context(), ours); removed || err != nil {
			t.Errorf("%s: removed %v from an untouched store (%v)", s.Name, removed, err)
		}
		for _, a := range []Authority{other, ours, ours} { // again is no error
			if err := s.Install(t.Context(), a); err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
		}
		before := nicknames(certutil(t, s.Path, "-L"))
		if removed, err := s.Uninstall(t.Context(), ours); !removed || err != nil {
			t.Errorf("%s: removed %v (%v)", s.Name, removed, err)
		}
		after := nicknames(certutil(t, s.Path, "-L"))
		if len(before) != 2 || len(after) != 1 || !strings.HasPrefix(after[0], other.Name) {
			t.Errorf("%s: %q, then %q", s.Name, before, after)
		}
		if list := certutil(t, s.Path, "-L"); !strings.Contains(list, "C,,") {
			t.Errorf("%s: the other one is not trusted for servers any more:\n%s", s.Name, list)
		}
	}
}

// TestOneUnderAnotherNameIsFoundByItsFingerprint: who imported it by hand called it something else.
func TestOneUnderAnotherNameIsFoundByItsFingerprint(t *testing.T) {
	m := browsers(t)
	a := newAuthority(t, "Berth local CA 0003")
	stores, _ := m.Stores()
	firefox := stores[slices.IndexFunc(stores, func(s Store) bool { return strings.HasPrefix(s.Name, "Firefox") })]
	draft, err := draftOf(a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(draft) }()
	certutil(t, firefox.Path, "-A", "-t", "C,,", "-n", "my company's server", "-i", draft)
	if removed, err := firefox.Uninstall(t.Context(), a); !removed || err != nil {
		t.Errorf("removed %v (%v)", removed, err)
	}
}

func TestSystemStoreChangesOnlyOurFile(t *testing.T) {
	m := Machine{Root: t.TempDir(), Person: Person{Home: t.TempDir(), UID: -1}}
	if !isRoot() {
		t.Skip("the system's store is root's")
	}
	var updates int
	m.Look = func(name string) (string, error) {
		if name == "update-ca-certificates" {
			return name, nil
		}
		return "", exec.ErrNotFound
	}
	m.Command = func(ctx context.Context, as Person, name string, args ...string) ([]byte, error) {
		if name == "update-ca-certificates" { // the machine's own bundle is no test's; trust.txtar runs the real one
			updates++
			return nil, nil
		}
		return run(ctx, as, name, args...)
	}
	a := newAuthority(t, "Berth local CA 0004")
	stores, _ := m.Stores()
	if len(stores) != 1 {
		t.Fatalf("stores %v", stores)
	}
	if err := stores[0].Install(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(m.Root, systemDir, "*"))
	if err != nil || len(files) != 1 || filepath.Ext(files[0]) != ".crt" {
		t.Fatalf("files %v (%v)", files, err)
	}
	decoy := filepath.Join(m.Root, systemDir, "company.crt")
	if err := os.WriteFile(decoy, newAuthority(t, "Company").PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	removed, err := stores[0].Uninstall(t.Context(), a)
	if !removed || err != nil || updates != 2 {
		t.Errorf("removed %v after %d updates (%v)", removed, updates, err)
	}
	if _, err := os.Stat(decoy); err != nil {
		t.Error(err)
	}
	// A file of ours that somebody gave another content is not ours any more.
	if err := os.WriteFile(files[0], newAuthority(t, "Company").PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	if removed, err := stores[0].Uninstall(t.Context(), a); removed || err != nil {
		t.Errorf("removed %v what somebody else put there (%v)", removed, err)
	}
}

func TestOnlyAuthoritiesAreTrusted(t *testing.T) {
	for _, text := range []string{"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is an authority", text)
		}
	}
}
