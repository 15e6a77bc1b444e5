package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/google/go-cmp/cmp"
)

func TestCreateProjectLeavesNothingWhenItsSourceFails(t *testing.T) {
	w := newWorld(t)
	w.git.fail = berth.Errorf(berth.EUnavailable, "https://git.test does not answer")
	_, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: "https://git.test/x.git"})
	mustFail(t, err, berth.EUnavailable, "does not answer")
	if list := must[[]berth.Project](t)(w.owner.Projects(t.Context())); len(list) != 0 || len(w.git.removed) != 1 {
		t.Fatalf("%v is left, %d repositories were removed", list, len(w.git.removed))
	}
}

func TestCollectorsKnowWhatIsBeingMade(t *testing.T) {
	w := newWorld(t)
	var during []berth.ID
	w.git.fetching = func() { during = w.Making() }
	p := w.project(t, "shop")
	if diff := cmp.Diff([]berth.ID{p.ID}, during); diff != "" || len(w.Making()) != 0 {
		t.Fatalf("while it was fetched: %s; afterwards %v", diff, w.Making())
	}
}

func TestGitURLs(t *testing.T) {
	w := newWorld(t)
	for url, part := range map[string]string{
		"file:///etc":                  "https://",
		"/etc":                         "https://",
		"ext::sh -c id":                "https://",
		"--upload-pack=id":             "https://",
		"https://user:pass@host/x.git": "--token -",
		"https://host/x.git?token=abc": "no ? or # part",
	} {
		_, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: url})
		mustFail(t, err, berth.EInvalid, part)
	}
	_, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: "http://host/x.git", GitToken: berth.NewSecret("t")})
	mustFail(t, err, berth.EInvalid, "plain http")
	if len(w.git.tokens) != 0 {
		t.Fatal("a refused URL was fetched")
	}
}

func TestSecretsAreSealed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const token, value = "gh-tok3n-of-a-person", "sk-live-very-secret"
	_, err := w.owner.CreateProject(ctx, berth.NewProject{Name: "shop", GitURL: "https://git.test/x.git", GitToken: berth.NewSecret(token)})
	if err != nil {
		t.Fatal(err)
	}
	d := w.deployment(t, "shop", "web", "production")
	if err := w.owner.SetEnvironment(ctx, d.Slug, "web", nil, map[string]berth.Secret{"STRIPE": berth.NewSecret(value)}); err != nil {
		t.Fatal(err)
	}
	if got := w.git.tokens[len(w.git.tokens)-1]; got != token {
		t.Fatalf("git was given %q", got)
	}
	created, secret, err := w.owner.CreateToken(ctx, berth.NewToken{Name: "ci", TTL: time.Hour})
	link := must[berth.LoginLink](t)(w.owner.CreateLoginLink(ctx, ""))
	if err != nil {
		t.Fatal(err)
	}
	_, linkSecret, _ := strings.Cut(link.URL.Reveal(), "#")
	linkSecret, _, _ = strings.Cut(linkSecret, ".")
	for name, text := range w.files(t) {
		for _, hidden := range []string{token, value, secret.Reveal(), linkSecret} {
			if bytes.Contains(text, []byte(hidden)) {
				t.Errorf("%s holds %q", name, hidden)
			}
		}
	}
	if created.Name != "ci" {
		t.Fatal(created)
	}
}

// files is everything that the store wrote.
func (w *world) files(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	list, err := filepath.Glob(filepath.Join(w.dir, "*"))
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = text
	}
	return files
}

