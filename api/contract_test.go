package api_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestContract runs the same story against the verbs themselves, over TLS and over the Unix socket: what a
// caller sees must not depend on which side of the wire it stands.
func TestContract(t *testing.T) {
	doors := map[string]func(*testing.T, *server) berth.Service{
		"direct": func(_ *testing.T, s *server) berth.Service { return s.as(s.owner) },
		"tls": func(t *testing.T, s *server) berth.Service {
			_, token, err := s.control.As(s.owner).CreateToken(t.Context(), berth.NewToken{Name: "contract", TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return s.overTLS(t, token)
		},
		"socket": func(t *testing.T, s *server) berth.Service { return s.overSocket(t) },
	}
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			contract(t, s, door(t, s))
		})
	}
}

const bundle = "# v2 git bundle\n"

func contract(t *testing.T, s *server, b berth.Service) {
	ctx := t.Context()
	who, err := b.Whoami(ctx)
	mustBe(t, err, berth.Whoami{Person: "ada", Role: berth.RoleOwner, ServerURL: "https://console.test", ConsoleURL: "https://console.test", Version: "test"}, who)
	metrics, err := b.Metrics(ctx)
	mustBe(t, err, "berth_proxy_table_version 1\n", metrics)
	pem, err := b.CA(ctx)
	mustBe(t, err, s.ca, pem)
	packages, err := b.Packages(ctx)
	mustBe(t, err, []berth.PackageInfo{{Name: "nodejs", Title: "Node.js", Kind: "component"}}, packages)
	p, err := b.Package(ctx, "nodejs")
	mustBe(t, err, "long", p.Readme)
	_, err = b.Package(ctx, "cobol")
	mustFail(t, err, berth.ENotFound, "there is no package cobol; there are nodejs")

	contractProject(t, b)
	contractProjectFile(t, b)
	d := contractDeployment(t, s, b)
	contractEnvironment(t, b, d)
	contractReleases(t, s, b, d)
	contractStreams(t, b, d)
	contractDeployHook(t, b, d)
	contractStorage(t, s, b, d)
	contractLive(t, b, d)
	contractTokens(t, b)
	contractPeople(t, s, b, d)
	contractRegistries(t, b)
	contractKeys(t, b)

	if err := b.DeleteDeployment(ctx, d.Slug); err != nil {
		t.Fatal(err)
	}
	mustBe(t, b.DeleteDeployment(ctx, d.Slug), "", "")
	d, err = b.Deployment(ctx, d.Slug)
	mustBe(t, err, berth.PhaseDeleting, d.Phase)
	mustFail(t, b.DeleteProject(ctx, "shop"), berth.EConflict, "project shop still has deployments: delete web-shop first")
	mustBe(t, b.DeleteProject(ctx, "remote"), "", "")
}

