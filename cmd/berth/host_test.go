package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func (f *fakeService) ProtectHosts(_ context.Context, _ string, w berth.ProtectHosts) ([]berth.Host, error) {
	f.protected = append(f.protected, w.Host+" "+w.Password.Reveal()+" "+strings.Join(w.Allow, ","))
	return f.hosts(&berth.Protection{Password: !w.Password.Empty(), Allow: w.Allow}), f.failing
}

func (f *fakeService) OpenHosts(context.Context, string, berth.OpenHosts) ([]berth.Host, error) {
	return f.hosts(nil), f.failing
}

func (f *fakeService) hosts(p *berth.Protection) []berth.Host {
	return []berth.Host{{Element: "web", Identifier: "app", Name: "web-web-shop.test", URL: "https://web-web-shop.test", Protection: p}}
}

func TestAHostsPasswordComesFromStdinFileOrTerminal(t *testing.T) {
	c := newCLI(t)
	c.in = strings.NewReader("from stdin\n")
	if code := c.do(t, "host", "protect", "web", "--password", "-"); code != 0 || !strings.Contains(c.out.String(), "with the password") {
		t.Fatalf("%d %s%s", code, c.out, c.err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := c.do(t, "host", "protect", "web", "api", "--password", "@"+file, "--allow", "10.0.0.0/8,192.0.2.7"); code != 0 || !strings.Contains(c.out.String(), "with the password, from 10.0.0.0/8, 192.0.2.7") {
		t.Fatalf("%d %s%s", code, c.out, c.err)
	}
	c.terminal.in = true
	if code := c.do(t, "host", "protect", "web", "--password", "-"); code != 0 {
		t.Fatalf("%d %s", code, c.err)
	}
	if got, want := strings.Join(c.service.protected, "|"), " from stdin |api from a file 10.0.0.0/8,192.0.2.7| typed "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.mustFail(t, exitFailed, "--password -", "host", "protect", "web", "--password", "on-the-line")
	if code := c.do(t, "host", "open", "web"); code != 0 || !strings.Contains(c.out.String(), "everybody") {
		t.Errorf("%d %s", code, c.out)
	}
}
