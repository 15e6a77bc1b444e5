package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	authorityFile = "ca.pem" // key and certificate together, so that one rename stores both
	authorityLife = 10 * 365 * 24 * time.Hour
)

// authority is the root that signs every certificate.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string // of the certificate
}

// openAuthority loads the authority from dir, or makes it there. One that is good for the domain is never
// replaced: everybody who trusts it would be cut off.
func openAuthority(dir, domain string, now time.Time, log *slog.Logger) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	path := filepath.Join(dir, authorityFile)
	stored, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(path, domain, now)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	a, err := parseAuthority(stored)
	if err != nil {
		return nil, damaged(path, err)
	}
	if !a.speaksFor(domain) {
		return replaceAuthority(path, a, domain, now, log)
	}
	if now.After(a.certificate.NotAfter) {
		return nil, damaged(path, fmt.Errorf("it ended on %s", a.certificate.NotAfter.Format(time.DateOnly)))
	}
	return a, nil
}

// speaksFor reports whether the authority may sign for the domain, and for nothing else.
func (a *authority) speaksFor(domain string) bool {
	c := a.certificate
	return c.PermittedDNSDomainsCritical && slices.Equal(c.PermittedDNSDomains, []string{domain}) && len(c.ExcludedIPRanges) == len(everyAddress())
}

// replaceAuthority keeps the old one aside: who still has to reach something that it signed finds it there.
func replaceAuthority(path string, old *authority, domain string, now time.Time, log *slog.Logger) (*authority, error) {
	aside := fmt.Sprintf("%s.until-%s", path, now.UTC().Format("20060102T150405Z"))
	if err := os.Rename(path, aside); err != nil {
		return nil, fmt.Errorf("put the old authority aside: %w", err)
	}
	a, err := makeAuthority(path, domain, now)
	if err != nil {
		return nil, err
	}
	log.Warn("the local certificate authority was replaced, because the old one could sign for other names than this server's; "+
		"browsers must trust the new one (berth ca install) and other machines log in again (berth login-link)",
		"domain", domain, "was_for", old.certificate.PermittedDNSDomains, "old", aside)
	return a, nil
}

// everyAddress is what an authority for names excludes.
func everyAddress() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
}

// nowhere is a name that is nobody's (RFC 6761). To permit it alone is to permit none: verifiers do not agree
// on how to exclude every e-mail address and URI.
const nowhere = "invalid"

func makeAuthority(path, domain string, now time.Time) (*authority, error) {
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
		// The serial keeps two servers' authorities apart in a trust store.
		Subject:               pkix.Name{Organization: []string{"Berth"}, CommonName: fmt.Sprintf("Berth local CA %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Whoever steals its key can deceive nobody about any other site.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{domain},
		ExcludedIPRanges:            everyAddress(),
		PermittedEmailAddresses:     []string{nowhere},
		PermittedURIDomains:         []string{nowhere},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	stored := append(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encodedKey}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := writeOnce(path, stored); err != nil {
		return nil, err
	}
	return parseAuthority(stored)
}

func parseAuthority(stored []byte) (*authority, error) {
	keyBlock, rest := pem.Decode(stored)
	if keyBlock == nil || keyBlock.Type != "PRIVATE KEY" {
		return nil, errors.New("there is no private key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("its key is not an ECDSA key")
	}
	block, _ := pem.Decode(rest)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("there is no certificate in it")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("its key does not belong to its certificate")
	}
	return &authority{certificate: certificate, key: key, pem: string(pem.EncodeToMemory(block))}, nil
}

// writeOnce stores data so that a crash leaves either all of it or nothing, readable by us alone.
func writeOnce(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // after the rename there is nothing to remove
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("put file in place: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
