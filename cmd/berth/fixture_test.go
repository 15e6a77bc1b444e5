package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what commands print into testdata")

// cli runs command lines against a service made of fields.
type cli struct {
	*app
	service  *fakeService
	out, err *bytes.Buffer
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newCLI(t *testing.T) *cli {
	t.Helper()
	c := &cli{service: newFakeService(), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	c.app = &app{
		in: strings.NewReader(""), out: c.out, err: c.err, env: func(string) string { return "" }, config: t.TempDir(),
		terminal: terminal{password: func() (string, error) { return "typed", nil }},
		now:      func() time.Time { return noon }, poll: time.Millisecond, version: "1.2.3",
		connect: func() (berth.Service, error) { return c.service, nil },
	}
	return c
}

// do runs a command line and returns its exit code.
func (c *cli) do(t *testing.T, args ...string) int {
	t.Helper()
	c.out.Reset()
	c.err.Reset()
	return c.run(t.Context(), args)
}

// golden compares what a command line prints with a file.
func (c *cli) golden(t *testing.T, name string, args ...string) {
	t.Helper()
	if code := c.do(t, args...); code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, c.err)
	}
	got := c.out.String()
	if c.err.Len() > 0 {
		got += "--- stderr\n" + c.err.String()
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%v (-want +got):\n%s", args, diff)
	}
}

func (c *cli) mustFail(t *testing.T, code int, part string, args ...string) {
	t.Helper()
	if got := c.do(t, args...); got != code || !strings.Contains(c.err.String(), part) {
		t.Errorf("%v: exit %d %q, want %d with %q", args, got, c.err, code, part)
	}
	if c.out.Len() > 0 && code == exitFailed {
		t.Errorf("%v: an error printed results: %s", args, c.out)
	}
}

// fakeService is one project with one deployment. What is asked of it is noted.
type fakeService struct {
	origin        berth.OriginState
	berth.Service // nil: what is not below must not be called

	mu      sync.Mutex
	views   []berth.Deployment // what Deployment shows, one after the other; the last stays
	errs    []error            // what Deployment fails with before that
	env     []berth.Parameter
	set     map[string]string
	secrets map[string]berth.Secret
	project string   // whose shared environment was changed
	unset   []string // and what of it
	exec    berth.Exec
	code    int
	created []string
	deleted []string
	bundles [][]byte
	failing error
	claimed bool
	ca      string

	absent   bool   // there is no project yet
	waiting  string // what the next project that is created waits for
	from     string
	file     berth.ProjectFile
	fault    error // of a proposal
	stages   []berth.Deployment
	deployed []string
	written  string
	left     []string // to move
	migrated []berth.StorageKind

	protected []string
	renamed   []string
	domains   []string
}

const commitA, commitB = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

func newFakeService() *fakeService {
	return &fakeService{views: []berth.Deployment{shop()}, env: []berth.Parameter{
		{Element: "web", Name: "PORT", Value: "3000", Origin: berth.OriginPackage},
		{Element: "web", Name: "SESSION", Secret: true, Origin: berth.OriginGenerated},
		{Element: "web", Name: "GREETING", Value: "one\ntwo\x1b[31m", Origin: berth.OriginDeployment},
	}}
}

// shop is a deployment with one of everything.
func shop() berth.Deployment {
	web := berth.InstanceStatus{ID: "i1", Element: "web", State: berth.InstanceRunning, Ready: true, Wanted: true, Run: 1}
	broken := berth.InstanceStatus{ID: "i2", Element: "worker", State: berth.InstanceExited, Wanted: true, Run: 4, ExitCode: 7}
	return berth.Deployment{
		ID: "d", Project: "shop", Name: "web", Slug: "web-shop", Stage: "production", Kind: berth.KindBuild, Branch: "main", Commit: commitA,
		Size: "M", CreatedAt: noon.Add(-3 * time.Hour), Phase: berth.PhaseDegraded, Message: "worker: it exited with code 7",
		Hosts: []berth.Host{{Element: "web", Identifier: "app", URL: "https://web-web-shop.berth.localhost",
			Certificate: berth.Certificate{Issuer: "Berth local CA 1", State: berth.CertificateRefused, Message: "too many\nrequests"}}},
		Elements: []berth.ElementStatus{
			{Identifier: "web", Kind: berth.KindComponent, Status: berth.Green, Reason: "Ready", Message: "ready", Instances: []berth.InstanceStatus{web}},
			{Identifier: "worker", Kind: berth.KindComponent, Status: berth.Red, Reason: "CrashLoop", Message: "it exited with code 7\nlog \x1b]0;evil\a", Instances: []berth.InstanceStatus{broken}},
		},
		Volumes:  []berth.Volume{{Element: "postgres", Identifier: "data", UsedBytes: 5 << 20, SizeBytes: 6 << 30}, {Element: "old", Identifier: "data", UsedBytes: 12, Detached: true}},
		Releases: releases(),
	}
}

