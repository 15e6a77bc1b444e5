package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// sshful is a service that answers SSH.
type sshful struct {
	*fakeService
	server berth.SSHServer
	keys   []berth.SSHKey
}

func (s *sshful) Whoami(context.Context) (berth.Whoami, error) {
	return berth.Whoami{Person: "ada", SSH: s.server}, nil
}

func (s *sshful) Keys(context.Context, string) ([]berth.SSHKey, error) { return s.keys, nil }

func (s *sshful) Deployments(context.Context, string) ([]berth.Deployment, error) {
	return s.views, nil
}

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"

func newSSHful(t *testing.T) (*cli, *sshful) {
	t.Helper()
	c := newCLI(t)
	s := &sshful{fakeService: c.service, server: berth.SSHServer{Host: "203.0.113.9", Port: 2222, HostKeys: []string{hostKey}}, keys: []berth.SSHKey{{Name: "laptop"}}}
	s.views[0].SSH = s.server.Commands(s.views[0].Slug, []berth.ElementStatus{{Identifier: "web", Kind: berth.KindComponent}, {Identifier: "postgres", Kind: berth.KindAddon}})
	c.connect = func() (berth.Service, error) { return s, nil }
	return c, s
}

func TestSSHRunsTheClientOfTheMachine(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\nfor a; do echo \"$a\"; done; exit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c, s := newSSHful(t)
	slug := s.views[0].Slug
	if code := c.do(t, "ssh", "web", "postgres.1", "-A", "-L", "8080:localhost:80", "-i", "my key", "--", "psql", "it's"); code != 7 {
		t.Fatalf("exit %d: %s", code, c.err)
	}
	known := filepath.Join(c.config, "known_hosts")
	want := []string{"-p", "2222", "-l", slug + ".postgres.1", "-o", `UserKnownHostsFile="` + known + `"`, "-o", "StrictHostKeyChecking=yes", "-o", "ServerAliveInterval=15", "--", "203.0.113.9", `'psql' 'it'\''s'`}
	got := strings.Split(strings.TrimSpace(c.out.String()), "\n")
	if !slices.Equal(got[len(got)-len(want):], want) || !slices.Contains(got, "-A") || !slices.Contains(got, "8080:localhost:80") || !slices.Contains(got, "my key") {
		t.Errorf("ssh was given %q", got)
	}
	if text, err := os.ReadFile(known); err != nil || string(text) != "[203.0.113.9]:2222 "+hostKey+"\n" {
		t.Errorf("%s, %v", text, err)
	}
	c.do(t, "ssh", "web", "--", "echo $HOME")
	if !strings.HasSuffix(c.out.String(), "\necho $HOME\n") || !strings.Contains(c.out.String(), "\n"+slug+"\n") {
		t.Errorf("a line was given as %q", c.out)
	}
}

func TestSSHSaysWhatIsMissing(t *testing.T) {
	c, s := newSSHful(t)
	s.keys = nil
	c.mustFail(t, exitFailed, "berth key add", "ssh", "web")
	s.server = berth.SSHServer{}
	c.mustFail(t, exitFailed, "answers no SSH", "ssh", "web")
	c.mustFail(t, exitFailed, "answers no SSH", "ssh-config")
	c.mustFail(t, exitFailed, "say berth ssh", "ssh", "web", "a", "b")
}

// What is written is what ssh reads.
func TestSSHConfigIsRead(t *testing.T) {
	c, s := newSSHful(t)
	home := t.TempDir()
	c.env = func(name string) string { return map[string]string{"HOME": home}[name] }
	if code := c.do(t, "ssh-config", "-i", "~/.ssh/id 100%"); code != 0 {
		t.Fatal(c.err)
	}
	file := filepath.Join(home, ".ssh", "berth_config")
	if !strings.Contains(c.out.String(), "\nInclude berth_config\n") {
		t.Errorf("it says %q", c.out)
	}
	slug := s.views[0].Slug
	for host, user := range map[string]string{"git.berth": "git", slug + ".berth": slug, "web." + slug + ".berth": slug + ".web", "postgres." + slug + ".berth": slug + ".postgres"} {
		out, err := exec.CommandContext(t.Context(), "ssh", "-G", "-F", file, host).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, want := range []string{"user " + user, "hostname 203.0.113.9", "port 2222", "userknownhostsfile " + filepath.Join(c.config, "known_hosts"), "identitiesonly yes", "stricthostkeychecking true"} {
			if !strings.Contains("\n"+string(out), "\n"+want+"\n") {
				t.Errorf("%s has no %q in\n%s", host, want, out)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(home, ".ssh", "config")); err == nil {
		t.Error("the person's own file was made")
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte("Include berth_config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.do(t, "ssh-config"); strings.Contains(c.out.String(), "Include") {
		t.Errorf("it says again %q", c.out)
	}
	if c.do(t, "ssh-config", "--file", "-"); !strings.HasPrefix(c.out.String(), "# Written by") {
		t.Errorf("stdout has %q", c.out)
	}
}
