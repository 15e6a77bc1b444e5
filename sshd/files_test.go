package sshd_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fileOf makes a file of random bytes.
func fileOf(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	_, _ = rand.Read(content)
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func mustHold(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that differ from %d, %v", path, len(got), len(want), err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, content := fileOf(t, 8<<20)
	tool := func(t *testing.T, name string, args ...string) {
		t.Helper()
		if got := run(t, exec.CommandContext(t.Context(), name, args...)); got.code != 0 {
			t.Errorf("%s %v: %+v", name, args, got)
		}
	}
	for name, extra := range map[string][]string{"scp": nil, "scp -O": {"-O"}} {
		t.Run(name, func(t *testing.T) {
			there, back := filepath.Join(w.place.home, "by-"+strings.ReplaceAll(name, " ", "")), filepath.Join(t.TempDir(), "back")
			options := append(append(append([]string{"-q"}, extra...), w.options()...), "-P", w.port)
			tool(t, "scp", append(options, file, destination+":"+there)...)
			mustHold(t, there, content)
			tool(t, "scp", append(options, destination+":"+filepath.Base(there), back)...)
			mustHold(t, back, content)
		})
	}
	t.Run("sftp", func(t *testing.T) {
		batch := filepath.Join(t.TempDir(), "batch")
		if err := os.WriteFile(batch, []byte("put "+file+" by-sftp\nrename by-sftp moved\nls\nget moved "+batch+".back\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "sftp", append(append([]string{"-q", "-b", batch}, w.options()...), "-P", w.port, destination)...)
		mustHold(t, batch+".back", content)
	})
	t.Run("rsync", func(t *testing.T) {
		from, to := t.TempDir(), filepath.Join(w.place.home, "tree")
		for _, name := range []string{"a", "b"} {
			if err := os.WriteFile(filepath.Join(from, name), content[:1000], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		shell := "ssh " + strings.Join(w.options(), " ") + " -p " + w.port
		tool(t, "rsync", "-a", "-e", shell, from+"/", destination+":"+to)
		mustHold(t, filepath.Join(to, "b"), content[:1000])
		if err := os.Remove(filepath.Join(from, "b")); err != nil {
			t.Fatal(err)
		}
		tool(t, "rsync", "-a", "--delete", "-e", shell, from+"/", destination+":"+to)
		if _, err := os.Stat(filepath.Join(to, "b")); err == nil {
			t.Error("what was deleted is still there")
		}
	})
	t.Run("much, both ways at once", func(t *testing.T) {
		c := w.command(t, destination, "cat")
		file, content := fileOf(t, 64<<20)
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.Close() }()
		c.Stdin = in
		if got := run(t, c); got.code != 0 || got.stdout != string(content) {
			t.Errorf("%d bytes came back of %d, exit %d %s", len(got.stdout), len(content), got.code, got.stderr)
		}
	})
	t.Run("a repository inside", func(t *testing.T) {
		tool(t, "git", "init", "-q", "--bare", "-b", "main", filepath.Join(w.place.home, "inside.git"))
		local := filepath.Join(t.TempDir(), "clone")
		git := func(args ...string) {
			t.Helper()
			c := exec.CommandContext(t.Context(), "git", args...)
			c.Env = append(os.Environ(), "GIT_SSH_COMMAND=ssh "+strings.Join(w.options(), " "), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
			if got := run(t, c); got.code != 0 {
				t.Fatalf("git %v: %+v", args, got)
			}
		}
		url := "ssh://" + destination + ":" + w.port + w.place.home + "/inside.git"
		git("clone", "-q", url, local)
		git("-C", local, "commit", "-q", "--allow-empty", "-m", "first")
		git("-C", local, "push", "-q", "origin", "HEAD:main")
		git("-C", local, "fetch", "-q")
	})
}