func releases() []berth.Release {
	return []berth.Release{
		{Revision: 2, State: berth.ReleaseFailed, Commit: commitB, Cause: "deploy", CreatedAt: noon.Add(-2 * time.Minute), Message: "web: RUN npm ci failed\n  | npm ERR!"},
		{Revision: 1, State: berth.ReleaseServing, Commit: commitA, Cause: "created", CreatedAt: noon.Add(-3 * time.Hour)},
	}
}

func (s *fakeService) Whoami(context.Context) (berth.Whoami, error) {
	return berth.Whoami{Person: "ada", Role: berth.RoleOwner, ServerURL: "https://console.test", ConsoleURL: "https://console.test", Version: "1.2.3", Claimed: s.claimed}, nil
}

func (s *fakeService) CA(context.Context) (string, error) { return s.ca, nil }

func (s *fakeService) CreateLoginLink(_ context.Context, person string) (berth.LoginLink, error) {
	return berth.LoginLink{URL: berth.NewSecret("https://console.test/login#S.F"), Person: "ada", ExpiresAt: noon.Add(15 * time.Minute), Install: "curl http://console.test/install.sh | sh -s -- SUM"}, nil
}

func (s *fakeService) Deployments(context.Context, string) ([]berth.Deployment, error) {
	if s.stages != nil {
		return s.stages, nil
	}
	d := shop()
	d.Elements, d.Volumes, d.Releases = nil, nil, nil
	dev := berth.Deployment{Project: "shop", Name: "dev", Slug: "dev-shop", Stage: "development", Kind: berth.KindDevelopment, Branch: "main",
		Phase: berth.PhasePending, CreatedAt: noon.Add(-5 * time.Second)}
	return []berth.Deployment{dev, d}, nil
}

func (s *fakeService) Deployment(context.Context, string) (berth.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return berth.Deployment{}, err
	}
	d := s.views[0]
	if len(s.views) > 1 {
		s.views = s.views[1:]
	}
	return d, nil
}

func (s *fakeService) CreateDeployment(_ context.Context, project string, n berth.NewDeployment) (berth.Deployment, error) {
	s.created = append(s.created, project+"/"+n.Name)
	s.set = n.Set
	return s.Deployment(context.Background(), "")
}

func (s *fakeService) RestartElement(context.Context, string, string) (berth.Deployment, error) {
	return s.Deployment(context.Background(), "")
}

func (s *fakeService) DeleteDeployment(_ context.Context, ref string) error {
	s.deleted = append(s.deleted, ref)
	return nil
}

func (s *fakeService) Deploy(_ context.Context, ref, commit string) (berth.Release, error) {
	s.deployed = append(s.deployed, ref+" "+commit)
	return releases()[0], s.failing
}

func (s *fakeService) Rebuild(_ context.Context, ref string) (berth.Release, error) {
	s.deployed = append(s.deployed, ref+" anew")
	return releases()[0], s.failing
}

func (s *fakeService) Releases(context.Context, string) ([]berth.Release, error) {
	return releases(), nil
}

func (s *fakeService) Builds(context.Context, string) ([]berth.Build, error) {
	return []berth.Build{
		{ID: "b2", Element: "web", Commit: commitB, State: berth.BuildFailed, CreatedAt: noon.Add(-2 * time.Minute), StartedAt: noon.Add(-2 * time.Minute), EndedAt: noon.Add(-80 * time.Second), Message: "RUN npm ci failed"},
		{ID: "b1", Element: "web", Commit: commitA, State: berth.BuildSucceeded, CreatedAt: noon.Add(-3 * time.Hour)},
	}, nil
}

