package welcome

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const ca = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"

// newServer is the plain listener of a server whose applications answer "application".
func newServer(t *testing.T, cli *CLI) *httptest.Server {
	t.Helper()
	w := New(Config{
		Ours: func(host string) bool { return host == "console.apps.example" || host == "apps.example" },
		CA:   func() string { return ca }, Fingerprint: func() string { return strings.Repeat("0123abcd", 8) },
		Domain: "apps.example", CLI: cli,
	})
	next := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "application") })
	s := httptest.NewServer(w.Plain(next))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *httptest.Server, host, path string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

func TestStrangersAreAnsweredAtTheServersOwnNamesOnly(t *testing.T) {
	s := newServer(t, &CLI{})
	for _, host := range []string{"", "203.0.113.9", "203.0.113.9:8080", "[2001:db8::9]:8080", "apps.example", "Console.Apps.Example.:80"} {
		status, header, body := get(t, s, host, "/")
		if status != http.StatusOK || !strings.Contains(body, "<span>0123</span><span>abcd</span>") || !strings.Contains(body, "apps.example") {
			t.Errorf("%q: %d %.200s", host, status, body)
		}
		if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%q: policy %q", host, header.Get("Content-Security-Policy"))
		}
		if _, header, body := get(t, s, host, "/ca.crt"); body != ca || header.Get("Content-Type") != "application/x-x509-ca-cert" {
			t.Errorf("%q: ca.crt is %q, %q", host, body, header)
		}
		if _, _, body := get(t, s, host, "/anything"); body != "application" {
			t.Errorf("%q: another path says %q", host, body)
		}
	}
	for _, path := range []string{"/", "/ca.crt", "/install.sh", "/cli/linux-amd64"} {
		if _, _, body := get(t, s, "web-main-shop.apps.example", path); body != "application" {
			t.Errorf("an application's %s is answered with %.80q", path, body)
		}
	}
}

// command is a CLI directory with one that says its name, for the machine that this runs on.
func command(t *testing.T) *CLI {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, runtime.GOOS+"-"+runtime.GOARCH), []byte("#!/bin/sh\necho the berth command\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "windows-amd64.exe"), []byte("MZ"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &CLI{Dir: dir, Beside: t.TempDir(), Version: "v1"}
}

func TestCommandLinesAreServedByPlatform(t *testing.T) {
	cli := command(t)
	s := newServer(t, cli)
	beside := filepath.Join(cli.Beside, "berth-v1-darwin-arm64")
	if err := os.WriteFile(beside, []byte("mac"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/cli/windows-amd64": "MZ", "/cli/windows-amd64.exe": "MZ", "/cli/darwin-arm64": "mac"} {
		if status, _, body := get(t, s, "", path); status != http.StatusOK || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	for _, path := range []string{"/cli/secret", "/cli/..%2fsecret", "/cli/darwin-amd64", "/cli/plan9-amd64"} {
		if status, _, body := get(t, s, "", path); status != http.StatusNotFound && status != http.StatusTemporaryRedirect || strings.Contains(body, "secret\n") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if _, _, body := get(t, s, "", "/cli/darwin-amd64"); !strings.Contains(body, "no berth command for darwin-amd64") {
		t.Errorf("what is missing is said as %q", body)
	}
	before, err := cli.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(beside, []byte("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if after, err := cli.Checksum(); err != nil || after == before {
		t.Errorf("a changed file has the checksum of the old one (%v)", err)
	}
}

func TestScriptInstallsWhatHasTheChecksumAndNothingElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the script is run where tests run: on Linux")
	}
	cli := command(t)
	s := newServer(t, cli)
	checksum, err := cli.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	_, _, script := get(t, s, "", "/install.sh")
	home := t.TempDir()
	target := filepath.Join(home, ".local", "bin", "berth")
	install := func(arguments ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-s", "--"}, arguments...)...)
		// Somebody who is not root, so that it goes to this home.
		stub := t.TempDir()
		if err := os.WriteFile(filepath.Join(stub, "id"), []byte("#!/bin/sh\necho 1000\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.Env = []string{"HOME=" + home, "PATH=" + stub + ":" + os.Getenv("PATH"), "no_proxy=*"}
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	other := sha256.Sum256([]byte("other"))
	for name, arguments := range map[string][]string{"no checksum": nil, "not a checksum": {"; id"}, "another checksum": {hex.EncodeToString(other[:])}} {
		if out, err := install(arguments...); err == nil || !strings.Contains(out, "checksum") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if _, err := os.Stat(target); err == nil {
			t.Fatalf("%s: it was installed", name)
		}
	}
	if out, err := install(checksum); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), target).Output(); err != nil || string(out) != "the berth command\n" {
		t.Errorf("what was installed says %q (%v)", out, err)
	}
}

// TestNoNameBecomesPartOfTheScript: what a client calls the server goes into a script that somebody runs.
func TestNoNameBecomesPartOfTheScript(t *testing.T) {
	for _, host := range []string{"127.0.0.1:80';id;'", "fe80::1%';id;'", "[fe80::1%25';id;']:80"} {
		r := httptest.NewRequest(http.MethodGet, "/install.sh", nil)
		r.Host = host
		rw := httptest.NewRecorder()
		New(Config{Ours: func(string) bool { return true }}).install(rw, r)
		if strings.Contains(rw.Body.String(), "id;") {
			t.Errorf("%q: %s", host, rw.Body)
		}
	}
}
