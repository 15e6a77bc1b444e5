package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project berth.ID = "abcdefghij"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code berth.Code, parts ...string) {
	t.Helper()
	if berth.CodeOf(err) != code {
		t.Errorf("got %q (%v), want %q", berth.CodeOf(err), err, code)
	}
	for _, part := range parts {
		if !strings.Contains(berth.MessageOf(err), part) {
			t.Errorf("%q does not contain %q", berth.MessageOf(err), part)
		}
	}
}

func repositories(t testing.TB) *Git {
	t.Helper()
	return New(Config{Dir: filepath.Join(t.TempDir(), "git"), AllowFile: true})
}

// source is a person's repository.
type source struct {
	t   testing.TB
	dir string
}

func newSource(t testing.TB) source {
	t.Helper()
	s := source{t, t.TempDir()}
	s.git("init", "--quiet", "--initial-branch=main")
	return s
}

func (s source) git(args ...string) string {
	s.t.Helper()
	return s.feed("", args...)
}

func (s source) feed(stdin string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", s.dir, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GIT_CONFIG_NOSYSTEM=1"}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("git %v: %v: %s", args, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (s source) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	must(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(s.t, os.WriteFile(path, []byte(text), 0o644))
}

func (s source) commit() string {
	s.t.Helper()
	s.git("add", "--all", "--force")
	s.git("commit", "--quiet", "--allow-empty", "-m", "a commit")
	return s.git("rev-parse", "HEAD")
}

func (s source) bundle(args ...string) []byte {
	s.t.Helper()
	if args == nil {
		args = []string{"HEAD", "--branches", "--tags"}
	}
	file := filepath.Join(s.t.TempDir(), "bundle")
	s.git(append([]string{"bundle", "create", "--quiet", file}, args...)...)
	data, err := os.ReadFile(file)
	must(s.t, err)
	return data
}

func (s source) url() string { return "file://" + s.dir }

// imported returns a repository with what s has.
func imported(t testing.TB, s source) *Git {
	t.Helper()
	g := repositories(t)
	_, err := g.Import(t.Context(), project, bytes.NewReader(s.bundle()))
	must(t, err)
	return g
}

func resolve(t testing.TB, g *Git, rev string) string {
	t.Helper()
	commit, err := g.Resolve(t.Context(), project, rev)
	must(t, err)
	return commit
}

func TestInitIsIdempotentAndReadableByContainers(t *testing.T) {
	g := repositories(t)
	must(t, g.Init(t.Context(), project))
	must(t, os.WriteFile(filepath.Join(g.Dir(project), "description"), []byte("kept"), 0o644))
	must(t, g.Init(t.Context(), project))
	if text, _ := os.ReadFile(filepath.Join(g.Dir(project), "description")); string(text) != "kept" {
		t.Error("a repository that existed was made again")
	}
	if hooks, _ := os.ReadDir(filepath.Join(g.Dir(project), "hooks")); len(hooks) != 0 {
		t.Errorf("hooks: %v", hooks)
	}
	must(t, filepath.WalkDir(g.Dir(project), func(path string, d fs.DirEntry, err error) error {
		info, err2 := d.Info()
		if err2 == nil && info.Mode().Perm()&0o004 == 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return errors.Join(err, err2)
	}))
	_, err := g.Resolve(t.Context(), project, "main")
	wantCode(t, err, berth.ENotFound, "empty")
}

func TestRemove(t *testing.T) {
	g := imported(t, func() source { s := newSource(t); s.commit(); return s }())
	must(t, g.Remove(t.Context(), project))
	must(t, g.Remove(t.Context(), project))
	if _, err := os.Stat(g.Dir(project)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the repository is still there")
	}
	_, err := g.Branches(t.Context(), project)
	wantCode(t, err, berth.ENotFound)
	wantCode(t, g.Init(t.Context(), "../x"), berth.EInvalid)
}

func TestImport(t *testing.T) {
	s := newSource(t)
	s.write("a", "1")
	first := s.commit()
	s.git("tag", "v1")
	s.git("branch", "old")
	s.git("switch", "--quiet", "-c", "trunk")
	s.write("a", "2")
	second := s.commit()
	g := repositories(t)
	branch, err := g.Import(t.Context(), project, bytes.NewReader(s.bundle()))
	if err != nil || branch != "trunk" {
		t.Fatalf("default branch %q, %v", branch, err)
	}
	branches, err := g.Branches(t.Context(), project)
	if err != nil || !slices.Equal(branches, []string{"main", "old", "trunk"}) {
		t.Error(branches, err)
	}
	for rev, want := range map[string]string{"trunk": second, "main": first, "v1": first, "HEAD": second, first[:10]: first,
		"refs/heads/old": first, second: second} {
		if got := resolve(t, g, rev); got != want {
			t.Errorf("%s is %s, want %s", rev, got, want)
		}
	}

	// The next one replaces all: a branch that is gone goes, one that was rewritten is so here.
	s.git("branch", "-D", "old")
	s.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "rewritten")
	if _, err := g.Import(t.Context(), project, bytes.NewReader(s.bundle())); err != nil {
		t.Fatal(err)
	}
	if got := resolve(t, g, "trunk"); got != s.git("rev-parse", "HEAD") {
		t.Error("the rewritten branch was not taken")
	}
	_, err = g.Resolve(t.Context(), project, "old")
	wantCode(t, err, berth.ENotFound, "old", "main", "trunk")
	if there, err := g.Exists(t.Context(), project, second); !there || err != nil {
		t.Error("the commit of an older release is gone")
	}
}

