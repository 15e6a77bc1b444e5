package git

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestADigestChangesWithWhatIsInTheFolderAlone(t *testing.T) {
	s := newSource(t)
	s.write("web/index.js", "1")
	s.write("apps/api/main.go", "1")
	s.write("apps/shared/lib.go", "1")
	s.write("README.md", "1")
	commits := []string{s.commit()}
	for _, change := range []string{"web/index.js", "apps/api/main.go", "apps/shared/lib.go", "README.md"} {
		s.write(change, "2")
		commits = append(commits, s.commit())
	}
	g := imported(t, s)
	for _, c := range []struct {
		dir     string
		without []string
		changes []bool // with each commit
	}{
		{"", nil, []bool{true, true, true, true}},
		{"/web/", nil, []bool{true, false, false, false}},
		{"apps", nil, []bool{false, true, true, false}},
		{"", []string{"apps/api", "README.md"}, []bool{true, false, true, false}},
		{"apps", []string{"apps/api"}, []bool{false, false, true, false}},
		{"", []string{"apps/none", "we"}, []bool{true, true, true, true}},
	} {
		before := ""
		for i, commit := range commits {
			got, err := g.Digest(t.Context(), project, commit, c.dir, c.without)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && (got != before) != c.changes[i-1] {
				t.Errorf("%q without %q: commit %d changes the digest: %v, want %v", c.dir, c.without, i, got != before, c.changes[i-1])
			}
			before = got
		}
	}
	if _, err := g.Digest(t.Context(), project, commits[0], "none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a folder that is not there", err)
	}
}

func TestWhatAFolderMentions(t *testing.T) {
	s := newSource(t)
	s.write("web/src/a.js", "import '../../api/x'")
	s.write("web/binary", "\x00../lib\x00")
	s.write("other/a.js", "import '../db/x'")
	must(t, os.MkdirAll(filepath.Join(s.dir, "linked"), 0o755))
	must(t, os.Symlink("../db", filepath.Join(s.dir, "linked", "x")))
	g, commit := take(t, s)
	for _, c := range []struct {
		dir, pattern string
		want         bool
	}{
		{"web", `\.\./api`, true},
		{"/web/", `\.\./(none|lib)`, true},
		{"web", `\.\./db`, false},
		{"other", `\.\./db`, true},
		{"linked", "nothing", true},
	} {
		if got, err := g.Mentions(t.Context(), project, commit, c.dir, c.pattern); err != nil || got != c.want {
			t.Errorf("%s mentions %s: %v, %v", c.dir, c.pattern, got, err)
		}
	}
	if _, err := g.Mentions(t.Context(), project, commit, "web", "("); err == nil {
		t.Error("no error for a broken expression")
	}
}
