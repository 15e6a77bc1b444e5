package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// grow makes a tree with what containers may leave behind.
func grow(t testing.TB, s *Volumes) (outside string) {
	t.Helper()
	outside = t.TempDir()
	write(t, outside+"/keep", "of others")
	path := ensure(t, s, named("db", "data"))
	ensure(t, s, named("", "code"))
	for i := range 600 {
		write(t, path+"/many/"+strconv.Itoa(i), "x")
	}
	must(t, os.Symlink(outside, path+"/link"))
	must(t, os.Symlink(outside+"/keep", path+"/filelink"))
	must(t, unix.Mkfifo(path+"/pipe", 0o600))
	must(t, os.MkdirAll(path+"/locked/dir", 0o755))
	must(t, os.Chmod(path+"/locked", 0o700))
	return outside
}

func trashed(t testing.TB, s *Volumes) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, trash))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestRemoveAllTakesTheTreeAndNothingElse(t *testing.T) {
	s := volumes(t)
	outside := grow(t, s)
	other := named("db", "data")
	other.Deployment = deployment + "x" // a name that begins alike
	ensure(t, s, other)
	for range 2 {
		must(t, s.RemoveAll(t.Context(), deployment))
	}
	if exists(filepath.Join(s.dir, string(deployment))) || len(trashed(t, s)) != 0 {
		t.Errorf("left: %v", trashed(t, s))
	}
	if !exists(outside+"/keep") || !exists(s.Path(other)) {
		t.Error("something of others is gone")
	}
}

func TestRemoveAllGoesOnWhereItWasCutShort(t *testing.T) {
	s := volumes(t)
	grow(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.RemoveAll(ctx, deployment); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if exists(filepath.Join(s.dir, string(deployment))) || len(trashed(t, s)) == 0 {
		t.Error("the tree is not in the trash")
	}
	must(t, s.RemoveAll(t.Context(), deployment))
	if len(trashed(t, s)) != 0 {
		t.Errorf("left: %v", trashed(t, s))
	}
}

// TestRemoveAllOfAVeryDeepTree: 3,000 levels are more than a path may be long, and more than a
// process may have files open.
func TestRemoveAllOfAVeryDeepTree(t *testing.T) {
	s := volumes(t)
	path := ensure(t, s, named("db", "data"))
	dir, err := os.Open(path)
	must(t, err)
	for range 3000 {
		must(t, unix.Mkdirat(int(dir.Fd()), "d", 0o755))
		below, err := openat(dir, "d", unix.O_DIRECTORY)
		must(t, err)
		must(t, dir.Close())
		dir = below
	}
	must(t, dir.Close())
	if _, err := s.Usage(t.Context(), deployment); err != nil {
		t.Error(err)
	}
	must(t, s.RemoveAll(t.Context(), deployment))
	if len(trashed(t, s)) != 0 {
		t.Errorf("left: %v", trashed(t, s))
	}
}

func TestResetTakesOneVolume(t *testing.T) {
	s := volumes(t)
	grow(t, s)
	must(t, s.Reset(t.Context(), named("db", "data")))
	must(t, s.Reset(t.Context(), named("db", "data")))
	if exists(s.Path(named("db", "data"))) || !exists(s.Path(named("", "code"))) || len(trashed(t, s)) != 0 {
		t.Error("reset took too little or too much")
	}
	if _, created, err := s.Ensure(t.Context(), named("db", "data")); !created || err != nil {
		t.Error(created, err)
	}
}
