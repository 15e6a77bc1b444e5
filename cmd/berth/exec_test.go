package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/google/go-cmp/cmp"
)

func TestExec(t *testing.T) {
	c := newCLI(t)
	c.service.code = 42
	if code := c.do(t, "exec", "web", "worker.1", "--", "sh", "-c", "exit 42", "--help"); code != 42 || c.out.String() != "out\n" || c.err.Len() != 0 {
		t.Errorf("exit %d, %q, %q", code, c.out, c.err)
	}
	x := c.service.exec
	if diff := cmp.Diff([]string{"sh", "-c", "exit 42", "--help"}, x.Command); diff != "" || x.Element != "worker.1" || x.TTY || x.Stdin == nil {
		t.Errorf("asked for %+v", x)
	}
	c.service.code = 0
	if code := c.do(t, "exec", "-n", "web", "--", "ls"); code != 0 || c.service.exec.Element != "" || c.service.exec.Stdin != nil {
		t.Errorf("exit %d, asked for %+v", code, c.service.exec)
	}
	if code := c.do(t, "exec", "-t", "web", "--", "top"); code != 0 || !c.service.exec.TTY {
		t.Errorf("exit %d, asked for %+v", code, c.service.exec)
	}
	for _, args := range [][]string{{"exec", "web"}, {"exec", "web", "ls"}, {"exec", "web", "--"}, {"exec", "--", "ls", "x"}, {"exec", "a", "b", "c", "--", "ls"}} {
		if code := c.do(t, args...); code != exitFailed {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

func TestCredentialsAreForOneself(t *testing.T) {
	c := newCLI(t)
	c.config = filepath.Join(c.config, "deep", "berth")
	want := client.Credentials{URL: "https://x", CA: "PEM", Token: berth.NewSecret("berth_x")}
	for range 2 {
		if err := c.keep(want); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(c.credentialsFile())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if got, ok, err := c.credentials(); err != nil || !ok || got != want {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	if list, _ := os.ReadDir(c.config); len(list) != 1 {
		t.Errorf("%v is left", list)
	}
	write(t, c.credentialsFile(), "{")
	if _, _, err := c.credentials(); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("%v", err)
	}
}

func TestWhichServer(t *testing.T) {
	c := newCLI(t)
	env := map[string]string{}
	c.env = func(name string) string { return env[name] }
	if err := c.keep(client.Credentials{URL: "https://stored", Token: berth.NewSecret("s")}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.server(); err != nil || got.URL != "https://stored" {
		t.Errorf("%+v, %v", got, err)
	}
	env["BERTH_SERVER"], env["BERTH_TOKEN"] = "https://ci", "t"
	if got, err := c.server(); err != nil || got.URL != "https://ci" || got.Token.Reveal() != "t" {
		t.Errorf("%+v, %v", got, err)
	}
	env["BERTH_SOCKET"] = "/x.sock"
	if got, err := c.server(); err != nil || got.Socket != "/x.sock" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRenderEveryPackageOfTheCatalogue(t *testing.T) {
	c := newCLI(t)
	for _, name := range []string{"nodejs", "react-vite", "postgres", "dockerfile"} {
		for _, stage := range []string{"development", "production"} {
			if code := c.do(t, "package", "render", name, "--stage", stage); code != 0 || !strings.Contains(c.out.String(), "kind: ") {
				t.Errorf("%s in %s: exit %d: %s", name, stage, code, c.err)
			}
		}
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "POSTGRES_DB: orders\n")
	if code := c.do(t, "package", "render", "postgres", "--values", values); code != 0 || !strings.Contains(c.out.String(), "value: orders") {
		t.Errorf("exit %d: %s%s", code, c.out, c.err)
	}
	c.mustFail(t, exitFailed, "there is no package cobol", "package", "render", "cobol")
	c.mustFail(t, exitFailed, "there is no package", "package", "render", "x/../../etc")
}