func TestDefaultBranch(t *testing.T) {
	for text, want := range map[string]string{
		"1 HEAD\n2 refs/heads/main\n1 refs/heads/x\n":            "x",
		"1 HEAD\n1 refs/heads/a\n1 refs/heads/main\n":            "main",
		"2 refs/heads/b\n1 refs/heads/a\n":                       "a",
		"9 HEAD\n2 refs/heads/b\n1 refs/heads/master\n":          "master",
		"ref: refs/heads/b\tHEAD\n1\tHEAD\n1\trefs/heads/b\n":    "b",
		"ref: refs/heads/b\tHEAD\n1\tHEAD\n1\trefs/heads/main\n": "main",
		"1 refs/tags/v1\n": "",
		"1\trefs/heads/a b\n1\trefs/pull/1/head\n1\trefs/heads/c\n": "a b",
	} {
		if got := parseHeads(text).defaultBranch(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestBadBundlesChangeNothing(t *testing.T) {
	s := newSource(t)
	s.write("a", strings.Repeat("text ", 1000))
	good := s.commit()
	g := imported(t, s)
	s.write("a", "2")
	s.commit()
	whole := s.bundle()
	shallow := source{t, t.TempDir()}
	shallow.git("clone", "--quiet", "--depth=1", s.url(), ".")
	small := New(Config{Dir: g.config.Dir, MaxBundle: 10})
	for name, c := range map[string]struct {
		g    *Git
		data []byte
		says string
	}{
		"nothing":    {g, nil, "not a git bundle"},
		"noise":      {g, []byte("hello\n"), "not a git bundle"},
		"cut":        {g, whole[:len(whole)-30], "damaged"},
		"turned":     {g, append(whole[:len(whole)-1:len(whole)-1], whole[len(whole)-1]^1), "damaged"},
		"thin":       {g, s.bundle("main", "^"+good), ""},
		"tags only":  {g, func() []byte { s.git("tag", "-f", "t"); return s.bundle("t") }(), "no branch"},
		"too large":  {small, whole, "larger"},
		"shallow":    {g, shallow.bundle(), "shallow"},
		"an option":  {g, []byte("--upload-pack=touch x"), "not a git bundle"},
		"evil names": {g, s.evilBundle(), "dangerous"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.g.Import(t.Context(), project, bytes.NewReader(c.data))
			wantCode(t, err, berth.EInvalid, c.says)
			if got := resolve(t, g, "main"); got != good {
				t.Errorf("main moved to %s", got)
			}
			if left, _ := os.ReadDir(filepath.Join(g.config.Dir, ".drafts")); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// evilBundle has trees that git itself would never write.
func (s source) evilBundle() []byte {
	blob := s.feed("evil", "hash-object", "-w", "--stdin")
	raw := make([]byte, 20)
	_, err := fmt.Sscanf(blob, "%x", &raw)
	must(s.t, err)
	tree := func(mode, name string, object []byte) []byte {
		id := s.feed(mode+" "+name+"\x00"+string(object), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
		var raw []byte
		_, err := fmt.Sscanf(id, "%x", &raw)
		must(s.t, err)
		return raw
	}
	top := tree("40000", "..", tree("100644", "escaped", raw))
	commit := s.git("commit-tree", "-m", "evil", fmt.Sprintf("%x", top))
	s.git("update-ref", "refs/heads/main", commit)
	defer s.git("update-ref", "refs/heads/main", "main@{1}")
	return s.bundle("refs/heads/main")
}

func TestCancelledImportChangesNothing(t *testing.T) {
	s := newSource(t)
	s.commit()
	g := imported(t, s)
	before := resolve(t, g, "main")
	s.commit()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := g.Import(ctx, project, readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }))
	if !errors.Is(err, context.Canceled) || resolve(t, g, "main") != before {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// fetchFrom mirrors a URL that a token opens.
func fetchFrom(ctx context.Context, g *Git, url string, token berth.Secret) (defaultBranch string, err error) {
	found, err := g.Fetch(ctx, project, berth.Upstream{URL: url, Token: token})
	return found.DefaultBranch, err
}
