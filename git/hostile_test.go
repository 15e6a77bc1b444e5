package git

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// TestHostileRepositoriesAreRefusedWhereverTheyComeFrom: what an import refuses (TestBadBundlesChangeNothing)
// a fetch of a project or a package refuses too, with the host's name.
func TestHostileRepositoriesAreRefusedWhereverTheyComeFrom(t *testing.T) {
	for name, make := range map[string]func(source){
		"files above the tree": func(s source) { s.evilBranch("40000", "..") },
		"a .git of its own":    func(s source) { s.evilBranch("40000", ".git") },
		"a module's URL is an option": func(s source) {
			s.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/berth-owned\n")
			s.commit()
		},
		"a module's path leads out": func(s source) {
			s.write(".gitmodules", "[submodule \"../../x\"]\n\tpath = x\n\turl = https://host/x\n")
			s.commit()
		},
		"a linked .gitmodules": func(s source) {
			link := s.feed("/etc/passwd", "hash-object", "-w", "--stdin")
			tree := s.feed("120000 blob "+link+"\t.gitmodules\n", "mktree")
			s.git("update-ref", "refs/heads/main", s.git("commit-tree", "-m", "evil", tree))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.commit()
			make(s)
			server := host(t, s, "")
			origin := berth.Upstream{URL: server.URL + "/.git"}
			g := repositories(t)
			_, err := g.Fetch(t.Context(), project, origin)
			wantCode(t, err, berth.EInvalid, "dangerous", server.URL)
			_, err = g.FetchCommit(t.Context(), project, origin, "main")
			wantCode(t, err, berth.EInvalid, "dangerous", server.URL)
			if branches, err := g.Branches(t.Context(), project); err != nil || len(branches) != 0 {
				t.Errorf("came over: %v, %v", branches, err)
			}
		})
	}
}

// evilBranch moves main to a commit whose tree has one entry that git itself would never write.
func (s source) evilBranch(mode, name string) {
	blob := s.feed("evil", "hash-object", "-w", "--stdin")
	entry := func(mode, name, object string) string {
		var raw []byte
		_, err := fmt.Sscanf(object, "%x", &raw)
		must(s.t, err)
		return s.feed(mode+" "+name+"\x00"+string(raw), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
	}
	tree := entry(mode, name, entry("100644", "escaped", blob))
	s.git("update-ref", "refs/heads/main", s.git("commit-tree", "-m", "evil", tree))
}

func TestAHundredThousandFilesAreReadAndRefusedWhereTheyAreTooMany(t *testing.T) {
	s := newSource(t)
	var stream strings.Builder
	stream.WriteString("blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\nmark :2\ncommitter a <a@b> 0 +0000\ndata 1\nm\n")
	for i := range 100_000 {
		fmt.Fprintf(&stream, "M 100644 :1 d%d/f%d\n", i%100, i)
	}
	s.feed(stream.String(), "fast-import", "--quiet")
	commit := s.git("rev-parse", "main")
	g := repositories(t)
	if _, err := fetchFrom(t.Context(), g, host(t, s, "").URL+"/.git", berth.Secret{}); err != nil {
		t.Fatal(err)
	}
	names, err := g.List(t.Context(), project, commit, "d7")
	if err != nil || len(names) != 1000 {
		t.Errorf("%d names, %v", len(names), err)
	}
	g.config.MaxFiles = 500
	dest := t.TempDir()
	wantCode(t, g.Checkout(t.Context(), project, commit, dest), berth.EInvalid, "more than 500 files", ".gitignore")
	if entries, err := os.ReadDir(dest); err != nil || len(entries) > 1 {
		t.Errorf("after the refusal: %d folders, %v", len(entries), err)
	}
}
