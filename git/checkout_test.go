package git

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func TestCheckoutIsWhatWasCommitted(t *testing.T) {
	s := hostile(t)
	must(t, os.Remove(filepath.Join(s.dir, "diploi.yaml")))
	must(t, os.Symlink("../run.sh", filepath.Join(s.dir, "web", "link")))
	must(t, os.Symlink("nowhere/yet", filepath.Join(s.dir, "dangling")))
	g, commit := take(t, s)

	// Somebody managed to write into the repository's own configuration.
	pwned := filepath.Join(t.TempDir(), "pwned")
	evil := filepath.Join(t.TempDir(), "evil")
	must(t, os.WriteFile(evil, []byte("#!/bin/sh\ntouch "+pwned+"\ncat\n"), 0o755))
	config, err := os.OpenFile(filepath.Join(g.Dir(project), "config"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = config.WriteString("[core]\nfsmonitor = " + evil + "\nhooksPath = " + filepath.Dir(evil) + "\n[filter \"evil\"]\nsmudge = " + evil + "\nrequired = true\n")
	must(t, err)
	must(t, config.Close())

	dest := filepath.Join(t.TempDir(), "tree")
	must(t, g.Checkout(t.Context(), project, commit, dest))
	got := map[string]string{}
	must(t, filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dest, path)
		info, err2 := d.Info()
		must(t, err2)
		switch {
		case d.IsDir():
			got[name] = "dir " + info.Mode().Perm().String()
		case d.Type() == fs.ModeSymlink:
			target, _ := os.Readlink(path)
			got[name] = "-> " + target
		default:
			text, _ := os.ReadFile(path)
			got[name] = info.Mode().Perm().String() + " " + string(text)
		}
		return err
	}))
	want := map[string]string{
		".": "dir -rwxr-xr-x", "web": "dir -rwxr-xr-x",
		"web/package.json": "-rw-r--r-- {}", "web/-rf": "-rw-r--r-- dash", "web/$(touch pwned)": "-rw-r--r-- shell",
		"web/link": "-> ../run.sh", "dangling": "-> nowhere/yet",
		"-leading": "-rw-r--r-- dash", "left-out": "-rw-r--r-- there", "filled": "-rw-r--r-- $Format:%H$ $Id$",
		"dos.txt": "-rw-r--r-- a\r\nb\r\n", "filtered": "-rw-r--r-- raw", "run.sh": "-rwxr-xr-x #!/bin/sh\n",
		".gitattributes": got[".gitattributes"],
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	if _, err := os.Stat(pwned); err == nil {
		t.Error("a program of the repository's ran on the machine")
	}
}

func TestCheckoutRefusesLinksThatLeadOut(t *testing.T) {
	for name, target := range map[string]string{
		"diploi.yaml": "/etc/passwd", "a/link": "../../x", "link": "..", "deep/a/link": "../x/../../../y", "chain": "d/d/d/../../../etc",
	} {
		s := newSource(t)
		must(t, os.MkdirAll(filepath.Join(s.dir, filepath.Dir(name)), 0o755))
		must(t, os.Symlink(target, filepath.Join(s.dir, name)))
		g, commit := take(t, s)
		wantCode(t, g.Checkout(t.Context(), project, commit, t.TempDir()), berth.EInvalid, name, target)
	}
}

func TestCheckoutLimits(t *testing.T) {
	s := newSource(t)
	s.write("big", strings.Repeat("x", 1<<20))
	g, commit := take(t, s)
	g.config.MaxTree = 1 << 19
	wantCode(t, g.Checkout(t.Context(), project, commit, t.TempDir()), berth.EInvalid, "too large")
	wantCode(t, g.Checkout(t.Context(), project, strings.Repeat("0", 40), t.TempDir()), berth.ENotFound)
	wantCode(t, g.Checkout(t.Context(), project, "--output=x", t.TempDir()), berth.ENotFound)
}

func TestCheckoutOfSubmodules(t *testing.T) {
	s := newSource(t)
	s.write("a", "a")
	first := s.commit()
	s.write(".gitmodules", "[submodule \"evil\"]\npath = module\nurl = https://127.0.0.1:1/never\n")
	s.git("add", ".gitmodules")
	s.git("update-index", "--add", "--cacheinfo", "160000,"+first+",module")
	s.git("commit", "--quiet", "-m", "a module")
	commit := s.git("rev-parse", "HEAD")
	g := imported(t, s)
	dest := t.TempDir()
	must(t, g.Checkout(t.Context(), project, commit, dest))
	if entries, err := os.ReadDir(filepath.Join(dest, "module")); err != nil || len(entries) != 0 {
		t.Errorf("a submodule's place has %v, %v", entries, err)
	}
	names, err := g.List(t.Context(), project, commit, "")
	if err != nil || strings.Join(names, " ") != ".gitmodules a" {
		t.Errorf("list %v, %v", names, err)
	}
}

// TestExtractionOfHostileArchives feeds what git would not write.
func TestExtractionOfHostileArchives(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"up":             {{Name: "../escaped", Typeflag: tar.TypeReg}},
		"absolute":       {{Name: "/escaped", Typeflag: tar.TypeReg}},
		"through a link": {{Name: "d", Typeflag: tar.TypeSymlink, Linkname: "."}, {Name: "e", Typeflag: tar.TypeSymlink, Linkname: "d/../.."}},
		"over a link":    {{Name: "d", Typeflag: tar.TypeSymlink, Linkname: "f"}, {Name: "d", Typeflag: tar.TypeReg}},
		"a device":       {{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"a hard link":    {{Name: "x", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
	} {
		t.Run(name, func(t *testing.T) {
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, h := range entries {
				must(t, w.WriteHeader(&h))
			}
			must(t, w.Close())
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, "dest"), 0o755))
			root, err := os.OpenRoot(filepath.Join(dir, "dest"))
			must(t, err)
			defer func() { _ = root.Close() }()
			x := extraction{root: root, left: &allowance{bytes: 100, files: 100}, made: map[string]bool{}}
			if err := x.all(tar.NewReader(&archive)); err == nil {
				t.Error("extracted")
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("outside of the tree: %v", left)
			}
		})
	}
}
