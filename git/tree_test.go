package git

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// hostile has what a hostile or careless person may commit.
func hostile(t *testing.T) source {
	t.Helper()
	s := newSource(t)
	s.write("web/package.json", "{}")
	s.write("web/-rf", "dash")
	s.write("web/$(touch pwned)", "shell")
	s.write("-leading", "dash")
	s.write("left-out", "there")
	s.write("filled", "$Format:%H$ $Id$")
	s.write("dos.txt", "a\r\nb\r\n")
	s.write("filtered", "raw")
	s.write("run.sh", "#!/bin/sh\n")
	must(t, os.Chmod(filepath.Join(s.dir, "run.sh"), 0o755))
	s.write(".gitattributes", "left-out export-ignore\nfilled export-subst\nfiltered filter=evil\n")
	must(t, os.Symlink("/etc/passwd", filepath.Join(s.dir, "diploi.yaml")))
	return s
}

func take(t *testing.T, s source) (*Git, string) {
	t.Helper()
	commit := s.commit()
	return imported(t, s), commit
}

func TestReadFile(t *testing.T) {
	s := hostile(t)
	s.write("big", strings.Repeat("x", 1001))
	must(t, os.Symlink("web", filepath.Join(s.dir, "folder")))
	g, commit := take(t, s)
	for _, c := range []struct {
		name, want string
		code       berth.Code
		missing    bool
	}{
		{name: "web/package.json", want: "{}"},
		{name: "/web//package.json", want: "{}"},
		{name: "./web/package.json", want: "{}"},
		{name: "-leading", want: "dash"},
		{name: "web/-rf", want: "dash"},
		{name: "web/$(touch pwned)", want: "shell"},
		{name: "left-out", want: "there"},
		{name: "filled", want: "$Format:%H$ $Id$"},
		{name: "none", missing: true},
		{name: "web/*", missing: true},
		{name: ":(glob)**", missing: true},
		{name: "folder/package.json", missing: true},
		{name: "diploi.yaml", code: berth.EInvalid},
		{name: "folder", code: berth.EInvalid},
		{name: "web", code: berth.EInvalid},
		{name: "big", code: berth.EInvalid},
		{name: "", code: berth.EInvalid},
		{name: "..", code: berth.EInvalid},
		{name: "../../etc/passwd", code: berth.EInvalid},
		{name: "web/../../x", code: berth.EInvalid},
		{name: "a\x00b", code: berth.EInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := g.ReadFile(t.Context(), project, commit, c.name, 1000)
			switch {
			case c.missing:
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %q, %v", data, err)
				}
			case c.code != "":
				wantCode(t, err, c.code)
			case err != nil || string(data) != c.want:
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	_, err := g.ReadFile(t.Context(), project, strings.Repeat("0", 40), "x", 1)
	wantCode(t, err, berth.ENotFound)
	for _, bad := range []string{"", "main", "HEAD", "--output=/tmp/x", commit[:39], strings.ToUpper(commit)} {
		_, err := g.ReadFile(t.Context(), project, bad, "x", 1)
		wantCode(t, err, berth.EInvalid)
	}
	_, err = g.ReadFile(t.Context(), "elsewhere", commit, "x", 1)
	wantCode(t, err, berth.ENotFound)
}

func TestList(t *testing.T) {
	s := newSource(t)
	s.write("a/b/c", "")
	s.write("a/file", "")
	s.write("-x", "")
	s.write("name\nwith newline", "")
	g, commit := take(t, s)
	for dir, want := range map[string][]string{
		"": {"-x", "a/", "name\nwith newline"}, ".": {"-x", "a/", "name\nwith newline"}, "/": {"-x", "a/", "name\nwith newline"},
		"a": {"b/", "file"}, "/a/": {"b/", "file"}, "a/b": {"c"},
	} {
		if got, err := g.List(t.Context(), project, commit, dir); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q has %q, %v", dir, got, err)
		}
	}
	for _, dir := range []string{"none", "a/file", "a/none"} {
		if got, err := g.List(t.Context(), project, commit, dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q has %q, %v", dir, got, err)
		}
	}
	_, err := g.List(t.Context(), project, commit, "../x")
	wantCode(t, err, berth.EInvalid)
}

func TestResolveRefusesOperators(t *testing.T) {
	s := newSource(t)
	g, _ := take(t, s)
	for _, rev := range []string{"", "-x", "--all", "main..x", "main^", "main~1", ":/a", "@{-1}", "main@{1}", "a b", "a\nb", "a*", "x.lock", "@", "a//b", "a/", strings.Repeat("a", 300)} {
		_, err := g.Resolve(t.Context(), project, rev)
		wantCode(t, err, berth.EInvalid)
	}
	_, err := g.Resolve(t.Context(), project, strings.Repeat("1", 40))
	wantCode(t, err, berth.ENotFound, "main")
}

func TestBranchGoesBeforeTag(t *testing.T) {
	s := newSource(t)
	s.commit()
	s.git("tag", "release")
	branch := s.commit()
	s.git("branch", "release")
	g := repositories(t) // not by bundle: git-bundle leaves out a branch that a tag's name hides
	_, err := fetchFrom(t.Context(), g, s.url(), berth.Secret{})
	must(t, err)
	if got := resolve(t, g, "release"); got != branch {
		t.Error("a tag hides a branch")
	}
}

func TestHolders(t *testing.T) {
	s := newSource(t)
	s.write("a", "1")
	first := s.commit()
	s.git("branch", "old")
	s.write("a", "2")
	second := s.commit()
	g := imported(t, s)
	for commit, want := range map[string]string{first: "main old", second: "main"} {
		if got, err := g.Holders(t.Context(), project, commit); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%.8s is on %v, %v; want %s", commit, got, err, want)
		}
	}
	for _, bad := range []string{"--output=x", "main", strings.Repeat("0", 40)} {
		if _, err := g.Holders(t.Context(), project, bad); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestExists(t *testing.T) {
	s := newSource(t)
	g, commit := take(t, s)
	tree := s.git("rev-parse", "HEAD^{tree}")
	for object, want := range map[string]bool{commit: true, tree: false, strings.Repeat("0", 40): false, "main": false, "": false} {
		if got, err := g.Exists(t.Context(), project, object); got != want || err != nil {
			t.Errorf("%s: %v, %v", object, got, err)
		}
	}
}
