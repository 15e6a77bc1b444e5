// Package certstest runs a real public issuer for tests: Pebble, which is Let's Encrypt's own small ACME
// server, beside a name server whose answers a test decides. Both come from tools/go.mod.
//
// It must not know what is tested with it.
package certstest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Config says where the issuer finds who asks, and how it behaves.
type Config struct {
	Tools     string // path of tools/go.mod
	Dir       string // of its files
	HTTP, TLS int    // ports at which it asks, in the place of 80 and 443
	Blocked   []string
	Validity  time.Duration // of what it issues; zero: 90 days
}

// Issuer is a running Pebble with its name server.
type Issuer struct {
	Directory string // URL
	CA        string // PEM of what vouches for the directory's own server
	Resolver  string // address of the name server

	management, names string // URLs
	processes         []*exec.Cmd
	client            *http.Client
}

// Start starts both and waits until they answer.
func Start(ctx context.Context, c Config) (i *Issuer, err error) {
	i = &Issuer{}
	defer func() {
		if err != nil {
			i.Stop()
		}
	}()
	ports, err := freePorts(4)
	if err != nil {
		return i, err
	}
	address := func(n int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[n])) }
	i.Directory = "https://localhost:" + strconv.Itoa(ports[0]) + "/dir"
	i.management, i.names, i.Resolver = "https://localhost:"+strconv.Itoa(ports[1]), "http://"+address(3), address(2)
	if err := i.writeFiles(c, address(0), address(1)); err != nil {
		return i, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(i.CA))
	i.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	err = errors.Join(
		i.run(ctx, c, "pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", "", "-defaultIPv6", "",
			"-dnsserver", i.Resolver, "-management", address(3)),
		i.run(ctx, c, "pebble", "-config", filepath.Join(c.Dir, "pebble.json"), "-dnsserver", i.Resolver))
	if err != nil {
		return i, err
	}
	return i, i.await(ctx)
}

// Stop ends both.
func (i *Issuer) Stop() {
	for _, p := range i.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	i.processes = nil
}

// Point makes the name server lead a host to this machine.
func (i *Issuer) Point(host string) error {
	return i.record("add-a", map[string]any{"host": host + ".", "addresses": []string{"127.0.0.1"}})
}

// Alias makes a host another name of one.
func (i *Issuer) Alias(host, of string) error {
	return i.record("set-cname", map[string]any{"host": host + ".", "target": of + "."})
}

// Text gives a name a TXT record.
func (i *Issuer) Text(name, text string) error {
	return i.record("set-txt", map[string]any{"host": name + ".", "value": text})
}

func (i *Issuer) record(verb string, of map[string]any) error {
	body, err := json.Marshal(of)
	if err != nil {
		return err
	}
	answer, err := i.client.Post(i.names+"/"+verb, "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return answer.Body.Close()
}

// Root is what a browser has to trust to trust what is issued, in PEM.
func (i *Issuer) Root() (string, error) {
	answer, err := i.client.Get(i.management + "/roots/0")
	if err != nil {
		return "", fmt.Errorf("get root: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func (i *Issuer) writeFiles(c Config, listen, management string) error {
	certificate, key, err := ownCertificate()
	if err != nil {
		return err
	}
	i.CA = string(certificate)
	validity := c.Validity
	if validity == 0 {
		validity = 90 * 24 * time.Hour
	}
	at := func(name string) string { return filepath.Join(c.Dir, name) }
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management, "certificate": at("pebble.pem"), "privateKey": at("pebble.key"),
		"httpPort": c.HTTP, "tlsPort": c.TLS, "domainBlocklist": c.Blocked, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": int(validity / time.Second)}},
	}})
	return errors.Join(err, os.WriteFile(at("pebble.pem"), certificate, 0o600), os.WriteFile(at("pebble.key"), key, 0o600),
		os.WriteFile(at("pebble.json"), config, 0o600))
}

// ownCertificate is that of the issuer's own server.
func ownCertificate() (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), err
}

// run starts a tool of tools/go.mod, which go builds where it is not built yet.
func (i *Issuer) run(ctx context.Context, c Config, tool string, args ...string) error {
	path, err := exec.CommandContext(ctx, "go", "tool", "-modfile="+c.Tools, "-n", tool).Output()
	if err != nil {
		return fmt.Errorf("build %s: %w", tool, err)
	}
	cmd := exec.Command(strings.TrimSpace(string(path)), args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	out, err := os.Create(filepath.Join(c.Dir, tool+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", tool, err)
	}
	i.processes = append(i.processes, cmd)
	return nil
}

func (i *Issuer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := i.Root()
		if err == nil {
			err = i.Point("ready.example")
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the issuer does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePorts finds ports that nobody listens on.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
