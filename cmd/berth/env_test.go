package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
)

func TestEnvSet(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, "value"), filepath.Join(dir, ".env")
	for name, text := range map[string]string{file: "from a file\n", dotenv: "# two\nA=1\nexport TOKEN='x y'\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args    []string
		stdin   string
		tty     bool
		plain   map[string]string
		secrets map[string]string
	}{
		{args: []string{"LEVEL=debug", "EMPTY="}, plain: map[string]string{"LEVEL": "debug", "EMPTY": ""}},
		{args: []string{"KEY=a=b"}, plain: map[string]string{"KEY": "a=b"}},
		{args: []string{"STRIPE"}, tty: true, secrets: map[string]string{"STRIPE": "typed"}},
		{args: []string{"STRIPE=-"}, stdin: "piped\n", secrets: map[string]string{"STRIPE": "piped"}},
		{args: []string{"STRIPE=@" + file}, secrets: map[string]string{"STRIPE": "from a file"}},
		{args: []string{"--from", dotenv}, secrets: map[string]string{"A": "1", "TOKEN": "x y"}},
		{args: []string{"--from", "-"}, stdin: "B=2", secrets: map[string]string{"B": "2"}},
		{args: []string{"--plain", "--from", dotenv}, plain: map[string]string{"A": "1", "TOKEN": "x y"}},
		{args: []string{"--plain", "PUBLIC_TOKEN=x"}, plain: map[string]string{"PUBLIC_TOKEN": "x"}},
		{args: []string{"--plain", "SESSION=-"}, stdin: "x", secrets: map[string]string{"SESSION": "x"}}, // the stack says that it is one
	} {
		x := newCLI(t)
		x.in, x.terminal.in = strings.NewReader(c.stdin), c.tty
		if code := x.do(t, append([]string{"env", "set", "web", "web"}, c.args...)...); code != 0 {
			t.Errorf("%v: exit %d: %s", c.args, code, x.err)
			continue
		}
		secrets := map[string]string{}
		for name, s := range x.service.secrets {
			secrets[name] = s.Reveal()
		}
		if c.plain == nil {
			c.plain = map[string]string{}
		}
		if c.secrets == nil {
			c.secrets = map[string]string{}
		}
		if diff := cmp.Diff(c.plain, x.service.set) + cmp.Diff(c.secrets, secrets); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, diff)
		}
		for _, value := range c.secrets {
			if len(value) > 2 && strings.Contains(x.out.String()+x.err.String(), value) {
				t.Errorf("%v prints a secret: %s%s", c.args, x.out, x.err)
			}
		}
	}
}

func TestEnvSetRefuses(t *testing.T) {
	for part, args := range map[string][]string{
		"SESSION is a secret":          {"SESSION=hunter2"},
		"DB_PASSWORD looks like":       {"DB_PASSWORD=hunter2"},
		"no terminal to ask for X":     {"X"},
		"only one value can come from": {"A=-", "B=-"},
		"nothing to set":               {},
		"read X: open":                 {"X=@/nonexistent"},
	} {
		c := newCLI(t)
		c.mustFail(t, exitFailed, part, append([]string{"env", "set", "web", "web"}, args...)...)
		if strings.Contains(c.err.String(), "hunter2") || c.service.set != nil {
			t.Errorf("%v: %s; set %v", args, c.err, c.service.set)
		}
	}
}

func TestParseDotenv(t *testing.T) {
	for text, want := range map[string][][2]string{
		"":                           nil,
		"A=1\nB=2":                   {{"A", "1"}, {"B", "2"}},
		"\n# c\n  A = 1 # why\r\n":   {{"A", "1"}},
		`A="x\ny \"z\" # no"  # yes`: {{"A", "x\ny \"z\" # no"}},
		`A='x\ny'`:                   {{"A", `x\ny`}},
		"A=":                         {{"A", ""}},
		"A=b=c#d":                    {{"A", "b=c#d"}},
		`A=""`:                       {{"A", ""}},
	} {
		if got, err := parseDotenv(".env", text); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, bad := range []string{"A", "A=1\nhunter2", `A="hunter2`, `A='hunter2' hunter2`} {
		if _, err := parseDotenv(".env", bad); berth.CodeOf(err) != berth.EInvalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseDotenv(f *testing.F) {
	f.Add("A=1\nexport B='x'\nC=\"\\\"\"#")
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := parseDotenv("f", text)
		if err == nil && len(pairs) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d pairs from %q", len(pairs), text)
		}
	})
}
