package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth"
)

func TestBeneath(t *testing.T) {
	root := t.TempDir()
	outside := t.TempDir()
	for name, target := range map[string]string{"out": outside, "up": "../..", "in": "dir", "dangling": filepath.Join(outside, "new")} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		relative string
		want     want
		code     berth.Code // "" for success
	}{
		{"dir", wantDirectory, ""},
		{"dir/new/deep", wantDirectory, ""},
		{"file", wantDirectory, ""}, // what exists is mounted as it is
		{"dir/new.sql", wantFile, ""},
		{"absent", wantExisting, berth.EInternal},
		{"out", wantDirectory, berth.EForbidden},
		{"out/deep", wantDirectory, berth.EForbidden},
		{"up/etc", wantDirectory, berth.EForbidden},
		{"in", wantDirectory, berth.EForbidden},
		{"dangling", wantDirectory, berth.EForbidden},
		{"dangling/deep", wantFile, berth.EForbidden},
		{"../elsewhere", wantDirectory, berth.EInternal},
	} {
		at, err := beneath(root, test.relative, test.want)
		if got := berth.CodeOf(err); got != test.code {
			t.Errorf("%s: %v", test.relative, err)
		}
		if err == nil && at != filepath.Join(root, test.relative) {
			t.Errorf("%s: %s", test.relative, at)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("made outside: %v", left)
	}
	if i, err := os.Stat(filepath.Join(root, "dir/new.sql")); err != nil || !i.Mode().IsRegular() {
		t.Errorf("FileOrCreate made no file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what had to exist was made")
	}
}

func TestMountPathStaysInItsDeployment(t *testing.T) {
	volumes := t.TempDir()
	e := &Engine{config: Config{VolumesDir: volumes, RunDir: t.TempDir()}}
	for path, ok := range map[string]bool{
		filepath.Join(volumes, "abcdefghij/web/data"):  true,
		filepath.Join(volumes, "abcdefghij"):           true,
		filepath.Join(volumes, "abcdefghij2/web/data"): false,
		filepath.Join(volumes, "zzzzzzzzzz/web/data"):  false,
		volumes: false,
		"/":     false,
		"/etc":  false,
	} {
		_, err := e.mountPath(volume{HostPath: path}, "v", "", identity{Deployment: "abcdefghij"})
		if (err == nil) != ok || !ok && berth.CodeOf(err) != berth.EForbidden {
			t.Errorf("%s: %v", path, err)
		}
	}
}