func TestCreateDeploymentRefusesWhatCannotRun(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	for _, c := range []struct {
		new  berth.NewDeployment
		part string
	}{
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "absent"}, "it has broken, empty, main, next"},
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "--upload-pack=x"}, "not the name of a branch"},
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "main..next"}, "not the name of a branch"},
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "broken"}, "diploi.yaml:3:5: components[0].package: is missing"},
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "empty"}, "has no diploi.yaml in its top directory"},
		{berth.NewDeployment{Name: "web", Stage: "preview"}, "choose one of development, staging, production"},
		{berth.NewDeployment{Name: "web", Stage: "preview", Branch: "next"}, "choose one of development, staging, production"},
		{berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"absent.A": "1"}}, "it has web, api, postgres"},
		{berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"A": "1"}}, "not ELEMENT.KEY"},
		{berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"web.A B": "1"}}, "letters, digits"},
		{berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"web.DB_PASSWORD": "1"}}, "looks like a secret"},
		{berth.NewDeployment{Name: "web; rm -rf", Stage: "production"}, "lower-case letters"},
	} {
		_, err := w.owner.CreateDeployment(t.Context(), "shop", c.new)
		mustFail(t, err, berth.EInvalid, c.part)
	}
	if list := must[[]berth.Deployment](t)(w.owner.Deployments(t.Context(), "")); len(list) != 0 {
		t.Fatalf("something half-made is left: %v", list)
	}
}

func TestSlugsAreUnique(t *testing.T) {
	w := newWorld(t)
	w.project(t, "b-c")
	w.project(t, "c")
	long := strings.Repeat("x", 40)
	w.project(t, long)
	seen := map[string]bool{}
	for _, pair := range [][2]string{{"b-c", "a"}, {"c", "a-b"}, {long, "a"}, {long, "ab"}, {"b-c", "production"}, {"c", "production"}, {"c", long}} {
		d := w.deployment(t, pair[0], pair[1], "production")
		if seen[d.Slug] || len(d.Slug) > berth.MaxName || berth.ValidateName("slug", d.Slug) != nil {
			t.Errorf("%s of %s has the slug %q", pair[1], pair[0], d.Slug)
		}
		seen[d.Slug] = true
	}
	_, err := w.owner.CreateDeployment(t.Context(), "c", berth.NewDeployment{Name: "a-b", Stage: "production"})
	mustFail(t, err, berth.EConflict, "a-b")
	_, err = w.owner.Deployment(t.Context(), "production")
	mustFail(t, err, berth.EInvalid, "production-b-c")
}

