package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// proposed is what Berth says of a repository.
func proposed() berth.ProjectFile {
	return berth.ProjectFile{
		Origin: berth.FileProposed, Branch: "main", Commit: commitA,
		Text: "diploiVersion: v1.0\ncomponents:\n  - name: Web\n    identifier: web\n    package: nodejs\n    folder: /\n",
		Notes: []berth.FileNote{
			{Line: 5, Kind: berth.NoteFound, Element: "web", Text: "the script start: node server.js\x1b[31m", Source: "package.json"},
			{Line: 6, Kind: berth.NoteGuessed, Element: "web", Text: "the top"},
			{Kind: berth.NoteMissing, Element: "web", Text: "API_KEY has no value", Source: ".env.example"},
		},
	}
}

// newUp is a command line before a repository that Berth has never seen. Its hosts answer as they are told.
func newUp(t *testing.T) (c *cli, dir string, asked *[]string, statuses map[string]int) {
	t.Helper()
	c, dir = newCLI(t), filepath.Join(t.TempDir(), "My Shop")
	write(t, filepath.Join(dir, "package.json"), "{}")
	gitIn(t, dir, "init", "--quiet")
	gitIn(t, dir, "add", ".")
	gitIn(t, dir, "commit", "--quiet", "-m", "one")
	c.service.absent, c.service.file, c.service.stages, c.service.ca = true, proposed(), []berth.Deployment{}, "PEM"
	c.service.views = story(berth.ReleaseServing)
	asked, statuses = &[]string{}, map[string]int{}
	c.answer = func(_ context.Context, url, ca, _ string) (int, error) {
		*asked = append(*asked, url+" "+ca)
		if status, told := statuses[url]; told {
			return status, nil
		}
		return 404, nil // an application without a first page answers all the same
	}
	began := noon
	c.now = func() time.Time { began = began.Add(500 * time.Millisecond); return began }
	return c, dir, asked, statuses
}

func TestUpFromNothing(t *testing.T) {
	c, dir, asked, _ := newUp(t)
	c.golden(t, "up", "up", dir, "--yes", "--stage", "production")
	if got := strings.Join(c.service.created, ", "); got != "my-shop  , my-shop/production" {
		t.Errorf("created %s", got)
	}
	if len(c.service.bundles) != 1 || strings.Join(*asked, ", ") != "https://web-web-shop.berth.localhost PEM" {
		t.Errorf("%d bundles, asked %v", len(c.service.bundles), *asked)
	}
}

func TestUpAsksFirst(t *testing.T) {
	c, dir, _, _ := newUp(t)
	if code := c.do(t, "up", dir); code != exitUnanswered || !strings.Contains(c.out.String(), "package: nodejs  found: the script start: node server.js·[31m (package.json)") ||
		!strings.Contains(c.err.String(), "berth up --yes") {
		t.Errorf("without a terminal: exit %d\n%s%s", code, c.out, c.err)
	}
	c.terminal.in = true
	for _, answer := range []string{"", "n\n", "no way\n"} {
		c.in = strings.NewReader(answer)
		if code := c.do(t, "up", dir); code != exitFailed || !strings.Contains(c.err.String(), "Deploy this to development? [y/N]") || !strings.Contains(c.err.String(), "nothing was deployed") {
			t.Errorf("%q: exit %d: %s", answer, code, c.err)
		}
	}
	if got := strings.Join(c.service.created, ", "); strings.Contains(got, "/") {
		t.Fatalf("it ran before anybody agreed: %s", got)
	}
	c.in = strings.NewReader("y\n")
	t.Chdir(dir)
	if code := c.do(t, "up"); code != 0 {
		t.Errorf("exit %d: %s", code, c.err)
	}
}

func TestUpWaitsForAPrivateRepository(t *testing.T) {
	c, _, _, _ := newUp(t)
	c.service.waiting, c.service.from = "ssh://git@git.test/shop.git does not let Berth in", "ssh://git@git.test/shop.git"
	if code := c.do(t, "up", "ssh://git@git.test/shop.git", "--yes"); code != 0 {
		t.Errorf("exit %d: %s", code, c.err)
	}
	key, looked := strings.Index(c.err.String(), "ssh-ed25519 KEY"), strings.Index(c.err.String(), "looking into the repository")
	if key < 0 || looked < key {
		t.Errorf("the key is not shown before the repository is looked into:\n%s", c.err)
	}
	c.in = strings.NewReader("t0ken\n")
	c.service.absent = true
	if code := c.do(t, "up", "https://git.test/shop.git", "--yes", "--token", "-"); code != 0 || !strings.Contains(strings.Join(c.service.created, ","), "https://git.test/shop.git t0ken") {
		t.Errorf("exit %d, created %v: %s", code, c.service.created, c.err)
	}
}

