// Package enginetest is the conformance suite of engine.Engine: every engine passes Run. Its
// subtests are the promises that engine's doc comments make. It must not know any engine.
package enginetest

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest/program"
	"github.com/berth-dev/berth/plan"
)

// Factory is how the suite gets at the engine under test and its one machine.
type Factory struct {
	// Open opens an engine on the machine, as a restarted server would: what an earlier one left is
	// there. The engine it returned before may be dropped without having been closed; Open cleans up with t.
	Open func(t *testing.T) engine.Engine
	// Image is a reference the engine can run without pulling, made of RootFS.
	Image string
	// MissingImage is a well-formed reference that exists nowhere.
	MissingImage string
	// Backoff is what the engine gives to plan.Next.
	Backoff plan.Backoff
	// Steady is how long an instance without port and probe has to run to count as ready.
	Steady time.Duration
	// Timeout is how long anything may take: a container's start, an end with grace.
	Timeout time.Duration
	// Kill ends an instance from outside, like docker kill. It returns once that is so.
	Kill func(t *testing.T, i engine.Instance)
	// Secret makes value the secret behind the token it returns. nil: the engine is not asked about secrets.
	Secret func(t *testing.T, value string) (token string)
	// Decoys puts things of others on the machine, named as alike as possible to what the engine
	// makes, and returns a check that they are still there, unchanged.
	Decoys func(t *testing.T) (intact func(t *testing.T))
}

// RootFS builds the suite's program for a Linux container and returns a root file system (tar) with nothing
// else in it but /etc/passwd, /tmp and empty directories, for an engine's image import. Set the image's
// command to nothing: the suite always gives one.
func RootFS(t *testing.T) io.Reader {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary,
		"github.com/berth-dev/berth/engine/enginetest/testprogram")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build testprogram: %v\n%s", err, out)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(h tar.Header, content string) {
		h.Size, h.ModTime = int64(len(content)), time.Unix(0, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, "")
	add(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644},
		"root:x:0:0:root:/:/program\nuser:x:1000:1000:user:/tmp:/program\n")
	add(tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(program.Path, "/"), Mode: 0o755}, string(data))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}
