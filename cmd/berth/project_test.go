package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=trunk"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// unpack clones a bundle and lists its branch and files.
func unpack(t *testing.T, bundle []byte) (branch, files, commit string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b"), string(bundle))
	gitIn(t, dir, "clone", "--quiet", "b", "clone")
	clone := filepath.Join(dir, "clone")
	return gitIn(t, clone, "branch", "--show-current"), gitIn(t, clone, "ls-files"), gitIn(t, clone, "rev-parse", "HEAD")
}

func TestProjectFromRepository(t *testing.T) {
	dir := t.TempDir()
	gitIn(t, dir, "init", "--quiet")
	write(t, filepath.Join(dir, "diploi.yaml"), "x")
	c := newCLI(t)
	c.mustFail(t, exitFailed, "without commits", "project", "create", "shop", "--dir", dir)
	gitIn(t, dir, "add", ".")
	gitIn(t, dir, "commit", "--quiet", "-m", "one")
	gitIn(t, dir, "branch", "other")
	write(t, filepath.Join(dir, "new.txt"), "x")
	// A monitor of the repository's own configuration must not run.
	gitIn(t, dir, "config", "core.fsmonitor", "touch "+filepath.Join(dir, "monitored"))
	if code := c.do(t, "project", "create", "shop", "--dir", dir); code != 0 {
		t.Fatal(c.err)
	}
	branch, files, commit := unpack(t, c.service.bundles[0])
	if branch != "trunk" || files != "diploi.yaml" || commit != gitIn(t, dir, "rev-parse", "HEAD") {
		t.Errorf("the bundle has %s of %s at %s", files, branch, commit)
	}
	if !strings.Contains(c.err.String(), "1 files in "+dir+" are not committed") {
		t.Errorf("no warning: %s", c.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "monitored")); err == nil {
		t.Error("the repository's monitor ran")
	}
	gitIn(t, dir, "checkout", "--quiet", "--detach")
	c.mustFail(t, exitFailed, "stands on no branch", "project", "update", "shop", "--dir", dir)
}

func TestProjectFromFiles(t *testing.T) {
	outer := t.TempDir()
	gitIn(t, outer, "init", "--quiet")
	write(t, filepath.Join(outer, ".gitignore"), "*.yaml\n") // of the larger repository: means nothing here
	inner := filepath.Join(outer, "examples", "shop")
	write(t, filepath.Join(inner, "diploi.yaml"), "x")
	write(t, filepath.Join(inner, ".gitignore"), "dist\n")
	write(t, filepath.Join(inner, "dist", "out.js"), "x")
	write(t, filepath.Join(inner, "web", "node_modules", "m.js"), "x")
	write(t, filepath.Join(inner, "web", "-f; rm -rf .js"), "x")
	c := newCLI(t)
	for range 2 {
		if code := c.do(t, "project", "update", "shop", "--dir", inner); code != 0 {
			t.Fatal(c.err)
		}
	}
	branch, files, first := unpack(t, c.service.bundles[0])
	_, _, second := unpack(t, c.service.bundles[1])
	if branch != "main" || files != ".gitignore\ndiploi.yaml\nweb/-f; rm -rf .js" || first != second {
		t.Errorf("the bundle has %q of %s, %s then %s", files, branch, first, second)
	}
	if _, err := os.Stat(filepath.Join(inner, ".git")); err == nil {
		t.Error("the directory became a repository")
	}
	c.mustFail(t, exitFailed, "there are no files in", "project", "update", "shop", "--dir", t.TempDir())
	c.mustFail(t, exitFailed, "find directory", "project", "update", "shop", "--dir", filepath.Join(outer, "absent"))
	c.mustFail(t, exitFailed, "it is a file", "project", "update", "shop", "--dir", filepath.Join(inner, "diploi.yaml"))
}

func TestProjectCreateLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "x")
	c := newCLI(t)
	c.service.failing = berth.Errorf(berth.EUnavailable, "the disk is full")
	c.mustFail(t, exitFailed, "the disk is full", "project", "create", "shop", "--dir", dir)
	if len(c.service.deleted) != 1 || c.service.deleted[0] != "shop" {
		t.Errorf("deleted %v", c.service.deleted)
	}
}

func TestProjectTokenComesFromStdin(t *testing.T) {
	c := newCLI(t)
	c.in = strings.NewReader("t0ken\n")
	if code := c.do(t, "project", "create", "shop", "--git", "https://git.test/x.git", "--token", "-"); code != 0 || c.service.created[0] != "shop https://git.test/x.git t0ken" {
		t.Errorf("exit %d, created %v: %s", code, c.service.created, c.err)
	}
	c.in = strings.NewReader("\n")
	c.mustFail(t, exitFailed, "no token on stdin", "project", "create", "shop", "--git", "https://git.test/x.git", "--token", "-")
}

func TestAProjectShowsHowItsOriginGetsOn(t *testing.T) {
	c := newCLI(t)
	c.service.from = "https://git.test/shop.git"
	c.service.origin = berth.OriginState{HeardAt: noon.Add(-time.Hour), MissedAt: noon.Add(-2 * time.Minute), PolledAt: noon.Add(-time.Minute), NextPollAt: noon.Add(time.Minute),
		PollError: "git.test does not answer", ReportedAt: noon.Add(-3 * time.Hour), ReportError: "git.test refuses the status"}
	if code := c.do(t, "project", "show", "shop"); code != 0 {
		t.Fatal(c.err)
	}
	for _, part := range []string{"last heard 1h ago", "had moved 2m ago", "1m ago, next in 1m", "git.test does not answer", "last reported 3h ago", "git.test refuses the status"} {
		if !strings.Contains(c.out.String(), part) {
			t.Errorf("%q is missing in\n%s", part, c.out)
		}
	}
	if code := c.do(t, "project", "show", "shop", "--json"); code != 0 || !strings.Contains(c.out.String(), `"nextPollAt"`) {
		t.Errorf("%s%s", c.out, c.err)
	}
}