func TestUpSpeaksJSON(t *testing.T) {
	c, dir, _, _ := newUp(t)
	type result struct {
		Project    struct{ Name string }
		File       berth.ProjectFile
		Deployment *struct{ Slug string }
		Steps      []stepTime
	}
	for _, args := range [][]string{{"up", dir, "--json"}, {"up", dir, "--json", "--yes"}} {
		code := c.do(t, args...)
		var r result
		if err := json.Unmarshal(c.out.Bytes(), &r); err != nil {
			t.Fatalf("%v: %v in %s", args, err, c.out)
		}
		if len(args) == 3 && (code != exitUnanswered || r.Deployment != nil) || len(args) == 4 && (code != 0 || r.Deployment == nil || r.Deployment.Slug != "web-shop") ||
			len(r.File.Notes) != 3 || len(r.Steps) < 2 {
			t.Errorf("%v: exit %d, %+v", args, code, r)
		}
	}
}

func TestUpDeploysAnew(t *testing.T) {
	c, dir, asked, _ := newUp(t)
	s := c.service
	s.absent = false
	s.file.Commit = gitIn(t, dir, "rev-parse", "HEAD")
	s.views = []berth.Deployment{story(berth.ReleaseServing)[5]}
	s.views[0].Releases[0].Revision = 2 // the fake's Deploy makes release 2
	s.stages = []berth.Deployment{
		{Name: "staging", Slug: "staging-shop", Stage: "staging", Kind: berth.KindBuild},
		{Name: "live", Slug: "live-shop", Stage: "production", Kind: berth.KindBuild},
	}
	write(t, filepath.Join(dir, "new.txt"), "x")
	if code := c.do(t, "up", dir, "--yes", "--stage", "production"); code != 0 || len(s.created) != 0 || strings.Join(s.deployed, ",") != "live-shop "+s.file.Commit || len(s.bundles) != 1 {
		t.Errorf("exit %d, created %v, deployed %v: %s", code, s.created, s.deployed, c.err)
	}
	if !strings.Contains(c.err.String(), "1 files in "+dir+" are not committed, and stay behind") {
		t.Errorf("nothing is said of what is not committed: %s", c.err)
	}
	// What has left the stack keeps its host, and is not asked.
	s.views[0].Hosts = append(s.views[0].Hosts, berth.Host{Element: "gone", URL: "https://gone.test"})
	*asked = nil
	if code := c.do(t, "up", dir, "--yes", "--stage", "production"); code != 0 || len(*asked) != 1 || strings.Contains(c.out.String(), "gone") {
		t.Errorf("exit %d, asked %v: %s", code, *asked, c.out)
	}
	s.stages = append(s.stages, berth.Deployment{Name: "blue", Slug: "blue-shop", Stage: "production"})
	c.mustFailAfterwards(t, "live-shop, blue-shop", "up", dir, "--yes", "--stage", "production")
	s.stages = append(s.stages, berth.Deployment{Name: "production", Slug: "production-shop", Stage: "production", Kind: berth.KindBuild})
	if code := c.do(t, "up", dir, "--yes", "--stage", "production"); code != 0 || !strings.HasPrefix(s.deployed[len(s.deployed)-1], "production-shop ") {
		t.Errorf("exit %d, deployed %v: %s", code, s.deployed, c.err)
	}
}

// mustFailAfterwards is mustFail for what has shown something before it failed.
func (c *cli) mustFailAfterwards(t *testing.T, part string, args ...string) {
	t.Helper()
	if code := c.do(t, args...); code != exitFailed || !strings.Contains(c.err.String(), part) {
		t.Errorf("%v: exit %d %q, want %d with %q", args, code, c.err, exitFailed, part)
	}
}

