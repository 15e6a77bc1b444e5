package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	for name, line := range map[string]string{
		"help": "--help", "version": "version", "whoami": "whoami", "whoami-json": "whoami --json", "login-link": "login-link",
		"ls": "ls", "ls-json": "ls --json", "show": "show web", "status": "status web", "status-server": "status", "releases": "releases web", "builds": "builds web",
		"env-ls": "env ls web web", "project-ls": "project ls", "project-show": "project show shop", "package-ls": "package ls",
		"logs": "logs web", "logs-element": "logs web web -t", "logs-json": "logs web --json", "build-log": "builds log web",
		"create": "create shop --name web --stage production",
	} {
		t.Run(name, func(t *testing.T) { newCLI(t).golden(t, name, strings.Fields(line)...) })
	}
}

// TestShowJSONHasEveryKey: scripts may rely on these, also where there is nothing.
func TestShowJSONHasEveryKey(t *testing.T) {
	c := newCLI(t)
	d := shop()
	d.Hosts, d.SSH, d.Elements, d.Volumes, d.Releases = nil, nil, nil, nil, nil
	c.service.views[0] = d
	for _, args := range [][]string{{"show", "web", "--json"}, {"status", "web", "--json"}} {
		if code := c.do(t, args...); code != 0 {
			t.Fatal(c.err)
		}
		var got map[string]any
		if err := json.Unmarshal(c.out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"name", "slug", "project", "stage", "kind", "branch", "commit", "phase"} {
			if _, ok := got[key].(string); !ok {
				t.Errorf("%v: %s is %v", args, key, got[key])
			}
		}
		for _, key := range []string{"hosts", "ssh", "elements", "volumes", "releases"} {
			if list, ok := got[key].([]any); !ok || len(list) != 0 {
				t.Errorf("%v: %s is %v, want []", args, key, got[key])
			}
		}
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	c := newCLI(t)
	for _, x := range []struct {
		tty     bool
		noColor string
		want    bool
	}{{false, "", false}, {true, "", true}, {true, "1", false}} {
		c.terminal.out = x.tty
		c.env = func(name string) string { return map[string]string{"NO_COLOR": x.noColor}[name] }
		if c.do(t, "ls"); strings.Contains(c.out.String(), "\x1b[") != x.want {
			t.Errorf("terminal %v, NO_COLOR %q: %q", x.tty, x.noColor, c.out)
		}
	}
}

// TestNothingSteersTheTerminal: messages come from containers and other persons.
func TestNothingSteersTheTerminal(t *testing.T) {
	c := newCLI(t)
	for _, args := range [][]string{{"show", "web"}, {"status", "web"}, {"env", "ls", "web"}} {
		if c.do(t, args...); strings.ContainsAny(c.out.String(), "\x1b\a") {
			t.Errorf("%v prints %q", args, c.out)
		}
	}
}
