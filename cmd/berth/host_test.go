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

func (f *fakeService) RenameHost(_ context.Context, ref, host, label string) (berth.Deployment, error) {
	f.renamed = append(f.renamed, ref+" "+host+" "+label)
	d := f.views[0]
	if label != "app" {
		d.Releases = append([]berth.Release{{Revision: newestRevision(d) + 1}}, d.Releases...)
	}
	return d, f.failing
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

func TestARenamedHostIsToldWithItsRelease(t *testing.T) {
	c := newCLI(t)
	for label, want := range map[string]string{"shop": "named shop now: release ", "app": "named app already"} {
		if code := c.do(t, "host", "rename", "web", "api", label); code != 0 || !strings.Contains(c.out.String(), want) {
			t.Errorf("%d %s%s", code, c.out, c.err)
		}
		if got := c.service.renamed[len(c.service.renamed)-1]; got != "web api "+label {
			t.Errorf("asked for %q", got)
		}
	}
	c.service.failing = berth.Errorf(berth.EConflict, "the host shop is taken")
	c.mustFail(t, exitFailed, "taken", "host", "rename", "web", "api", "shop")
}
