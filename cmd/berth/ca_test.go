package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNobodysTrustChangesUnasked(t *testing.T) {
	c := newCLI(t)
	c.service.ca = selfSigned(t, "apps.example.com")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", stubs(t, "update-ca-certificates")) // a store to be found, and no way to change it
	c.mustFail(t, exitFailed, "--yes", "ca", "install")
	c.terminal.in = true
	c.in = strings.NewReader("no\n")
	c.mustFail(t, exitFailed, "nothing was changed", "ca", "uninstall")
	c.service.ca = selfSigned(t)
	c.mustFail(t, exitFailed, "can vouch for every site", "ca", "install", "--yes")
	c.service.ca = "no PEM"
	c.mustFail(t, exitFailed, "not PEM", "ca", "install", "--yes")
}

// selfSigned is an authority in PEM, held to domains where there are any.
func selfSigned(t *testing.T, domains ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Berth local CA"}, IsCA: true, BasicConstraintsValid: true,
		PermittedDNSDomains: domains, PermittedDNSDomainsCritical: len(domains) > 0}
	if len(domains) > 0 {
		template.ExcludedIPRanges = []*net.IPNet{{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// stubs is a directory of programs that fail.
func stubs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/false\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