func (s *fakeService) BuildLog(_ context.Context, _ string, id berth.ID, _ bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("log of " + string(id) + "\n")), nil
}

func (s *fakeService) Environment(context.Context, string, string) ([]berth.Parameter, error) {
	return s.env, nil
}

func (s *fakeService) SetEnvironment(_ context.Context, _, _ string, values map[string]string, secrets map[string]berth.Secret) error {
	s.set, s.secrets = values, secrets
	return nil
}

func (s *fakeService) RevealEnvironment(context.Context, string, string) ([]berth.Parameter, error) {
	revealed := slices.Clone(s.env)
	for i := range revealed {
		if revealed[i].Secret {
			revealed[i].Value = "revealed"
		}
	}
	return revealed, nil
}

func (s *fakeService) SharedEnvironment(context.Context, string) ([]berth.Parameter, error) {
	return []berth.Parameter{{Name: "TOKEN", Secret: true, Origin: berth.OriginShared}}, nil
}

func (s *fakeService) SetSharedEnvironment(_ context.Context, project string, values map[string]string, secrets map[string]berth.Secret) error {
	s.project, s.set, s.secrets = project, values, secrets
	return nil
}

func (s *fakeService) UnsetSharedEnvironment(_ context.Context, project string, names []string) error {
	s.project, s.unset = project, names
	return nil
}

func (s *fakeService) Projects(context.Context) ([]berth.Project, error) {
	return []berth.Project{
		{Name: "far", GitURL: "https://git.test/x.git", DefaultBranch: "trunk", CreatedAt: noon.Add(-72 * time.Hour)},
		{Name: "shop", DefaultBranch: "main", CreatedAt: noon.Add(-time.Minute)},
	}, nil
}

func (s *fakeService) ProjectFile(context.Context, string, string) (berth.ProjectFile, error) {
	return s.file, nil
}

func (s *fakeService) ProposeProjectFile(context.Context, string, string) (berth.ProjectFile, error) {
	return s.file, s.fault
}

func (s *fakeService) SetProjectFile(_ context.Context, _, text string) (berth.ProjectFile, error) {
	s.written = text
	return s.file, s.fault
}

func (s *fakeService) OriginState(context.Context, string) (berth.OriginState, error) {
	return s.origin, nil
}

func (s *fakeService) Project(_ context.Context, name string) (berth.Project, error) {
	if s.absent {
		return berth.Project{}, berth.Errorf(berth.ENotFound, "there is no project %s", name)
	}
	return berth.Project{Name: "shop", GitURL: s.from, DefaultBranch: "main", CreatedAt: noon.Add(-time.Minute), Stages: berth.DefaultStages()}, nil
}

func (s *fakeService) CreateProject(_ context.Context, n berth.NewProject) (berth.Project, error) {
	s.created = append(s.created, n.Name+" "+n.GitURL+" "+n.GitToken.Reveal())
	s.absent = s.absent && n.GitURL == ""
	return berth.Project{Name: n.Name, GitURL: n.GitURL, Access: berth.Access{Waiting: s.waiting, DeployKey: "ssh-ed25519 KEY"}}, nil
}

func (s *fakeService) ImportRepository(_ context.Context, project string, bundle io.Reader) (berth.Project, error) {
	text, err := io.ReadAll(bundle)
	if s.failing != nil {
		return berth.Project{}, s.failing
	}
	s.bundles = append(s.bundles, text)
	return berth.Project{Name: project}, err
}

func (s *fakeService) DeleteProject(_ context.Context, project string) error {
	s.deleted = append(s.deleted, project)
	return nil
}

func (s *fakeService) Logs(_ context.Context, _ string, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		_ = yield(berth.LogLine{Time: noon, Element: "web", Text: "listening"}, nil) &&
			yield(berth.LogLine{Time: noon, Element: "postgres", Text: "ready"}, nil)
	}
}

func (s *fakeService) Exec(_ context.Context, _ string, x berth.Exec) (int, error) {
	s.exec = x
	_, _ = io.WriteString(x.Stdout, "out\n")
	return s.code, s.failing
}

func (s *fakeService) Packages(context.Context) ([]berth.PackageInfo, error) {
	return []berth.PackageInfo{{Name: "nodejs", Kind: "component", Title: "Node.js", Description: "A server in JavaScript"}}, nil
}