func TestAReleaseIsShownAsServingOnceRequestsAreLedToIt(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	led := false
	w.Led = func(berth.Release) bool { return led }
	for _, want := range []berth.ReleaseState{berth.ReleaseStarting, berth.ReleaseServing} {
		seen := must[berth.Deployment](t)(w.owner.Deployment(t.Context(), "web"))
		all := must[[]berth.Release](t)(w.owner.Releases(t.Context(), "web"))
		if seen.Releases[0].State != want || all[0].State != want {
			t.Errorf("requests led to it: %v; the release is %s, in the list %s", led, seen.Releases[0].State, all[0].State)
		}
		led = true
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	restarts := func() map[string]int {
		var stored berth.Deployment
		w.update(t, func(tx *sqlite.Tx) (err error) {
			stored, err = tx.DeploymentByID(berth.Everything(), d.ID)
			return err
		})
		return stored.Restarts
	}
	d = must[berth.Deployment](t)(w.owner.RestartElement(ctx, "web", ""))
	if diff := cmp.Diff(map[string]int{"web": 1, "api": 1}, restarts()); diff != "" {
		t.Fatal(diff)
	}
	if r := d.Releases[0]; r.State != berth.ReleasePending || r.Commit != one || r.Cause != "restart" || r.Revision != 2 {
		t.Fatalf("%+v", r)
	}
	must[berth.Deployment](t)(w.owner.RestartElement(ctx, "web", "postgres"))
	if diff := cmp.Diff(map[string]int{"web": 1, "api": 1, "postgres": 1}, restarts()); diff != "" {
		t.Fatal(diff)
	}
	_, err := w.owner.RestartElement(ctx, "web", "absent")
	mustFail(t, err, berth.ENotFound, "it has postgres, web, api")
	must[berth.Deployment](t)(w.owner.StopDeployment(ctx, "web"))
	_, err = w.owner.RestartElement(ctx, "web", "")
	mustFail(t, err, berth.EConflict, "is stopped")
}

// TestReleasesOfTheSameCommit: what failed is not tried again by a restart or a changed parameter.
func TestReleasesOfTheSameCommit(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	r := must[berth.Release](t)(w.owner.Deploy(ctx, "web", two))
	if r.Commit != two || r.Revision != 2 {
		t.Fatalf("%+v", r)
	}
	w.complete(t, d, berth.ReleaseFailed)
	if err := w.owner.SetEnvironment(ctx, "web", "web", map[string]string{"A": "1"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := must[[]berth.Release](t)(w.owner.Releases(ctx, "web"))[0]; got.Commit != one || got.Cause != "env set" {
		t.Fatalf("%+v", got)
	}
}

func TestDeploy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	w.deployment(t, "shop", "dev", "development")
	w.deployment(t, "shop", "web", "production")
	_, err := w.owner.Deploy(ctx, "dev", "")
	mustFail(t, err, berth.EInvalid, "it runs its working tree")
	fetches := len(w.git.tokens)
	r := must[berth.Release](t)(w.owner.Deploy(ctx, "web", ""))
	if r.Commit != one || len(w.git.tokens) != fetches+1 {
		t.Fatalf("%+v after %d fetches", r, len(w.git.tokens)-fetches)
	}
	again := must[berth.Release](t)(w.owner.Rebuild(ctx, "web"))
	if again.Commit != one || again.Revision != r.Revision+1 || again.Cause != berth.CauseRebuild || again.State != berth.ReleasePending {
		t.Errorf("rebuilt %+v", again)
	}
	_, err = w.owner.Deploy(ctx, "web", wrong[:12])
	mustFail(t, err, berth.EInvalid, "components[0].package")
	for _, rev := range []string{"-x", "main@{1}", "HEAD^", "main:diploi.yaml", "a b"} {
		_, err = w.owner.Deploy(ctx, "web", rev)
		mustFail(t, err, berth.EInvalid, "not the name")
	}
}

func TestNothingChangesWhatIsBeingDeleted(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	if err := errors.Join(w.owner.DeleteDeployment(ctx, "web"), w.owner.DeleteDeployment(ctx, "web")); err != nil {
		t.Fatal(err)
	}
	for name, verb := range map[string]func() error{
		"restart": func() error { _, err := w.owner.RestartElement(ctx, "web", ""); return err },
		"stop":    func() error { _, err := w.owner.StopDeployment(ctx, "web"); return err },
		"start":   func() error { _, err := w.owner.StartDeployment(ctx, "web"); return err },
		"rename":  func() error { _, err := w.owner.RenameDeployment(ctx, "web", "new"); return err },
		"deploy":  func() error { _, err := w.owner.Deploy(ctx, "web", ""); return err },
		"rebuild": func() error { _, err := w.owner.Rebuild(ctx, "web"); return err },
		"set":     func() error { return w.owner.SetEnvironment(ctx, "web", "web", map[string]string{"A": "1"}, nil) },
		"unset":   func() error { return w.owner.UnsetEnvironment(ctx, "web", "web", []string{"A"}) },
	} {
		if err := verb(); berth.CodeOf(err) != berth.EConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsOfBuildStagesAreForOwners(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := w.project(t, "shop")
	dev := w.As(w.person(t, "dee", berth.RoleNone, p.ID, berth.RoleDeveloper))
	for name, stage := range map[string]string{"web": "production", "dev": "development"} {
		d := w.deployment(t, "shop", name, stage)
		w.complete(t, d, berth.ReleaseServing, berth.Parameter{Name: "KEY", Secret: true, Origin: berth.OriginGenerated})
		want := berth.Code("")
		if stage == "production" {
			want = berth.EForbidden
		}
		plain := dev.SetEnvironment(ctx, name, "web", map[string]string{"LEVEL": "1"}, nil)
		secret := dev.SetEnvironment(ctx, name, "web", nil, map[string]berth.Secret{"X": berth.NewSecret("1")})
		declared := dev.SetEnvironment(ctx, name, "web", map[string]string{"KEY": "1"}, nil)
		if err := w.owner.SetEnvironment(ctx, name, "web", map[string]string{"KEY": "2"}, nil); err != nil {
			t.Fatal(err)
		}
		unset := dev.UnsetEnvironment(ctx, name, "web", []string{"KEY"})
		if plain != nil || berth.CodeOf(secret) != want || berth.CodeOf(declared) != want || berth.CodeOf(unset) != want {
			t.Errorf("%s: plain %v, secret %v, declared %v, unset %v", stage, plain, secret, declared, unset)
		}
		if err := dev.DeleteDeployment(ctx, name); berth.CodeOf(err) != berth.EForbidden {
			t.Errorf("a developer deletes: %v", err)
		}
	}
}

func TestSecretsHaveVersions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	set := func(value string) berth.Setting {
		t.Helper()
		if err := w.owner.SetEnvironment(ctx, "web", "web", nil, map[string]berth.Secret{"KEY": berth.NewSecret(value)}); err != nil {
			t.Fatal(err)
		}
		var settings []berth.Setting
		w.update(t, func(tx *sqlite.Tx) (err error) { settings, err = tx.Settings(d.ID); return err })
		return settings[0]
	}
	first, second := set("abc"), set("def")
	if first.Ref != second.Ref || first.Value != berth.SecretToken(first.Ref, 1) || second.Value != berth.SecretToken(first.Ref, 2) {
		t.Fatalf("%+v, then %+v", first, second)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		for version, want := range map[int]string{1: "cba", 2: "fed"} {
			if sealed, err := tx.Secret(first.Ref, version); err != nil || string(sealed) != want {
				t.Errorf("version %d is %q, %v", version, sealed, err)
			}
		}
		return nil
	})
}

func TestEnvironmentBeforeTheFirstReleaseIsComplete(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	mustFail(t, w.owner.SetEnvironment(ctx, "web", "wbe", map[string]string{"A": "1"}, nil), berth.ENotFound, "it has web, api, postgres")
	if err := w.owner.SetEnvironment(ctx, "web", "web", map[string]string{"A": "1"}, nil); err != nil {
		t.Fatal(err)
	}
	want := []berth.Parameter{{Element: "web", Name: "A", Value: "1", Origin: berth.OriginDeployment}}
	if diff := cmp.Diff(want, must[[]berth.Parameter](t)(w.owner.Environment(ctx, "web", "web"))); diff != "" {
		t.Fatal(diff)
	}
}

func TestReadOnlyAndPlatformValuesStay(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing, berth.Parameter{Name: "STAGE", Origin: berth.OriginPlatform}, berth.Parameter{Name: "PORT", ReadOnly: true, Origin: berth.OriginPackage})
	mustFail(t, w.owner.SetEnvironment(t.Context(), "web", "web", map[string]string{"STAGE": "1"}, nil), berth.EInvalid, "Berth itself gives this value")
	mustFail(t, w.owner.SetEnvironment(t.Context(), "web", "web", nil, map[string]berth.Secret{"PORT": berth.NewSecret("1")}), berth.EInvalid, "cannot be changed")
}

func TestListsReadNothingPerDeployment(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	for i := range 5 {
		w.deployment(t, "shop", fmt.Sprintf("web%d", i), "production")
	}
	list := must[[]berth.Deployment](t)(w.owner.Deployments(t.Context(), "shop"))
	if len(list) != 5 || w.store.reads.Load() != 0 || list[4].Phase != berth.PhasePending || list[4].Commit != one {
		t.Fatalf("%d deployments with %d single reads: %+v", len(list), w.store.reads.Load(), list)
	}
}

func TestViewFindsAnOldServingRelease(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	for range 12 {
		must[berth.Release](t)(w.owner.Deploy(t.Context(), "web", two))
		w.complete(t, d, berth.ReleaseFailed)
	}
	d = must[berth.Deployment](t)(w.owner.Deployment(t.Context(), "web"))
	if len(d.Releases) != 10 || d.Commit != one || !strings.Contains(d.Message, "release 13 failed, release 1 serves on") {
		t.Fatalf("%s at %s: %q, %d releases", d.Phase, d.Commit, d.Message, len(d.Releases))
	}
}

func TestTokensEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, token, err := w.owner.CreateToken(ctx, berth.NewToken{Name: "ci", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if caller := must[berth.Caller](t)(w.Authenticate(ctx, token)); caller.Name != "ada" || caller.Role != berth.RoleOwner {
		t.Fatalf("%+v", caller)
	}
	if used := must[[]berth.Token](t)(w.owner.Tokens(ctx))[0].LastUsed; used.IsZero() {
		t.Error("the use was not noted")
	}
	w.pass(time.Hour)
	_, err = w.Authenticate(ctx, token)
	mustFail(t, err, berth.EUnauthenticated, "time is over")
	for _, ttl := range []time.Duration{-1, 366 * 24 * time.Hour} {
		_, _, err = w.owner.CreateToken(ctx, berth.NewToken{Name: "ci", TTL: ttl})
		mustFail(t, err, berth.EInvalid, "a year")
	}
}

func TestLoginLinksEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first := secretOf(must[berth.LoginLink](t)(w.owner.CreateLoginLink(ctx, "")))
	late := secretOf(must[berth.LoginLink](t)(w.owner.CreateLoginLink(ctx, "")))
	_, token, err := w.Login(ctx, first, berth.LoginClient{})
	if err != nil {
		t.Fatal(err)
	}
	must[berth.Caller](t)(w.Authenticate(ctx, token))
	_, _, err = w.Login(ctx, first, berth.LoginClient{})
	mustFail(t, err, berth.EUnauthenticated, "used already")
	w.pass(15 * time.Minute)
	_, _, err = w.Login(ctx, late, berth.LoginClient{})
	mustFail(t, err, berth.EUnauthenticated, "time is over")

	dee := w.person(t, "dee", berth.RoleDeveloper, "", berth.RoleNone)
	_, err = w.As(dee).CreateLoginLink(ctx, "ada")
	mustFail(t, err, berth.EForbidden, "owner")
	if l := must[berth.LoginLink](t)(w.owner.CreateLoginLink(ctx, "dee")); l.Person != "dee" {
		t.Fatalf("%+v", l)
	}
}

func TestOwnerIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	if err := w.EnsureOwner(t.Context(), "mallory"); err != nil {
		t.Fatal(err)
	}
	if caller := must[berth.Caller](t)(w.Machine(t.Context())); caller.Name != "ada" {
		t.Fatalf("%+v", caller)
	}
}

func TestBuildLogIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	build := berth.Build{ID: berth.NewID(), Project: p.ID, Deployment: d.ID, Element: "web", State: berth.BuildQueued}
	w.update(t, func(tx *sqlite.Tx) error { return tx.CreateBuild(build) })

	now := must[io.ReadCloser](t)(w.owner.BuildLog(ctx, "web", build.ID, false))
	if text, err := io.ReadAll(now); len(text) != 0 || err != nil {
		t.Fatalf("a log that does not exist yet reads %q, %v", text, err)
	}
	log := must[io.ReadCloser](t)(w.owner.BuildLog(ctx, "web", build.ID, true))
	got := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(log)
		got <- string(text)
	}()
	w.logs.write("first\n")
	w.logs.write("second\n")
	build.State = berth.BuildSucceeded
	w.update(t, func(tx *sqlite.Tx) error { return tx.UpdateBuild(build) })
	if text := <-got; text != "first\nsecond\n" || log.Close() != nil {
		t.Fatalf("followed %q", text)
	}

	ctx, cancel := context.WithCancel(ctx)
	build.ID, build.State = berth.NewID(), berth.BuildRunning
	w.update(t, func(tx *sqlite.Tx) error { return tx.CreateBuild(build) })
	log = must[io.ReadCloser](t)(w.owner.BuildLog(ctx, "web", build.ID, true))
	go func() {
		_, err := io.ReadAll(log)
		got <- fmt.Sprint(err)
	}()
	cancel()
	if text := <-got; !strings.HasSuffix(text, "context canceled") {
		t.Fatalf("a log nobody follows any more ends with %s", text)
	}
}

