//go:build docker

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// These tests run on the machine's own Docker. What they make carries a server id of their own and is
// removed again; nothing else is touched.

const waitFor = 60 * time.Second

// machine is one machine as a server sees it over its restarts.
type machine struct {
	config  Config
	secrets map[berth.ID]string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{secrets: map[berth.ID]string{}}
	dir := t.TempDir()
	m.config = Config{
		RunDir: filepath.Join(dir, "run"), VolumesDir: filepath.Join(dir, "volumes"),
		AgentPath: standIn(t), ServerID: "test-" + string(berth.NewID()),
		Secret: func(_ context.Context, id berth.ID, _ int) (berth.Secret, error) {
			return berth.NewSecret(m.secrets[id]), nil
		},
		Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, d := range []string{m.config.RunDir, m.config.VolumesDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// open opens an engine, as a started server does, and sees that in the end nothing of it is left.
func (m *machine) open(t *testing.T) *Engine {
	t.Helper()
	e, err := New(m.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := e.Open(t.Context()); err != nil {
		t.Fatalf("open: %v", err)
	}
	return e
}

// standIn builds the tiny program that plays core.
func standIn(t *testing.T) string { t.Helper(); return static(t, "./testdata/core") }

// static builds a program that runs in any image.
func static(t *testing.T, program string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "berth-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", program, err, out)
	}
	return binary
}

// removeImages removes what the machine imported, core's image included.
func (m *machine) removeImages(t *testing.T, e *Engine) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	images, err := e.labelledImages(ctx, e.docker.labelled())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		for _, name := range append(i.Tags, i.ID) {
			if err := e.RemoveImage(ctx, name); err != nil {
				t.Errorf("remove image: %v", err)
			}
		}
	}
}

// busybox imports an image with a shell and returns its name. Debian's busybox-static provides it.
func busybox(t *testing.T, e *Engine) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is not installed: scripts/test-tools.sh installs busybox-static")
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	applets, err := exec.CommandContext(t.Context(), path, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	ref := "berth-test/busybox:" + string(berth.NewID())
	id, err := e.ImportImage(t.Context(), shellRootFS(t, binary, strings.Fields(string(applets))), ref, nil, []string{"ENV FROM_IMAGE=yes", "EXPOSE 8080"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, name := range []string{ref, id} {
			if err := e.RemoveImage(ctx, name); err != nil {
				t.Errorf("remove image: %v", err)
			}
		}
	})
	return ref
}

func shellRootFS(t *testing.T, busybox []byte, applets []string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content []byte) {
		h.Size, h.ModTime = int64(len(content)), time.Unix(0, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin/", "etc/", "root/", "tmp/"} {
		add(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o1777}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"))
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, busybox)
	for _, a := range applets {
		if a != "busybox" {
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + a, Linkname: "busybox", Mode: 0o777}, nil)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// await waits for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitFor); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("timed out: %s", what)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// shell runs a program of the machine.
func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// countRules counts the lines about our bridges in the chains of machineRules.
func countRules(t *testing.T) (n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range machineRules {
		if seen[r.table+r.chain] {
			continue
		}
		seen[r.table+r.chain] = true
		for line := range strings.Lines(shell(t, "iptables", "-w", "-t", r.table, "-S", r.chain)) {
			if strings.Contains(line, "-i "+bridges) {
				n++
			}
		}
	}
	return n
}
