package sshd

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestWhatGitAsksFor(t *testing.T) {
	for line, want := range map[string]string{
		"git-upload-pack 'shop'": "git-upload-pack shop", "git-receive-pack '/shop.git'": "git-receive-pack shop", "git upload-pack 'shop.git/'": "git-upload-pack shop",
		"git-upload-pack shop": "git-upload-pack shop", "git-upload-archive 'shop'": "", "git-upload-pack 'shop": "", "git-upload-pack ''": "", "git-upload-pack": "",
		"git-upload-pack '../shop'": "", "git-upload-pack 'shop' --evil": "", "git-upload-pack '--evil'": "", "git-upload-pack 'shop'; rm -rf /": "", "": "", "sh": "",
	} {
		service, project, ok := gitCommand(line)
		if got := strings.TrimSpace(service + " " + project); ok != (want != "") || ok && got != want {
			t.Errorf("%q asks for %q, %v", line, got, ok)
		}
	}
}

func FuzzGitCommand(f *testing.F) {
	f.Add("git-upload-pack 'shop.git'")
	f.Add("git receive-pack '/a-b'")
	f.Fuzz(func(t *testing.T, line string) {
		if _, project, ok := gitCommand(line); ok && berth.ValidateName("name", project) != nil {
			t.Errorf("%q asks for %q", line, project)
		}
	})
}

func FuzzTerminalModes(f *testing.F) {
	f.Add([]byte{53, 0, 0, 0, 1, 0})
	f.Add([]byte{0})
	f.Add([]byte{53, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		modes, ok := terminalModes(text)
		if ok && len(modes) > len(text)/5 {
			t.Errorf("%d modes in %d bytes", len(modes), len(text))
		}
	})
}

func TestProgramsAreNamedWithoutSecrets(t *testing.T) {
	for line, want := range map[string]string{
		"psql --password=x": "psql", "/usr/bin/rsync --server": "/usr/bin/rsync", "TOKEN=x curl": "a command", "'s3cret' x": "a command", "": "a command",
		"$(cat key)": "a command", strings.Repeat("x", 200): "a command",
	} {
		if got := program(berth.Process{Kind: berth.ProcessCommand, Command: line}); got != want {
			t.Errorf("%q is named %q", line, got)
		}
	}
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

func TestDebtsArePaidByTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := newDoor(Penalties{PerFailure: time.Second, Allowed: 3 * time.Second, Most: 10 * time.Second}, func() time.Time { return now })
	fail := func(from address) bool {
		leave, ok := d.enter(from)
		if ok {
			leave(false)
		}
		return ok
	}
	for i := range 4 {
		if !fail("192.0.2.1:1") {
			t.Fatalf("refused after %d failures", i)
		}
	}
	if fail("192.0.2.1:2") || fail("[::ffff:192.0.2.1]:3") {
		t.Error("an address in debt is answered")
	}
	if !fail("192.0.2.2:1") || !fail("[2001:db8::1]:1") {
		t.Error("other addresses are not answered")
	}
	now = now.Add(2 * time.Second)
	if leave, ok := d.enter(address("192.0.2.1:1")); !ok {
		t.Error("a debt that is paid is not forgotten")
	} else {
		leave(true)
	}
	now = now.Add(time.Minute)
	d.forget(now)
	if len(d.from) != 0 || d.waiting != 0 {
		t.Errorf("%d addresses are remembered, %d wait", len(d.from), d.waiting)
	}
}