// TestEveryVerbLeavesAnEvent: what a person did is in the audit log, by name, and secrets are not.
func TestEveryVerbLeavesAnEvent(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.complete(t, d, berth.ReleaseServing)
	for _, verb := range []func() error{
		func() error { _, err := w.owner.StopDeployment(ctx, "web"); return err },
		func() error { _, err := w.owner.StartDeployment(ctx, "web"); return err },
		func() error { _, err := w.owner.RestartElement(ctx, "web", "web"); return err },
		func() error {
			return w.owner.SetEnvironment(ctx, "web", "web", map[string]string{"A": "va1ue"}, map[string]berth.Secret{"B": berth.NewSecret("va1ue")})
		},
		func() error { return w.owner.UnsetEnvironment(ctx, "web", "web", []string{"A"}) },
		func() error { _, err := w.owner.Deploy(ctx, "web", ""); return err },
		func() error { _, err := w.owner.RenameDeployment(ctx, "web", "live"); return err },
		func() error { return w.owner.DeleteDeployment(ctx, "live") },
	} {
		if err := verb(); err != nil {
			t.Fatal(err)
		}
	}
	var kinds []string
	w.update(t, func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), d.ID, 0, 0)
		for _, e := range events {
			kinds = append(kinds, e.Kind)
			if e.Person != "ada" || e.Slug != d.Slug || strings.Contains(e.Message, "va1ue") {
				t.Errorf("%+v", e)
			}
		}
		return err
	})
	want := []string{"deployment.created", "deployment.stopped", "deployment.started", "deployment.restarted", "environment.set",
		"environment.unset", "release.created", "deployment.renamed", "deployment.deleting"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Fatal(diff)
	}
}

