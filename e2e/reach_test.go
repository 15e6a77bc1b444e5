//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/certs/certstest"
)

// TestPublicCertificates runs a server with a domain of its own against a real ACME issuer: from the moment
// the DNS leads here, a visitor who trusts that issuer and nobody else has the page within 5 s.
func TestPublicCertificates(t *testing.T) {
	const domain = "apps.example"
	dir, err := os.MkdirTemp("", "berth-reach-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := newServer(shared.bin, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := certstest.Start(t.Context(), certstest.Config{Tools: "../tools/go.mod", Dir: dir, HTTP: s.http, TLS: s.https, Blocked: []string{"blocked.example"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Stop)
	bundle := filepath.Join(dir, "machine.pem") // whom the machine trusts to be an issuer
	if err := os.WriteFile(bundle, []byte(issuer.CA), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", bundle)
	s.flags = []string{"--domain", domain, "--acme-directory", issuer.Directory, "--acme-resolver", issuer.Resolver}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	root, err := issuer.Root()
	if err != nil {
		t.Fatal(err)
	}
	page := "https://console." + domain + ":" + strconv.Itoa(s.https) + "/login"
	stranger := visitor(t, root)
	if status, err := stranger(page); err == nil {
		t.Fatalf("trusted before the DNS leads here: %d", status)
	}
	if status, err := visitor(t, s.output(t, "ca"))(page); status != http.StatusOK {
		t.Fatalf("the server's own authority does not stand in: %d (%v)", status, err)
	}

	began := time.Now()
	if err := issuer.Point("console." + domain); err != nil {
		t.Fatal(err)
	}
	const limit = 5 * time.Second
	eventually(t, limit, func() error {
		status, err := stranger(page)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	t.Logf("from DNS in place to a trusted 200: %s", time.Since(began).Round(time.Millisecond))
	eventually(t, limit, func() error {
		if events := s.output(t, "events"); !strings.Contains(events, "certificate.issued") {
			return errors.New(events)
		}
		return nil
	})
	ownDomain(t, s, issuer, stranger)
	var who struct{ Claimed bool }
	if err := unmarshal([]byte(s.output(t, "whoami", "--json")), &who); err != nil || who.Claimed {
		t.Errorf("claimed %v though nobody has logged in (%v)", who.Claimed, err)
	}
	if lines := strings.Split(strings.TrimSpace(s.output(t, "status")), "\n"); !strings.HasPrefix(lines[len(lines)-1], page+"#") {
		t.Errorf("the last line of an unclaimed server's status is no login link: %q", lines)
	}
}

// ownDomain lets a name of a team's own lead to a deployment: it serves, trusted, by itself once the DNS leads here.
func ownDomain(t *testing.T, s *server, issuer *certstest.Issuer, stranger func(url string) (int, error)) {
	t.Helper()
	prepareImages(t)
	must(t, s, "project", "create", "app", "--dir", "testdata/app")
	must(t, s, "create", "app", "--name", "shop", "--stage", "production", "--wait")
	must(t, s, "domain", "add", "--project", "app", teamDomain)
	must(t, s, "create", "app", "--name", "other", "--stage", "production", "--wait")
	t.Cleanup(func() {
		if err := s.deleteEverything(); err != nil {
			t.Error(err)
		}
	})
	const name = "shop.example"
	page := "https://" + name + ":" + strconv.Itoa(s.https) + "/"
	if out := must(t, s, "domain", "add", "shop-app", "Shop.Example."); !strings.Contains(out, "create the record A "+name+" 127.0.0.1") {
		t.Errorf("adding it says: %s", out)
	}
	for _, taken := range []string{name, "console.apps.example", "apps.example", "localhost", "127.0.0.1", "*.shop.example"} {
		if out, err := ask(s, "domain", "add", "other-app", taken); err == nil {
			t.Errorf("another deployment may have %s: %s", taken, out)
		}
	}
	if status, err := stranger(page); err == nil {
		t.Errorf("it serves before the DNS leads here: %d", status)
	}
	began := time.Now()
	if err := issuer.Point(name); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		status, err := stranger(page)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	t.Logf("from DNS in place to a trusted 200 at a domain of one's own: %s", time.Since(began).Round(time.Millisecond))
	if out := must(t, s, "domain", "ls", "shop-app"); !strings.Contains(out, "serves") {
		t.Errorf("domain ls says: %s", out)
	}

	// A name redirects there, with a certificate of its own.
	const www = "www." + name
	must(t, s, "domain", "add", "shop-app", www, "--redirect-to", name)
	if err := issuer.Alias(www, name); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		status, err := stranger("https://" + www + ":" + strconv.Itoa(s.https) + "/")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d after the redirect", status)
		}
		return err
	})
	must(t, s, "domain", "rm", "shop-app", www)

	// What is an alias of somebody else's name needs a proof of its own.
	const alias = "alias.example"
	if err := issuer.Alias(alias, name); err != nil {
		t.Fatal(err)
	}
	if out := must(t, s, "domain", "add", "other-app", alias); !strings.Contains(out, "somebody else's") {
		t.Errorf("an alias of another deployment's name is taken: %s", out)
	}
	prove(t, s, issuer, "other-app")
	eventually(t, 20*time.Second, func() error {
		if out := must(t, s, "domain", "ls", "other-app"); !strings.Contains(out, "serves") {
			return errors.New(out)
		}
		return nil
	})
	must(t, s, "domain", "rm", "other-app", alias)

	namedByProject(t, s, issuer, stranger)
	must(t, s, "domain", "rm", "shop-app", name)
	eventually(t, 10*time.Second, func() error {
		if status, err := stranger(page); err == nil && status == http.StatusOK {
			return errors.New("it serves after it was removed")
		}
		return nil
	})
}

// prove creates the TXT record that the first of some domains wants.
func prove(t *testing.T, s *server, issuer *certstest.Issuer, whose ...string) {
	t.Helper()
	var listed []struct{ Records []berth.DNSRecord }
	if err := json.Unmarshal([]byte(must(t, s, append([]string{"domain", "ls", "--json"}, whose...)...)), &listed); err != nil || len(listed) == 0 {
		t.Fatalf("domain ls --json: %v, %v", listed, err)
	}
	for _, r := range listed[0].Records {
		if r.Purpose == berth.RecordProves {
			if err := issuer.Text(r.Name, r.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
}

const teamDomain = "team.example"

// namedByProject lets the names below a project's domain lead to a deployment that was made after it: they serve,
// trusted, once the domain is proven, and lead to no other.
func namedByProject(t *testing.T, s *server, issuer *certstest.Issuer, stranger func(url string) (int, error)) {
	t.Helper()
	page := func(label string) string {
		return "https://" + label + "." + teamDomain + ":" + strconv.Itoa(s.https) + "/"
	}
	for _, label := range []string{"any", "web-other-app", "web-shop-app"} { // what a wildcard does
		if err := issuer.Point(label + "." + teamDomain); err != nil {
			t.Fatal(err)
		}
	}
	if out := must(t, s, "domain", "check", "--project", "app", teamDomain); !strings.Contains(out, "TXT _berth."+teamDomain) {
		t.Errorf("without a proof it says: %s", out)
	}
	prove(t, s, issuer, "--project", "app")
	eventually(t, 20*time.Second, func() error {
		status, err := stranger(page("web-other-app"))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	if status, err := stranger(page("web-shop-app")); err == nil {
		t.Errorf("a deployment that was there before the domain has a name below it: %d", status)
	}
	must(t, s, "domain", "rm", "--project", "app", teamDomain)
}

// visitor gets pages of this machine, whatever their names, and trusts one root only.
func visitor(t *testing.T, root string) func(url string) (status int, err error) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(root)) {
		t.Fatal("the root is no certificate")
	}
	here := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: here, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	return func(url string) (int, error) {
		answer, err := client.Get(url)
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
}
