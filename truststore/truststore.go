// Package truststore makes the programs of the person who runs it trust a certificate authority, and takes
// that back: the system's store, Chromium's, and those of Firefox's profiles.
//
// It must not know which authority it is given, and asks nobody anything. It removes what has the authority's
// fingerprint, and nothing else.
package truststore

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Authority is a certificate authority to be trusted.
type Authority struct {
	PEM         []byte
	Fingerprint string // hex SHA-256 of its DER
	Name        string
	Domains     []string // below which alone it can vouch; none: it can vouch for every name there is
}

// Parse reads an authority.
func Parse(text string) (Authority, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return Authority{}, errors.New("read authority: it is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Authority{}, fmt.Errorf("read authority: %w", err)
	}
	if !certificate.IsCA {
		return Authority{}, errors.New("read authority: the certificate is of no authority")
	}
	return Authority{PEM: pem.EncodeToMemory(block), Fingerprint: fingerprint(block.Bytes), Name: certificate.Subject.CommonName,
		Domains: confinedTo(certificate)}, nil
}

// confinedTo is what an authority is held to, for names and for addresses of both kinds.
func confinedTo(c *x509.Certificate) []string {
	excludesAll := func(bits int) bool {
		return slices.ContainsFunc(c.ExcludedIPRanges, func(r *net.IPNet) bool { ones, of := r.Mask.Size(); return ones == 0 && of == bits })
	}
	if !c.PermittedDNSDomainsCritical || !excludesAll(32) || !excludesAll(128) || slices.Contains(c.PermittedDNSDomains, "") {
		return nil
	}
	return c.PermittedDNSDomains
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Store is one place where programs look whom to trust.
type Store struct {
	Name string // "Chromium"
	Path string

	install   func(ctx context.Context, a Authority) error
	uninstall func(ctx context.Context, a Authority) (removed bool, err error)
}

// Install makes those who use the store trust the authority. Again is no error.
func (s Store) Install(ctx context.Context, a Authority) error { return s.install(ctx, a) }

// Uninstall removes the authority, and says whether it was there.
func (s Store) Uninstall(ctx context.Context, a Authority) (bool, error) { return s.uninstall(ctx, a) }

// Machine is where stores are looked for.
type Machine struct {
	Root   string // of the file system; "/" but in tests
	Person Person
	// Command runs a program to its end and returns what it printed.
	Command func(ctx context.Context, as Person, name string, args ...string) ([]byte, error)
	// Look finds a program; an error when it is not installed.
	Look func(name string) (string, error)
}

// Person is whose stores they are.
type Person struct {
	Home string
	// UID and GID are whom to act as; negative: whoever runs this.
	UID, GID int
}

// This is the machine that the program runs on, for the person who runs it: under sudo that is the one who said sudo.
func This(env func(string) string) (Machine, error) {
	person, err := thisPerson(env)
	return Machine{Root: "/", Person: person, Command: run, Look: look}, err
}

// Stores are those that there are, and what a person has to do by hand for the others.
func (m Machine) Stores() (stores []Store, byHand []string) {
	if system, ok := m.system(); ok {
		stores = append(stores, system)
	} else {
		byHand = append(byHand, systemByHand(runtime.GOOS))
	}
	databases := m.databases()
	if len(databases) == 0 {
		return stores, byHand
	}
	if _, err := m.Look("certutil"); err != nil {
		return stores, append(byHand, "Chromium and Firefox: install certutil (Debian and Ubuntu: apt install libnss3-tools) and run this again, "+
			"or import the certificate in the browser's settings, under authorities")
	}
	return append(stores, databases...), byHand
}

// systemByHand is what to do where there is no update-ca-certificates.
func systemByHand(system string) string {
	switch system {
	case "darwin":
		return "macOS: berth ca > berth-ca.crt, then sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain berth-ca.crt"
	case "windows":
		return "Windows: berth ca > berth-ca.crt, then, as administrator, certutil -addstore -f Root berth-ca.crt"
	}
	return "The system's store: give your distribution the output of berth ca; Fedora and its like: put it into /etc/pki/ca-trust/source/anchors and run update-ca-trust"
}

// systemDir is where Debian and Ubuntu look for authorities of the machine's own.
const systemDir = "usr/local/share/ca-certificates"

func (m Machine) system() (Store, bool) {
	if _, err := m.Look("update-ca-certificates"); err != nil {
		return Store{}, false
	}
	file := func(a Authority) string { return filepath.Join(m.Root, systemDir, "berth-"+a.Fingerprint[:16]+".crt") }
	return Store{
		Name: "System", Path: filepath.Join(m.Root, systemDir),
		install: func(ctx context.Context, a Authority) error {
			draft, err := draftOf(a)
			if err != nil {
				return err
			}
			defer func() { _ = os.Remove(draft) }()
			if err := m.asRoot(ctx, "install", "-D", "-m", "0644", "--", draft, file(a)); err != nil {
				return err
			}
			return m.asRoot(ctx, "update-ca-certificates")
		},
		uninstall: func(ctx context.Context, a Authority) (bool, error) {
			kept, err := os.ReadFile(file(a))
			if errors.Is(err, os.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, fmt.Errorf("read system store: %w", err)
			}
			if block, _ := pem.Decode(kept); block == nil || fingerprint(block.Bytes) != a.Fingerprint {
				return false, nil // somebody put another one there
			}
			// Not update-ca-certificates --fresh, which takes links of others along.
			gone := append([]string{"-f", "--", file(a)}, m.linksTo(filepath.Base(file(a)))...)
			if err := m.asRoot(ctx, "rm", gone...); err != nil {
				return false, err
			}
			return true, m.asRoot(ctx, "update-ca-certificates")
		},
	}, true
}

// bundleDir is where update-ca-certificates puts links to what is trusted, by name and by hash.
const bundleDir = "etc/ssl/certs"

// linksTo are the links that lead to a file of the system's store.
func (m Machine) linksTo(file string) (links []string) {
	dir := filepath.Join(m.Root, bundleDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(file, ".crt") + ".pem"
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		target, err := os.Readlink(path)
		if base := filepath.Base(target); err == nil && (base == name || base == file) {
			links = append(links, path)
		}
	}
	return links
}

// draftOf is a file with the authority, for programs that want one.
func draftOf(a Authority) (string, error) {
	f, err := os.CreateTemp("", "berth-ca-*.crt")
	if err != nil {
		return "", fmt.Errorf("make file: %w", err)
	}
	_, err = f.Write(a.PEM)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil { // its person may be another
		return "", fmt.Errorf("write file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return f.Name(), nil
}

// asRoot runs a program as root, by sudo where it has to.
func (m Machine) asRoot(ctx context.Context, name string, args ...string) error {
	self := Person{UID: -1, GID: -1}
	if isRoot() {
		_, err := m.Command(ctx, self, name, args...)
		return err
	}
	if _, err := m.Look("sudo"); err != nil {
		return errors.New("this store is root's, and there is no sudo: run it as root")
	}
	_, err := m.Command(ctx, self, "sudo", append([]string{"--", name}, args...)...)
	return err
}