func contractProject(t *testing.T, b berth.Service) {
	ctx := t.Context()
	p, err := b.CreateProject(ctx, berth.NewProject{Name: "shop"})
	mustBe(t, err, berth.DefaultStages(), p.Stages)
	_, err = b.CreateProject(ctx, berth.NewProject{Name: "shop"})
	mustFail(t, err, berth.EConflict, "there is a project named shop already")
	_, err = b.CreateProject(ctx, berth.NewProject{Name: "x; rm -rf"})
	mustFail(t, err, berth.EInvalid, "name: the name must be lower-case letters, digits and single hyphens, and start with a letter, like my-app-2")
	_, err = b.CreateProject(ctx, berth.NewProject{Name: "other", GitURL: "https://absent.test/x.git"})
	mustFail(t, err, berth.EUnavailable, "https://absent.test/x.git does not answer")
	_, err = b.CreateDeployment(ctx, "shop", berth.NewDeployment{Name: "web", Stage: "production"})
	mustFail(t, err, berth.EInvalid, "project shop has no commits yet: bring some with berth project update shop --dir DIR")
	_, err = b.ImportRepository(ctx, "shop", strings.NewReader("nonsense"))
	mustFail(t, err, berth.EInvalid, "this is no git bundle")
	p, err = b.ImportRepository(ctx, "shop", strings.NewReader(bundle))
	mustBe(t, err, "main", p.DefaultBranch)
	remote, err := b.CreateProject(ctx, berth.NewProject{Name: "far", GitURL: "https://git.test/x.git", GitToken: berth.NewSecret("t0ken")})
	mustBe(t, err, "https://git.test/x.git", remote.GitURL)
	_, err = b.ImportRepository(ctx, "far", strings.NewReader(bundle))
	mustFail(t, err, berth.EInvalid, "project far comes from https://git.test/x.git: push there, then berth deploy")
	_, err = b.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://diverged.test/x.git"})
	mustFail(t, err, berth.EConflict, "https://diverged.test/x.git has another history of branch main")
	remote, err = b.ConnectProject(ctx, "far", berth.Connection{GitURL: "https://git.test/y.git", GitToken: berth.NewSecret("n3w")})
	mustBe(t, err, "https://git.test/y.git", remote.GitURL)
	_, err = b.ConnectProject(ctx, "far", berth.Connection{GitURL: "https://git.test/y.git", AcceptHostKey: true})
	mustBe(t, err, "https://git.test/y.git", remote.GitURL)
	remote, err = b.RenameProject(ctx, "far", "remote")
	mustBe(t, err, "remote", remote.Name)
	list, err := b.Projects(ctx)
	mustBe(t, err, []string{"remote", "shop"}, names(list, func(p berth.Project) string { return p.Name }))
	_, err = b.Project(ctx, "absent")
	mustFail(t, err, berth.ENotFound, "there is no project absent, or you are not a member of it")
}

func contractRegistries(t *testing.T, b berth.Service) {
	ctx := t.Context()
	r, err := b.LoginRegistry(ctx, "https://GHCR.io/", "ada", berth.NewSecret("p4ss"))
	mustBe(t, err, [2]string{"ghcr.io", "ada"}, [2]string{r.Host, r.Username})
	_, err = b.LoginRegistry(ctx, "ghcr.io; rm", "ada", berth.NewSecret("p4ss"))
	mustFail(t, err, berth.EInvalid, "host: this is not the host of a registry; one looks like ghcr.io or registry.example.com:5000")
	list, err := b.Registries(ctx)
	mustBe(t, err, []string{"ghcr.io"}, names(list, func(r berth.Registry) string { return r.Host }))
	mustBe(t, b.LogoutRegistry(ctx, "ghcr.io"), "", "")
	mustFail(t, b.LogoutRegistry(ctx, "ghcr.io"), berth.ENotFound, "nobody has logged in to the registry ghcr.io")
}

func contractKeys(t *testing.T, b berth.Service) {
	ctx := t.Context()
	const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr ada@laptop"
	k, err := b.AddKey(ctx, "", "laptop", line)
	mustBe(t, err, [2]string{"laptop", "ssh-ed25519"}, [2]string{k.Name, k.Type})
	_, err = b.AddKey(ctx, "ada", "desk", line)
	mustFail(t, err, berth.EConflict, "this key is there already, as laptop")
	_, err = b.AddKey(ctx, "", "old", "ssh-dss AAAA")
	mustFail(t, err, berth.EInvalid, "key: DSA keys are broken and OpenSSH has dropped them: make another with ssh-keygen -t ed25519")
	list, err := b.Keys(ctx, "")
	mustBe(t, err, []string{k.Fingerprint}, names(list, func(k berth.SSHKey) string { return k.Fingerprint }))
	_, err = b.Keys(ctx, "nobody")
	mustFail(t, err, berth.ENotFound, "there is no person nobody")
	mustBe(t, b.DeleteKey(ctx, "", "laptop"), "", "")
	mustFail(t, b.DeleteKey(ctx, "", "laptop"), berth.ENotFound, "there is no key named laptop")
}