// TestListIsNeverStale asks for a list that has been asked for before, after each kind of change.
func TestListIsNeverStale(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	for _, step := range []struct {
		name   string
		change func()
		phase  berth.Phase
		as     string
	}{
		{"as created", func() {}, berth.PhasePending, "web"},
		{"renamed", func() {
			if _, err := w.owner.RenameDeployment(t.Context(), d.Slug, "live"); err != nil {
				t.Fatal(err)
			}
		}, berth.PhasePending, "live"},
		{"serving", func() { w.complete(t, d, berth.ReleaseServing) }, berth.PhaseRunning, "live"},
		{"seen to end", func() {
			w.update(t, func(tx *sqlite.Tx) error {
				ended := berth.InstanceStatus{ID: "i", Element: "web", State: berth.InstanceExited, Wanted: true}
				return tx.PutObserved(d.ID, berth.Observed{Instances: []berth.InstanceStatus{ended}, Elements: []berth.ElementStatus{
					{Identifier: "web", Status: berth.Red, Instances: []berth.InstanceStatus{ended}}}})
			})
		}, berth.PhaseFailed, "live"},
	} {
		step.change()
		for range 2 {
			list, err := w.owner.Deployments(t.Context(), "")
			if err != nil || len(list) != 1 || list[0].Phase != step.phase || list[0].Name != step.as {
				t.Fatalf("%s: %+v %v, want %s %s", step.name, list, err, step.as, step.phase)
			}
			list[0].Name = "written to by a caller"
		}
	}
}