func TestUpKeepsAWorkingTree(t *testing.T) {
	c, dir, _, _ := newUp(t)
	s := c.service
	s.absent, s.file.Commit = false, gitIn(t, dir, "rev-parse", "HEAD")
	s.views = []berth.Deployment{story(berth.ReleaseServing)[5]}
	s.stages = []berth.Deployment{{Name: "development", Slug: "development-shop", Stage: "development", Kind: berth.KindDevelopment}}
	if code := c.do(t, "up", dir, "--yes"); code != 0 || len(s.deployed)+len(s.created) != 0 || !strings.Contains(c.err.String(), "runs its working tree, which new commits do not change") {
		t.Errorf("exit %d, created %v, deployed %v: %s", code, s.created, s.deployed, c.err)
	}
}

func TestUpFailsInWords(t *testing.T) {
	c, dir, _, statuses := newUp(t)
	s := c.service
	s.fault = berth.Errorf(berth.EInvalid, "Berth found nothing in this repository")
	c.mustFail(t, exitFailed, "Berth found nothing", "up", dir, "--yes")
	if strings.Join(s.deleted, ",") != "my-shop" {
		t.Errorf("a project of which nothing is known is left: deleted %v", s.deleted)
	}
	s.fault, s.deleted = berth.Errorf(berth.EConflict, "project my-shop waits for access"), nil
	c.mustFail(t, exitFailed, "waits for access", "up", dir, "--yes")
	if len(s.deleted) != 0 {
		t.Error("a project that waits for a person was deleted")
	}
	s.fault = nil
	s.views = story(berth.ReleaseFailed)
	c.mustFailAfterwards(t, "release 1 failed: web was not ready", "up", dir, "--yes")
	s.views = story(berth.ReleaseStarting)
	if code := c.do(t, "up", dir, "--yes", "--timeout", "50ms"); code != exitTimeout {
		t.Errorf("never ready: exit %d: %s", code, c.err)
	}
	s.views = story(berth.ReleaseServing)[5:]
	statuses["https://web-web-shop.berth.localhost"] = 502
	c.mustFailAfterwards(t, "https://web-web-shop.berth.localhost answers with status 502", "up", dir, "--yes", "--timeout", "50ms")
}

// TestUpTakesNobodysPlace: a project of the same name that has other commits, or another source, is left alone.
func TestUpTakesNobodysPlace(t *testing.T) {
	c, dir, _, _ := newUp(t)
	s := c.service
	s.absent, s.file.Commit = false, commitB
	c.mustFail(t, exitFailed, "project shop holds commit bbbbbbbb, which "+dir+" does not have", "up", dir, "--yes")
	s.from = "https://git.test/shop.git"
	c.mustFail(t, exitFailed, "from https://git.test/shop.git: choose another name with --name", "up", dir, "--yes")
	c.mustFail(t, exitFailed, "choose another name", "up", "https://git.test/other/shop", "--yes")
	if len(s.bundles)+len(s.deployed)+len(s.created) != 0 {
		t.Errorf("bundles %d, deployed %v, created %v", len(s.bundles), s.deployed, s.created)
	}
	s.views = story(berth.ReleaseServing)
	if code := c.do(t, "up", "https://git.test/shop/", "--yes"); code != 0 {
		t.Errorf("its own source: exit %d: %s", code, c.err)
	}
	s.absent, s.created, s.views = true, nil, story(berth.ReleaseServing)
	if code := c.do(t, "up", "https://git.test/acme/Shop_2.git", "--yes"); code != 0 || s.created[0] != "shop-2 https://git.test/acme/Shop_2.git " {
		t.Errorf("exit %d, created %v: %s", code, s.created, c.err)
	}
}

func TestProjectFile(t *testing.T) {
	c := newCLI(t)
	c.service.file = proposed()
	c.golden(t, "project-file", "project", "file", "shop")
	c.golden(t, "project-show-proposed", "project", "show", "shop")
	file := filepath.Join(t.TempDir(), "f")
	write(t, file, "new")
	if code := c.do(t, "project", "file", "shop", "--set", file); code != 0 || c.service.written != "new" {
		t.Errorf("exit %d, wrote %q: %s", code, c.service.written, c.err)
	}
	c.in = strings.NewReader("typed")
	if code := c.do(t, "project", "file", "shop", "--set", "-"); code != 0 || c.service.written != "typed" {
		t.Errorf("exit %d, wrote %q: %s", code, c.service.written, c.err)
	}
	c.in = strings.NewReader(strings.Repeat("x", maxProjectFile+1))
	c.mustFail(t, exitFailed, "larger than 1024 KiB", "project", "file", "shop", "--set", "-")
	c.service.file = berth.ProjectFile{}
	c.mustFail(t, exitFailed, "shop has no diploi.yaml yet", "project", "file", "shop")
}