func contractProjectFile(t *testing.T, b berth.Service) {
	ctx := t.Context()
	f, err := b.ProjectFile(ctx, "shop", "")
	mustBe(t, err, berth.ProjectFile{Branch: "main", Commit: firstCommit}, f)
	_, err = b.ProjectFile(ctx, "shop", "absent")
	mustFail(t, err, berth.EInvalid, "branch: project shop has no branch absent; it has main")
	f, err = b.ProposeProjectFile(ctx, "shop", "main")
	want := berth.ProjectFile{Origin: berth.FileProposed, Branch: "main", Commit: firstCommit, Text: "proposed\n", ChangedAt: f.ChangedAt,
		Notes: []berth.FileNote{{Line: 1, Kind: berth.NoteFound, Text: "a file", Source: "Dockerfile"}}}
	mustBe(t, err, want, f)
	f, err = b.ProjectFile(ctx, "shop", "main")
	mustBe(t, err, want, f)
	f, err = b.SetProjectFile(ctx, "shop", "written\n")
	mustBe(t, err, berth.ProjectFile{Origin: berth.FileWritten, Branch: "main", Commit: firstCommit, Text: "written\n", ChangedAt: f.ChangedAt}, f)
	f, err = b.ProposeProjectFile(ctx, "shop", "")
	mustBe(t, err, "written\n", f.Text)
	_, err = b.SetProjectFile(ctx, "absent", "x")
	mustFail(t, err, berth.ENotFound, "there is no project absent, or you are not a member of it")
}

