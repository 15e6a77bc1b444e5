package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/git"
	"github.com/berth-dev/berth/session"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/vault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the console over a real store, real verbs and real streams, without an engine.
type world struct {
	*httptest.Server
	t       *testing.T
	store   *sqlite.Store
	git     *git.Git
	control *control.Control
	console *Console
	logs    *logSource
	unled   atomic.Bool // requests are not led to what serves yet
}

type storeOf[T any] struct {
	*sqlite.Store
	as func(*sqlite.Tx) T
}

func (s storeOf[T]) View(ctx context.Context, fn func(T) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

func (s storeOf[T]) Update(ctx context.Context, fn func(T) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

// logSource is what containers wrote.
type logSource struct {
	lines []berth.LogLine
	next  chan berth.LogLine
}

func (l *logSource) Read(ctx context.Context, _ berth.ID, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		for _, line := range l.lines {
			if (q.Element == "" || q.Element == line.Element) && !yield(line, nil) {
				return
			}
		}
		for q.Follow {
			select {
			case line := <-l.next:
				if !yield(line, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// newWorld serves over TLS until the test ends.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "berth.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	repositories := git.New(git.Config{Dir: filepath.Join(dir, "git"), Env: map[string]string{"PATH": os.Getenv("PATH"), "HOME": dir}})
	w := &world{t: t, store: store, git: repositories, logs: &logSource{next: make(chan berth.LogLine)}}
	w.control = control.New(control.Config{
		Store: storeOf[control.Tx]{store, func(tx *sqlite.Tx) control.Tx { return tx }}, Vault: keys, Git: repositories, BuildLogs: buildLogs{}, Volumes: disk{}, Mail: inbox{},
		BuildCache: func(context.Context) (berth.BuildCache, error) {
			return berth.BuildCache{UsedBytes: 3 << 30, BudgetBytes: 20 << 30}, nil
		},
		Host: func(label string) (string, string) {
			return label + ".apps.example.com", "https://" + label + ".apps.example.com"
		},
		URLOf:     func(name string) string { return "https://" + name },
		ServerURL: "https://console.test", ConsoleURL: "https://console.test", Version: "test", Domain: "apps.example.com",
		Certificate: func(host string) berth.Certificate {
			return berth.Certificate{Issuer: "Let's Encrypt", State: berth.CertificatePublic, NotAfter: time.Now().Add(80 * 24 * time.Hour)}
		},
		HookURL:       func(path string) string { return "https://console.test/hooks/" + path },
		HookPage:      func(berth.GitURL) string { return "" },
		Led:           func(berth.Release) bool { return !w.unled.Load() },
		DeployHookURL: func(slug, token string) string { return "https://console.test/hooks/" + slug + "/" + token },
		Catalogue: []berth.PackageInfo{
			{Name: "nodejs", Title: "Node.js", Description: "A JavaScript or TypeScript service", Kind: "component", Readme: "# Node.js\n\nRuns `npm start`."},
			{Name: "postgres", Title: "PostgreSQL", Description: "A relational database", Kind: "addon", Readme: "# PostgreSQL\n"},
		},
		CA: func() string { return "PEM" }, Fingerprint: func() string { return "ff" }, Now: time.Now,
	})
	if err := w.control.EnsureOwner(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	streams := session.New(session.Config{Access: w.control, Logs: w.logs, Execer: echoes{},
		Store: storeOf[session.Tx]{store, func(tx *sqlite.Tx) session.Tx { return tx }}})
	w.console, err = New(Config{
		Service: func(c berth.Caller) berth.Service {
			return struct {
				*control.Service
				berth.StreamService
			}{w.control.As(c), streams.As(c)}
		},
		Authenticate: w.control.AuthenticateLogin, LinkOf: w.control.LinkOf, EnterByLink: w.control.EnterByLink,
		LoginByPassword: w.control.LoginByPassword, Logout: w.control.Logout, RoleOn: w.control.RoleOn, Changes: store.Subscribe,
		Guide: os.DirFS("../docs/guide"), CA: func() string { return "PEM" }, Version: "test", Log: slog.New(slog.NewTextHandler(testLog{t}, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !w.console.assets.there() { // what is tested here is not what they hold
		w.console.assets.names["console.js"] = "console.js"
	}
	w.Server = httptest.NewTLSServer(w.console)
	t.Cleanup(func() { w.console.Close(); w.Server.Close() })
	return w
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) { l.t.Logf("%s", p); return len(p), nil }

func (w *world) update(fn func(tx *sqlite.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// person makes somebody with a role on the server.
func (w *world) person(name string, role berth.Role) berth.Caller {
	w.t.Helper()
	p := berth.Person{ID: berth.NewID(), Name: name, Role: role}
	w.update(func(tx *sqlite.Tx) error { return tx.CreatePerson(p) })
	return berth.Caller{Person: p.ID, Name: name, Role: role}
}

func (w *world) owner() berth.Caller {
	w.t.Helper()
	caller, err := w.control.Machine(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return caller
}

// visitor is a browser as far as HTTP goes: cookies, and what it says of where a request comes from.
type visitor struct {
	*world
	client *http.Client
	proof  string
}

func (w *world) stranger() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := w.Client()
	transport := client.Transport.(*http.Transport).Clone()
	w.t.Cleanup(transport.CloseIdleConnections)
	return &visitor{world: w, client: &http.Client{Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visits logs somebody in by a link, as a person does.
func (w *world) visits(caller berth.Caller) *visitor {
	w.t.Helper()
	link, err := w.control.As(caller).CreateLoginLink(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(link.URL.Reveal(), "#")
	v := w.stranger()
	if got := v.send("/enter", url.Values{"link": {fragment}}); got.status != http.StatusSeeOther {
		w.t.Fatalf("log in: %d %s", got.status, got.body)
	}
	page := v.get("/")
	_, after, _ := strings.Cut(page.body, `name="`+formField+`" value="`)
	v.proof, _, _ = strings.Cut(after, `"`)
	return v
}

// streamTime is long enough for the first of a stream.
const streamTime = time.Second

type answer struct {
	status int
	header http.Header
	body   string
}

// do answers with what comes within a time, of what does not end by itself.
func (v *visitor) do(r *http.Request) answer {
	v.t.Helper()
	if strings.HasSuffix(r.URL.Path, "/lines") {
		ctx, cancel := context.WithTimeout(r.Context(), streamTime)
		defer cancel()
		r = r.WithContext(ctx)
	}
	response, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if stream := response.Header.Get("Content-Type") == "text/event-stream"; err != nil && !stream {
		v.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func (v *visitor) request(method, path string, form url.Values) *http.Request {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.URL)
	}
	return r
}

func (v *visitor) get(path string) answer {
	v.t.Helper()
	return v.do(v.request(http.MethodGet, path, nil))
}

// send posts a form as the page that has it would.
func (v *visitor) send(path string, form url.Values) answer {
	v.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	if v.proof != "" && !form.Has(formField) {
		form.Set(formField, v.proof)
	}
	return v.do(v.request(http.MethodPost, path, form))
}

// shop stores a project with deployments in many states, as control and the loops would have.
func (w *world) shop() {
	w.t.Helper()
	now := time.Now().UTC()
	shop := berth.Project{ID: berth.NewID(), Name: "shop", GitURL: "https://github.com/acme/shop.git", DefaultBranch: "main",
		Stages: berth.DefaultStages(), CreatedAt: now.Add(-26 * 24 * time.Hour)}
	docs := berth.Project{ID: berth.NewID(), Name: "handbook", DefaultBranch: "main", Stages: berth.DefaultStages(), CreatedAt: now.Add(-3 * time.Hour)}
	w.update(func(tx *sqlite.Tx) error {
		if err := tx.CreateProject(shop); err != nil {
			return err
		}
		return tx.CreateProject(docs)
	})
	w.commit(shop.ID, map[string]string{"diploi.yaml": "diploiVersion: v1.0\n\ncomponents:\n  - name: Node.js\n    identifier: web\n    package: nodejs\n\naddons:\n  - name: PostgreSQL\n    identifier: db\n    package: postgres\n"})
	w.commit(docs.ID, map[string]string{"package.json": "{}\n"})
	proposed := berth.ProjectFile{Origin: berth.FileProposed, ChangedAt: now, Text: "diploiVersion: v1.0\n\ncomponents:\n  - name: Node.js\n    identifier: web\n    package: nodejs\n",
		Notes: []berth.FileNote{
			{Line: 4, Kind: berth.NoteFound, Element: "web", Text: "a Node.js program: it has a start script", Source: "package.json"},
			{Line: 5, Kind: berth.NoteGuessed, Element: "web", Text: "listens on port 3000, as most do"},
			{Kind: berth.NoteMissing, Element: "web", Text: "reads API_KEY, which nobody gives it", Source: "src/config.js"},
		}}
	w.update(func(tx *sqlite.Tx) error { return tx.PutProjectFile(docs.ID, proposed) })
	w.deployed(shop, "main", "production", berth.PhaseRunning)
	w.deployed(shop, "next", "staging", berth.PhaseStarting)
	w.deployed(shop, "ada", "development", berth.PhaseRunning)
	w.deployed(shop, "spike", "development", berth.PhaseStopped)
	w.deployed(docs, "main", "production", berth.PhaseFailed)
	for i, text := range []string{
		"\x1b[36m➜\x1b[0m  listening on \x1b[1mhttp://0.0.0.0:3000\x1b[0m", "GET /products 200 in 12 ms", "GET /products/42 200 in 8 ms", "cache: 214 entries, 3.1 MB",
		"\x1b[33mwarn\x1b[0m  slow query: SELECT * FROM orders WHERE state = 'open' (412 ms)", "POST /orders 201 in 31 ms", hostile,
		"\x1b[31merror\x1b[0m payment provider answered 502, tried again", "GET /healthz 200 in 1 ms",
	} {
		element := []string{"web", "web", "web", "api", "api", "api", "web", "api", "web"}[i]
		stream := "stdout"
		if element == "api" && i > 6 {
			stream = "stderr"
		}
		w.logs.lines = append(w.logs.lines, berth.LogLine{Time: now.Add(time.Duration(i-20) * time.Second), Element: element, Stream: stream, Text: text})
	}
}

// inbox holds one message that nobody would like to be true.
type inbox struct{}

func (inbox) List(context.Context, berth.ID) ([]berth.Mail, error) {
	return []berth.Mail{{ID: "aaaaaaaaaa", Time: time.Now().Add(-time.Hour), From: "shop@example.com", To: []string{"ada@example.com"}, Subject: "Your order " + hostile, Bytes: 812}}, nil
}

func (i inbox) Read(ctx context.Context, deployment, id berth.ID) (berth.MailText, error) {
	list, err := i.List(ctx, deployment)
	return berth.MailText{Mail: list[0], Headers: []berth.MailHeader{{Name: "Subject", Value: hostile}}, Text: "Thank you.\n" + hostile}, err
}

// disk is a volume store to look at.
type disk struct{ control.Volumes }

func (disk) Storage(context.Context) (berth.Storage, error) {
	return berth.Storage{Kind: berth.StorageBtrfs, Path: "/var/lib/berth/volumes", TotalBytes: 120 << 30, FreeBytes: 71 << 30,
		Why: "the machine's disk copies nothing without copying; a pool of btrfs measured best here"}, nil
}

// echoes is a container whose shell says back what is typed, until exit.
type echoes struct{}

func (echoes) Exec(_ context.Context, x engine.ExecSpec) (int, error) {
	if _, err := io.WriteString(x.Stdout, "\x1b[32mapp@"+x.Instance+"\x1b[0m:~$ "); err != nil {
		return 0, err
	}
	typed := bufio.NewReader(x.Stdin)
	for {
		line, err := typed.ReadString('\r')
		if err != nil {
			return 0, err
		}
		if line == "exit\r" {
			return 7, nil
		}
		if _, err := io.WriteString(x.Stdout, line+"\n"); err != nil {
			return 0, err
		}
	}
}

// commit gives a project a repository with one commit.
func (w *world) commit(project berth.ID, files map[string]string) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-qm", "Begin"}, {"bundle", "create", "-q", "all.bundle", "main"}} {
		cmd := exec.CommandContext(w.t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	bundle, err := os.Open(filepath.Join(dir, "all.bundle"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = bundle.Close() }()
	if err := w.git.Init(w.t.Context(), project); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.git.Import(w.t.Context(), project, bundle); err != nil {
		w.t.Fatal(err)
	}
}

// knownBuild is one of main-shop.
const knownBuild berth.ID = "aaaaaaaaaa"

type buildLogs struct{}

func (buildLogs) OpenBuildLog(berth.ID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("\x1b[34mstep 1/7\x1b[0m FROM node:22-slim\nstep 4/7 RUN npm ci\nadded 214 packages in 3s\n\x1b[32mdone\x1b[0m " + hostile + "\n")), nil
}

const commit = "3f9ad21c0b7e4f5a8d6c1b2e3f4a5b6c7d8e9f01"

// deployed stores one deployment that is in a phase.
func (w *world) deployed(p berth.Project, name, stage string, phase berth.Phase) berth.Deployment {
	w.t.Helper()
	now := time.Now().UTC()
	kind := berth.KindBuild
	if stage == "development" {
		kind = berth.KindDevelopment
	}
	d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Project: p.Name, Name: name, Slug: name + "-" + p.Name, Stage: stage, Kind: kind,
		Branch: "main", Size: "M", Desire: berth.DesireRun, CreatedAt: now.Add(-9 * 24 * time.Hour)}
	if phase == berth.PhaseStopped {
		d.Desire = berth.DesireStop
	}
	hash := "h-web"
	instance := berth.InstanceStatus{ID: "web-7c1d4", Element: "web", Workload: "app", Hash: hash, Run: 1, State: berth.InstanceRunning, Ready: true, Wanted: true, StartedAt: now.Add(-41 * time.Minute)}
	seen := berth.Observed{At: now, Elements: []berth.ElementStatus{
		{Identifier: "web", Kind: berth.KindComponent, Status: berth.Green, Reason: "Ready", Message: "answers on port 3000", Instances: []berth.InstanceStatus{instance}},
		{Identifier: "api", Kind: berth.KindComponent, Status: berth.Green, Reason: "Ready", Message: "answers on port 8080",
			Instances: []berth.InstanceStatus{{ID: "api-22f0a", Element: "api", Workload: "app", Run: 3, State: berth.InstanceRunning, Ready: true, StartedAt: now.Add(-3 * time.Hour)}}},
		{Identifier: "db", Kind: berth.KindAddon, Status: berth.Green, Reason: "Ready", Message: "accepts connections on port 5432",
			Instances: []berth.InstanceStatus{{ID: "db-90be1", Element: "db", Workload: "app", Run: 1, State: berth.InstanceRunning, Ready: true, StartedAt: now.Add(-9 * 24 * time.Hour)}}},
	}, Instances: []berth.InstanceStatus{instance}}
	releases := []berth.Release{
		{State: berth.ReleaseSuperseded, Cause: "created", Commit: "9a0c7714aa21bd94a41e2e13d0ce5a0e4d0aa111", CreatedAt: now.Add(-9 * 24 * time.Hour), StartingAt: now.Add(-9 * 24 * time.Hour), ServingAt: now.Add(-9*24*time.Hour + 74*time.Second)},
		{State: berth.ReleaseServing, Cause: "push", Commit: commit, CreatedAt: now.Add(-42 * time.Minute), StartingAt: now.Add(-41 * time.Minute), ServingAt: now.Add(-41*time.Minute + 9*time.Second), Hashes: map[string]string{"web/app": hash}},
	}
	switch phase {
	case berth.PhaseStarting:
		releases = append(releases, berth.Release{State: berth.ReleaseBuilding, Cause: "push", Commit: "c41d0e88aa", Step: "building web", CreatedAt: now.Add(-25 * time.Second)})
		seen.Elements[1].Status, seen.Elements[1].Reason, seen.Elements[1].Message = berth.Yellow, "Starting", "waits for port 8080 to answer"
		releases[1].State = berth.ReleaseSuperseded
	case berth.PhaseFailed:
		releases = []berth.Release{{State: berth.ReleaseFailed, Cause: "created", Commit: commit, Message: "build web: the Dockerfile's step 4 of 7 failed: RUN npm ci\nnpm error code E404: left-pad@9 is not in the registry", CreatedAt: now.Add(-8 * time.Minute)}}
		seen = berth.Observed{At: now, Elements: []berth.ElementStatus{{Identifier: "web", Kind: berth.KindComponent, Status: berth.Red, Reason: "BuildFailed", Message: "its image could not be built", Instances: []berth.InstanceStatus{}}}}
	case berth.PhaseStopped:
		for i := range seen.Elements {
			seen.Elements[i].Status, seen.Elements[i].Reason, seen.Elements[i].Message, seen.Elements[i].Instances = berth.Grey, "Stopped", "is stopped", nil
		}
		seen.Instances = nil
	}
	w.update(func(tx *sqlite.Tx) error {
		if err := tx.CreateDeployment(d); err != nil {
			return err
		}
		for _, element := range []string{"web", "api"} {
			if err := tx.AddHost(berth.Host{Deployment: d.ID, Element: element, Identifier: "app", Label: element + "-" + d.Slug}); err != nil {
				return err
			}
		}
		for _, v := range []berth.Volume{{Element: "db", Identifier: "data", SizeBytes: 5 << 30, UsedBytes: 1800 << 20}, {Element: "api", Identifier: "uploads", SizeBytes: 1 << 30, UsedBytes: 960 << 20}} {
			v.Deployment = d.ID
			if err := tx.PutVolume(v); err != nil {
				return err
			}
		}
		for _, r := range releases {
			r.ID, r.Deployment = berth.NewID(), d.ID
			r.Elements = []berth.ReleaseElement{{Identifier: "web", Kind: berth.KindComponent, Parameters: []berth.Parameter{
				{Element: "web", Name: "STAGE", Value: stage, Origin: berth.OriginPlatform, ReadOnly: true},
				{Element: "web", Name: "LOG_LEVEL", Value: "info", Origin: berth.OriginDeployment},
				{Element: "web", Name: "DATABASE_URL", Value: "BERTHSECRET-aaaaaaaaaa-1-X", Secret: true, Origin: berth.OriginImport},
			}}, {Identifier: "api", Kind: berth.KindComponent}, {Identifier: "db", Kind: berth.KindAddon}}
			stored, err := tx.CreateRelease(r)
			if err != nil {
				return err
			}
			r.Revision = stored.Revision
			if err := tx.UpdateRelease(r); err != nil {
				return err
			}
			if kind == berth.KindBuild {
				b := berth.Build{ID: berth.NewID(), Project: p.ID, Deployment: d.ID, Release: r.ID, Element: "web", Commit: r.Commit, State: berth.BuildSucceeded,
					CreatedAt: r.CreatedAt, StartedAt: r.CreatedAt.Add(time.Second), EndedAt: r.CreatedAt.Add(38 * time.Second)}
				switch r.State {
				case berth.ReleaseBuilding:
					b.State, b.EndedAt = berth.BuildRunning, time.Time{}
				case berth.ReleaseFailed:
					b.State, b.Message = berth.BuildFailed, r.Message
				}
				if d.Slug == "main-shop" && r.State != berth.ReleaseSuperseded {
					b.ID = knownBuild
				}
				if err := tx.CreateBuild(b); err != nil {
					return err
				}
			}
		}
		if err := tx.PutObserved(d.ID, seen); err != nil {
			return err
		}
		for _, e := range []berth.Event{
			{Kind: "deployment.created", Person: "ada", Message: d.Slug + " was created in stage " + stage},
			{Kind: "release.created", Person: "ada", Message: "release 1 of " + d.Slug + ": created"},
			{Kind: "environment.set", Person: "grace", Element: "web", Message: "LOG_LEVEL of web was set"},
			{Kind: "release.serving", Message: fmt.Sprintf("release %d of %s serves", len(releases), d.Slug)},
		} {
			e.Project, e.Deployment, e.Slug = p.ID, d.ID, d.Slug
			if err := tx.AppendEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	return d
}
