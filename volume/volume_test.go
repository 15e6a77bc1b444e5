package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

const deployment berth.ID = "abcdefghij"

func volumes(t testing.TB) *Volumes {
	t.Helper()
	return New(filepath.Join(t.TempDir(), "volumes"))
}

func named(element, identifier string) berth.Volume {
	return berth.Volume{Deployment: deployment, Element: element, Identifier: identifier, UID: -1, GID: -1}
}

func ensure(t testing.TB, s *Volumes, v berth.Volume) string {
	t.Helper()
	path, _, err := s.Ensure(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code berth.Code) {
	t.Helper()
	if berth.CodeOf(err) != code {
		t.Errorf("got %q (%v), want %q", berth.CodeOf(err), err, code)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestEnsureMakesAVolumeOnce(t *testing.T) {
	s := volumes(t)
	v := named("postgres", "data")
	first, created, err := s.Ensure(t.Context(), v)
	if err != nil || !created || first != s.Path(v) {
		t.Fatal(first, created, err)
	}
	write(t, first+"/file", "kept")
	must(t, os.Chmod(first, 0o700))
	second, created, err := s.Ensure(t.Context(), v)
	if err != nil || created || second != first || !exists(first+"/file") {
		t.Error(second, created, err)
	}
	info, err := os.Stat(first)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode was set again: %v, %v", info.Mode(), err)
	}
}

func TestOwnerIsSetAtCreation(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := volumes(t)
	code := berth.Volume{Deployment: deployment, Identifier: berth.CodeVolume, UID: 1000, GID: 1001}
	for path, want := range map[string]string{ensure(t, s, code): "1000:1001 755", ensure(t, s, named("db", "data")): "0:0 777"} {
		info, err := os.Stat(path)
		must(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		if got := fmt.Sprintf("%d:%d %o", stat.Uid, stat.Gid, info.Mode().Perm()); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestCreationCutShortLeavesNothingUnderTheName(t *testing.T) {
	s := volumes(t)
	v := named("db", "data")
	must(t, os.MkdirAll(filepath.Join(s.dir, string(deployment), ".new-left"), 0o700))
	if _, created, err := s.Ensure(t.Context(), v); !created || err != nil {
		t.Error(created, err)
	}
	usage, err := s.Usage(t.Context(), deployment)
	if err != nil || len(usage) != 1 {
		t.Errorf("usage %v, %v", usage, err)
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	s := volumes(t)
	for _, v := range []berth.Volume{
		{}, {Deployment: deployment}, {Identifier: "data"},
		named("..", "data"), named("db", ".."), named("db", "../../etc"), named("db", "a/b"), named("db", ".trash"),
		named("_", "code"), named("db", ""), named("db", "a\x00b"), {Deployment: "../x", Identifier: "data"},
		{Deployment: ".trash", Identifier: "data"}, named("db", strings.Repeat("x", 300)),
	} {
		_, _, err := s.Ensure(t.Context(), v)
		wantCode(t, err, berth.EInvalid)
		wantCode(t, s.Reset(t.Context(), v), berth.EInvalid)
		_, err = s.ReadFile(v.Deployment, v, "x", 1)
		wantCode(t, err, berth.EInvalid)
	}
	wantCode(t, s.RemoveAll(t.Context(), ""), berth.EInvalid)
	wantCode(t, s.RemoveAll(t.Context(), ".."), berth.EInvalid)
}

func TestSharedVolumeCannotMeetAnElements(t *testing.T) {
	s := volumes(t)
	code, element := ensure(t, s, named("", "code")), ensure(t, s, named("code", "code"))
	if code == element || filepath.Dir(code) == filepath.Dir(element) {
		t.Error(code, element)
	}
}

func TestPlantedLinkInPlaceOfAVolumeIsRefused(t *testing.T) {
	s := volumes(t)
	path := ensure(t, s, named("db", "data"))
	must(t, os.Remove(path))
	must(t, os.Symlink("/etc", path))
	if _, _, err := s.Ensure(t.Context(), named("db", "data")); err == nil {
		t.Error("a link passed for a volume")
	}
	if _, err := s.ReadFile(deployment, named("db", "data"), "hostname", 1<<20); err == nil {
		t.Error("a link out of the volumes was followed")
	}
}

func TestReadFile(t *testing.T) {
	s := volumes(t)
	code := named("", berth.CodeVolume)
	path := ensure(t, s, code)
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "secret")
	write(t, path+"/diploi.yaml", "components: []")
	write(t, path+"/web/package.json", "{}")
	write(t, path+"/-", "dash")
	must(t, os.Symlink(outside, path+"/link"))
	must(t, os.Symlink("diploi.yaml", path+"/inside"))
	must(t, os.Symlink("web", path+"/folder"))
	must(t, os.Symlink("/", path+"/root"))
	must(t, unix.Mkfifo(path+"/pipe", 0o600))

	for _, c := range []struct {
		rel, want string
		max       int64
		code      berth.Code
		missing   bool
	}{
		{rel: "diploi.yaml", want: "components: []", max: 14},
		{rel: "web/package.json", want: "{}", max: 100},
		{rel: "./web//package.json", want: "{}", max: 100},
		{rel: "-", want: "dash", max: 100},
		{rel: "diploi.yaml", max: 13, code: berth.EInvalid},
		{rel: "link", max: 100, code: berth.EInvalid},
		{rel: "inside", max: 100, code: berth.EInvalid},
		{rel: "folder/package.json", max: 100, code: berth.EInvalid},
		{rel: "root/etc/passwd", max: 1 << 20, code: berth.EInvalid},
		{rel: "pipe", max: 100, code: berth.EInvalid},
		{rel: "web", max: 100, code: berth.EInvalid},
		{rel: ".", max: 100, code: berth.EInvalid},
		{rel: "../../secret", max: 100, code: berth.EInvalid},
		{rel: "/etc/passwd", max: 100, code: berth.EInvalid},
		{rel: "diploi.yaml/x", max: 100, code: berth.EInvalid},
		{rel: "none", max: 100, missing: true},
		{rel: "none/none", max: 100, missing: true},
	} {
		t.Run(c.rel, func(t *testing.T) {
			data, err := s.ReadFile(deployment, code, c.rel, c.max)
			switch {
			case c.missing:
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %v", err)
				}
			case c.code != "":
				wantCode(t, err, c.code)
			case err != nil || string(data) != c.want:
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	if _, err := s.ReadFile(deployment, named("no", "volume"), "x", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a volume that does not exist: %v", err)
	}
}

// TestReadFileAgainstASwappingContainer turns a directory into a link and back while it is read through.
func TestReadFileAgainstASwappingContainer(t *testing.T) {
	s := volumes(t)
	path := ensure(t, s, named("", berth.CodeVolume))
	outside := t.TempDir()
	write(t, outside+"/file", "secret")
	write(t, path+"/real/file", "mine")
	must(t, os.Symlink(outside, path+"/lure"))
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			_ = unix.Renameat2(unix.AT_FDCWD, path+"/real", unix.AT_FDCWD, path+"/lure", unix.RENAME_EXCHANGE)
		}
	})
	for range 5000 {
		if data, err := s.ReadFile(deployment, named("", berth.CodeVolume), "real/file", 100); err == nil && string(data) != "mine" {
			t.Errorf("read %q", data)
			break
		}
	}
	cancel()
	group.Wait()
}