func contractDeployment(t *testing.T, s *server, b berth.Service) berth.Deployment {
	ctx := t.Context()
	for _, bad := range []struct {
		new  berth.NewDeployment
		want string
	}{
		{berth.NewDeployment{Name: "web", Stage: "moon"}, `stage: there is no stage "moon": choose one of development, staging, production`},
		{berth.NewDeployment{Name: "web", Stage: "production", Branch: "absent"}, "branch: project shop has no branch absent; it has main"},
		{berth.NewDeployment{Name: "web", Stage: "production", Size: "XXL"}, `size: there is no size "XXL": choose S, M, L or XL`},
		{berth.NewDeployment{Name: "../../etc", Stage: "production"}, "name: the name must be lower-case letters, digits and single hyphens, and start with a letter, like my-app-2"},
		{berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"web.API_TOKEN": "x"}}, "API_TOKEN: this looks like a secret, and --set stores values in plain: create the deployment, then berth env set web web API_TOKEN"},
	} {
		_, err := b.CreateDeployment(ctx, "shop", bad.new)
		mustFail(t, err, berth.EInvalid, bad.want)
	}
	d, err := b.CreateDeployment(ctx, "shop", berth.NewDeployment{Name: "web", Stage: "production", Set: map[string]string{"web.COLOUR": "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	want := berth.Deployment{
		ID: d.ID, Project: "shop", Name: "web", Slug: "web-shop", Stage: "production", Kind: berth.KindBuild, Branch: "main",
		Commit: firstCommit, Size: berth.DefaultSize, CreatedAt: d.CreatedAt, Phase: berth.PhasePending,
		Hosts: []berth.Host{}, SSH: []berth.SSHCommand{}, Releases: d.Releases,
	}
	mustBe(t, nil, want, d)
	mustBe(t, nil, []int{1}, names(d.Releases, func(r berth.Release) int { return r.Revision }))
	_, err = b.RestartElement(ctx, "web", "")
	mustFail(t, err, berth.EConflict, "web-shop is still being prepared: there is nothing to restart yet")
	s.runs(t, d)
	d, err = b.Deployment(ctx, "web")
	mustBe(t, err, berth.PhaseRunning, d.Phase)
	list, err := b.Deployments(ctx, "")
	mustBe(t, err, []string{"web-shop"}, names(list, func(d berth.Deployment) string { return d.Slug }))
	_, err = b.Deployments(ctx, "absent")
	mustFail(t, err, berth.ENotFound, "there is no project absent, or you are not a member of it")
	d, err = b.StopDeployment(ctx, "web")
	mustBe(t, err, berth.PhaseStopped, d.Phase)
	d, err = b.StartDeployment(ctx, "web-shop")
	mustBe(t, err, berth.PhaseRunning, d.Phase)
	d, err = b.SleepDeployment(ctx, "web")
	mustBe(t, err, berth.PhaseSleeping, d.Phase)
	never, day := berth.Never, 24*time.Hour
	d, err = b.ChangeRest(ctx, "web", berth.ChangeRest{After: &never, For: &day})
	mustBe(t, err, berth.Never, d.Rest.After)
	d, err = b.ChangeRest(ctx, "web", berth.ChangeRest{After: new(time.Duration)})
	mustBe(t, err, true, d.Rest.After == 0 && !d.Rest.Until.IsZero())
	d, err = b.StartDeployment(ctx, "web")
	mustBe(t, err, berth.PhaseRunning, d.Phase)
	d, err = b.RenameDeployment(ctx, "web", "live")
	mustBe(t, err, "live web-shop", d.Name+" "+d.Slug)
	_, err = b.RestartElement(ctx, "live", "absent")
	mustFail(t, err, berth.ENotFound, "web-shop has no element absent; it has web")
	d, err = b.RestartElement(ctx, "live", "")
	mustBe(t, err, "restart", d.Releases[0].Cause)
	text, err := b.Describe(ctx, "live", "web")
	mustBe(t, err, "# component web\n{\"kind\":\"Deployment\"}\n", text)
	return d
}

func contractEnvironment(t *testing.T, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	err := b.SetEnvironment(ctx, d.Slug, "web", map[string]string{"SESSION_KEY": "s3cret", "LEVEL": "debug"}, map[string]berth.Secret{"STRIPE": berth.NewSecret("sk_1")})
	mustBe(t, err, "", "")
	params, err := b.Environment(ctx, d.Slug, "web")
	mustBe(t, err, []berth.Parameter{
		{Element: "web", Name: "COLOUR", Value: "blue", Origin: berth.OriginDeployment},
		{Element: "web", Name: "LEVEL", Value: "debug", Origin: berth.OriginDeployment},
		{Element: "web", Name: "PORT", Value: "3000", Origin: berth.OriginPackage},
		{Element: "web", Name: "SESSION_KEY", Secret: true, Origin: berth.OriginDeployment},
		{Element: "web", Name: "STAGE", Value: "production", Origin: berth.OriginPlatform},
		{Element: "web", Name: "STRIPE", Secret: true, Origin: berth.OriginDeployment},
	}, params)
	mustBe(t, b.UnsetEnvironment(ctx, d.Slug, "web", []string{"LEVEL"}), "", "")
	mustFail(t, b.UnsetEnvironment(ctx, d.Slug, "web", []string{"LEVEL"}), berth.ENotFound, "LEVEL of web was not set by anybody, so it cannot be unset")
	mustFail(t, b.UnsetEnvironment(ctx, d.Slug, "web", nil), berth.EInvalid, "names: there is nothing to unset")
	mustFail(t, b.SetEnvironment(ctx, d.Slug, "web", map[string]string{"STAGE": "x"}, nil), berth.EInvalid, "STAGE: Berth itself gives this value; it cannot be set")
	mustFail(t, b.SetEnvironment(ctx, d.Slug, "web", map[string]string{"A-B": "x"}, nil), berth.EInvalid,
		"A-B: a parameter's name is made of letters, digits and underscores and starts with no digit, like LOG_LEVEL")
	mustFail(t, b.SetEnvironment(ctx, d.Slug, "absent", map[string]string{"A": "x"}, nil), berth.ENotFound, "web-shop has no element absent; it has web")
}

func contractReleases(t *testing.T, s *server, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	_, err := b.ImportRepository(ctx, "shop", strings.NewReader(bundle))
	mustBe(t, err, "", "")
	r, err := b.Deploy(ctx, d.Slug, "")
	mustBe(t, err, secondCommit, r.Commit)
	again, err := b.Rebuild(ctx, d.Slug)
	mustBe(t, err, []string{"rebuild", secondCommit}, []string{again.Cause, again.Commit})
	_, err = b.Deploy(ctx, d.Slug, "abcdef")
	mustFail(t, err, berth.ENotFound, "there is no commit abcdef")
	_, err = b.Deploy(ctx, d.Slug, "--upload-pack=x")
	mustFail(t, err, berth.EInvalid, "commit: this is not the name of a branch or a commit")
	list, err := b.Releases(ctx, d.Slug)
	mustBe(t, err, []string{"rebuild", "deploy", "env unset", "env set", "restart", "created"}, names(list, func(r berth.Release) string { return r.Cause }))

	build := berth.Build{ID: berth.NewID(), Project: d.ProjectID, Deployment: d.ID, Release: r.ID, Element: "web", Commit: r.Commit, State: berth.BuildRunning}
	if err := s.store.Update(ctx, func(tx *sqlite.Tx) error {
		stored, err := tx.DeploymentByID(berth.Everything(), d.ID)
		build.Project = stored.ProjectID
		return errors.Join(err, tx.CreateBuild(build))
	}); err != nil {
		t.Fatal(err)
	}
	builds, err := b.Builds(ctx, d.Slug)
	mustBe(t, err, []berth.ID{build.ID}, names(builds, func(b berth.Build) berth.ID { return b.ID }))
	mustBe(t, b.CancelBuild(ctx, d.Slug, build.ID), "", "")
	mustFail(t, b.CancelBuild(ctx, d.Slug, build.ID), berth.EConflict, "build "+string(build.ID)+" has cancelled already")
	log, err := b.BuildLog(ctx, d.Slug, build.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	mustBe(t, errors.Join(err, log.Close()), "#1 FROM node\n#2 RUN npm ci\n", string(text))
	_, err = b.BuildLog(ctx, d.Slug, "absent", false)
	mustFail(t, err, berth.ENotFound, "there is no build absent")
}

func contractStreams(t *testing.T, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	var lines []string
	for l, err := range b.Logs(ctx, d.Slug, berth.LogQuery{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if lines = append(lines, l.Text); len(lines) == 3 {
			break
		}
	}
	mustBe(t, nil, []string{"line 0", "line 1", "line 2"}, lines)
	for _, err := range b.Logs(ctx, d.Slug, berth.LogQuery{Element: "absent"}) {
		mustFail(t, err, berth.ENotFound, "web-shop has no element absent; it has web")
	}
	var asked []string
	for r, err := range b.Requests(ctx, d.Slug, berth.LogQuery{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if asked = append(asked, r.Path); len(asked) == 3 {
			break
		}
	}
	mustBe(t, nil, []string{"/0", "/1", "/2"}, asked)
	for _, err := range b.Requests(ctx, "absent", berth.LogQuery{}) {
		mustFail(t, err, berth.ENotFound, "there is no deployment absent, or you are not a member of its project")
	}
	for _, err := range b.Requests(ctx, d.Slug, berth.LogQuery{Element: "absent"}) {
		mustFail(t, err, berth.ENotFound, "web-shop has no element absent; it has web")
	}
	var kinds []string
	var last int64
	for e, err := range b.Events(ctx, berth.EventQuery{Deployment: d.Slug}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds, last = append(kinds, e.Kind), e.Seq
		mustBe(t, nil, "ada", e.Person)
	}
	mustBe(t, nil, []string{"deployment.created", "deployment.stopped", "deployment.started", "deployment.sleeps", "deployment.rest", "deployment.rest", "deployment.started", "deployment.renamed", "deployment.restarted",
		"environment.set", "environment.unset", "release.created", "release.created", "build.cancelled"}, kinds)
	var out strings.Builder
	code, err := b.Exec(ctx, d.Slug, berth.Exec{Command: []string{"cat", "--password=x"}, Stdin: strings.NewReader("hello"), Stdout: &out, Stderr: io.Discard})
	mustBe(t, err, "hello 0", fmt.Sprint(out.String(), " ", code))
	for e, err := range b.Events(ctx, berth.EventQuery{Deployment: d.Slug, After: last, Follow: true}) {
		if err != nil || e.Message != `ada runs "cat" in web` {
			t.Fatalf("followed %v, %v", e, err)
		}
		break
	}
	for _, err := range b.Events(ctx, berth.EventQuery{Deployment: "absent"}) {
		mustFail(t, err, berth.ENotFound, "there is no deployment absent, or you are not a member of its project")
	}
}

func contractTokens(t *testing.T, b berth.Service) {
	ctx := t.Context()
	token, secret, err := b.CreateToken(ctx, berth.NewToken{Name: "ci", TTL: time.Hour})
	if err != nil || !strings.HasPrefix(secret.Reveal(), "berth_") {
		t.Fatalf("token %q, %v", secret.Reveal(), err)
	}
	list, err := b.Tokens(ctx)
	if err != nil || !slices.ContainsFunc(list, func(x berth.Token) bool { return x.ID == token.ID && x.Name == "ci" }) {
		t.Fatalf("tokens %v, %v", list, err)
	}
	mustBe(t, b.DeleteToken(ctx, token.ID), "", "")
	mustFail(t, b.DeleteToken(ctx, token.ID), berth.ENotFound, "there is no token "+string(token.ID)+" of yours")
	link, err := b.CreateLoginLink(ctx, "")
	if err != nil || link.Person != "ada" || !strings.HasPrefix(link.URL.Reveal(), "https://console.test/login#") {
		t.Fatalf("link %q for %s, %v", link.URL.Reveal(), link.Person, err)
	}
	_, err = b.CreateLoginLink(ctx, "nobody")
	mustFail(t, err, berth.ENotFound, "there is no person nobody")
}

func names[T, U any](list []T, name func(T) U) []U {
	out := make([]U, len(list))
	for i, x := range list {
		out[i] = name(x)
	}
	return out
}

// mustBe compares what people see of two values.
func mustBe[T any](t *testing.T, err error, want, got T) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	hidden := cmpopts.IgnoreFields(berth.Deployment{}, "ProjectID", "Desire", "Restarts")
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), hidden, cmpopts.IgnoreFields(berth.Release{}, "Deployment")); diff != "" {
		t.Fatalf("differs (-want +got):\n%s", diff)
	}
}

func mustFail(t *testing.T, err error, code berth.Code, message string) {
	t.Helper()
	if berth.CodeOf(err) != code || berth.MessageOf(err) != message {
		t.Fatalf("error is %s %q, want %s %q", berth.CodeOf(err), berth.MessageOf(err), code, message)
	}
}

func contractDeployHook(t *testing.T, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	h, err := b.DeployHook(ctx, d.Slug)
	mustBe(t, err, berth.DeployHook{Deployment: d.Slug}, h)
	h, url, err := b.RotateDeployHook(ctx, d.Slug)
	mustBe(t, err, true, strings.HasPrefix(url.Reveal(), "https://console.test/hooks/"+d.Slug+"/") && !h.CreatedAt.IsZero())
	again, err := b.DeployHook(ctx, d.Slug)
	mustBe(t, err, h.CreatedAt.Unix(), again.CreatedAt.Unix())
	mustBe(t, b.DeleteDeployHook(ctx, d.Slug), "", "")
	mustBe(t, b.DeleteDeployHook(ctx, d.Slug), "", "")
	_, _, err = b.RotateDeployHook(ctx, "absent")
	mustFail(t, err, berth.ENotFound, "there is no deployment absent, or you are not a member of its project")
}
