//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask runs a verb of the CLI and returns what it says.
func ask(s *server, args ...string) (string, error) {
	cmd := exec.Command(s.berth(), args...)
	cmd.Env = append(os.Environ(), "BERTH_SOCKET="+s.socket())
	out, err := cmd.Output()
	if err != nil {
		said := err.Error()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			said = strings.TrimSpace(string(exit.Stderr))
		}
		err = fmt.Errorf("berth %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return string(out), err
}

// must is ask where a failure is the test's.
func must(t *testing.T, s *server, args ...string) string {
	t.Helper()
	out, err := ask(s, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually repeats try until it succeeds.
func eventually(t *testing.T, limit time.Duration, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", limit, err)
		}
	}
}

// sql runs a statement in a deployment's database and returns its rows.
func sql(s *server, deployment, statement string) (string, error) {
	out, err := ask(s, "exec", deployment, "postgres", "--", "psql", "-U", "postgres", "-d", "app", "-v", "ON_ERROR_STOP=1", "-Atqc", statement)
	return strings.TrimSpace(out), err
}

// keepsRow fails unless the row that addRow wrote is there.
func keepsRow(s *server, deployment string) error {
	got, err := sql(s, deployment, "SELECT text FROM notes")
	if err == nil && got != "kept" {
		err = fmt.Errorf("the database of %s holds %q", deployment, got)
	}
	return err
}

func addRow(s *server, deployment string) error {
	_, err := sql(s, deployment, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')")
	return err
}

func isRunning(s *server, deployment string) error {
	out, err := ask(s, "show", deployment, "--json")
	if err != nil {
		return err
	}
	var d struct{ Phase, Message string }
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		return err
	}
	if d.Phase != "running" {
		return fmt.Errorf("%s is %s: %s", deployment, d.Phase, d.Message)
	}
	return nil
}

// TestEngine is about what happens to the engine below a server: it is stopped, it comes back, the machine
// loses its power, and a build takes all the memory it can get. It has an engine of its own.
func TestEngine(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.boot()
	m.loadImages()
	m.serve("--build-memory", strconv.Itoa(256<<20))
	must(t, m.server, "project", "create", "app", "--dir", "testdata/app")
	for name, stage := range map[string]string{"prod": "production", "dev": "development"} {
		must(t, m.server, "create", "app", "--name", name, "--stage", stage, "--wait", "--timeout", "5m")
		if err := addRow(m.server, name+"-app"); err != nil {
			t.Fatal(err)
		}
	}
	must(t, m.server, "exec", "dev-app", "web", "--", "sh", "-c", "echo edited >edition.txt")
	must(t, m.server, "exec", "prod-app", "web", "--", "touch", "/tmp/mark")
	whole := func() {
		t.Helper()
		for name, page := range map[string]string{"prod-app": "edition one", "dev-app": "edited"} {
			eventually(t, 2*time.Minute, func() error {
				return errors.Join(isRunning(m.server, name), m.fetch("web-"+name+".berth.localhost", page), keepsRow(m.server, name))
			})
		}
	}
	whole()

	greedyBuild(t, m)
	whole()

	// The engine is stopped and started.
	m.end("dockerd", "TERM")
	if out, err := ask(m.server, "logs", "prod-app", "web"); err == nil || !strings.Contains(err.Error(), "Docker Engine does not answer") {
		t.Errorf("without an engine logs says %q, %v", out, err)
	}
	m.startEngine()
	whole()
	if _, err := ask(m.server, "exec", "prod-app", "web", "--", "ls", "/tmp/mark"); err == nil {
		t.Error("production's container is not a fresh one")
	}

	// The engine is killed while no server runs. Containers live on, and the next engine finds them.
	m.end("berth", "TERM")
	m.end("dockerd", "KILL")
	m.startEngine()
	m.serve()
	whole()

	// The power is cut: everything dies at once, and every mount with it.
	m.cutPower()
	m.boot()
	m.serve()
	whole()

	for _, name := range []string{"prod-app", "dev-app"} {
		must(t, m.server, "delete", name, "--yes", "--wait")
	}
	if out, err := m.run("docker", "ps", "--all", "--quiet"); err != nil || out != "" {
		t.Errorf("after delete the engine holds %q, %v", out, err)
	}
}

// TestKill kills the server with SIGKILL at random moments of creating, deploying, pushing and deleting, and
// expects that the next one makes what was asked true, leaves nothing over and touches nobody's things.
func TestKill(t *testing.T) {
	t.Parallel()
	prepareImages(t)
	k := newKilling(t)
	for n := range rounds(6) {
		k.round(n)
	}
	k.finish()
	k.report.write(t)
}

// killing is TestKill's state.
type killing struct {
	t      *testing.T
	server *server
	client *http.Client
	random *rand.Rand
	report report

	source  string            // the project's directory
	ca      string            // file with the server's authority
	token   string            // with which git pushes
	edition string            // what its newest commit serves
	ids     map[string]string // deployments that were asked for, by slug
	owner   string            // the server's id on the engine's labels
	decoys  []decoy
}

func newKilling(t *testing.T) *killing {
	dir, err := os.MkdirTemp("", "berth-kill-")
	if err != nil {
		t.Fatal(err)
	}
	k := &killing{t: t, source: filepath.Join(dir, "app"), ids: map[string]string{}, edition: "edition one"}
	k.report = newReport("kill", "The server is killed with SIGKILL at random moments of a verb; the next start has to finish it.",
		"verb", "killed after", "and again after", "true after")
	k.random = rand.New(rand.NewPCG(k.report.seed, 0))
	t.Logf("seed %d (BERTH_SEED=%[1]d repeats the moments)", k.report.seed)
	if err := os.CopyFS(k.source, os.DirFS("testdata/app")); err != nil {
		t.Fatal(err)
	}
	if k.server, err = newServer(shared.bin, filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", k.server.tail())
		}
		for _, d := range slices.Backward(k.decoys) { // containers before their image
			if out, err := exec.Command("docker", d.kind, "rm", d.name).CombinedOutput(); err != nil {
				t.Errorf("remove decoy %s: %v\n%s", d.name, err, out)
			}
		}
		err := errors.Join(k.server.ensure(), k.server.deleteEverything(), k.server.stop(syscall.SIGTERM))
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := k.server.start(); err != nil {
		t.Fatal(err)
	}
	must(t, k.server, "project", "create", "app", "--dir", k.source)
	k.client = clientOf(t, k.server)
	k.ca, k.token = filepath.Join(dir, "ca.crt"), strings.TrimSpace(must(t, k.server, "token", "create", "kill"))
	if err := os.WriteFile(k.ca, []byte(must(t, k.server, "ca")), 0o644); err != nil {
		t.Fatal(err)
	}
	return k
}

// clientOf trusts the server's CA and finds every host at its address.
func clientOf(t *testing.T, s *server) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(must(t, s, "ca"))) {
		t.Fatal("berth ca prints no certificate")
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+strconv.Itoa(s.https))
		},
	}}
}

// act is a verb that is killed: what is asked, how long it may take, and when it has come true.
type act struct {
	verb    []string
	ask     func() error // nil: by the command line
	span    time.Duration
	prepare func()
	done    func() error
}

func (k *killing) act(n int) act {
	switch n % 6 {
	case 0:
		return k.create("prod", "production")
	case 1:
		return k.deploy("prod-app")
	case 2:
		return k.push("prod-app")
	case 3:
		return k.create("dev", "development")
	case 4:
		return k.delete("prod-app")
	default:
		return k.delete("dev-app")
	}
}

func (k *killing) create(name, stage string) act {
	slug := name + "-app"
	return act{
		verb: []string{"create", "app", "--name", name, "--stage", stage}, span: 8 * time.Second,
		done: func() error { return errors.Join(isRunning(k.server, slug), k.answers(slug)) },
	}
}

func (k *killing) deploy(slug string) act {
	return act{
		verb: []string{"deploy", slug}, span: 5 * time.Second,
		prepare: func() {
			k.edition = fmt.Sprintf("edition %d", k.random.Uint32())
			if err := os.WriteFile(filepath.Join(k.source, "web", "edition.txt"), []byte(k.edition+"\n"), 0o644); err != nil {
				k.t.Fatal(err)
			}
			must(k.t, k.server, "project", "update", "app", "--dir", k.source)
		},
		done: func() error {
			return errors.Join(isRunning(k.server, slug), k.answers(slug), keepsRow(k.server, slug))
		},
	}
}

// push changes the edition by git alone.
func (k *killing) push(slug string) act {
	work := filepath.Join(filepath.Dir(k.source), "work")
	git := func(args ...string) error {
		cmd := exec.Command("git", append([]string{"-c", "user.name=k", "-c", "user.email=k@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_SSL_CAINFO="+k.ca)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	url := fmt.Sprintf("https://kill:%s@console.berth.localhost:%d/git/app.git", k.token, k.server.https)
	return act{
		verb: []string{"push", slug}, span: 3 * time.Second,
		ask: func() error { return git("-C", work, "push", "--quiet", url, "main") },
		prepare: func() {
			k.edition = fmt.Sprintf("edition %d", k.random.Uint32())
			if err := errors.Join(os.RemoveAll(work), git("clone", "--quiet", url, work),
				os.WriteFile(filepath.Join(work, "web", "edition.txt"), []byte(k.edition+"\n"), 0o644),
				git("-C", work, "commit", "--quiet", "--all", "--message", k.edition)); err != nil {
				k.t.Fatal(err)
			}
		},
		done: k.deploy(slug).done,
	}
}

func (k *killing) delete(slug string) act {
	return act{
		verb: []string{"delete", slug, "--yes"}, span: 1500 * time.Millisecond,
		done: func() error {
			if _, err := ask(k.server, "show", slug); err == nil || !strings.Contains(err.Error(), slug) {
				return fmt.Errorf("%s is still there (%w)", slug, err)
			}
			return k.leftOf(k.ids[slug])
		},
	}
}

// answers expects the newest edition at the deployment's host.
func (k *killing) answers(slug string) error {
	url := fmt.Sprintf("https://web-%s.berth.localhost:%d/", slug, k.server.https)
	r, err := k.client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if got := strings.TrimSpace(string(page)); err == nil && (r.StatusCode != http.StatusOK || got != k.edition) {
		err = fmt.Errorf("%s answers %s: %.80q, not %q", url, r.Status, got, k.edition)
	}
	return err
}

// round asks for something, kills the server meanwhile, often kills the next one too, and waits until what
// was asked is true.
func (k *killing) round(n int) {
	k.t.Helper()
	a := k.act(n)
	if a.prepare != nil {
		a.prepare()
	}
	if a.ask == nil {
		a.ask = func() error { _, err := ask(k.server, a.verb...); return err }
	}
	asked := make(chan error, 1)
	go func() { asked <- a.ask() }()
	first, second := k.kill(a.span), time.Duration(0)
	accepted := <-asked
	if err := k.server.start(); err != nil {
		k.t.Fatal(err)
	}
	if k.random.IntN(2) == 0 {
		second = k.kill(a.span)
		if err := k.server.start(); err != nil {
			k.t.Fatal(err)
		}
	}
	began := time.Now()
	if accepted != nil { // who was not told yes asks again; it may have been done all the same
		if err := a.ask(); err != nil && !strings.Contains(err.Error(), "already") && !strings.Contains(err.Error(), "there is no") {
			k.t.Logf("round %d: asked again after %v: %v", n, accepted, err)
		}
	}
	eventually(k.t, 3*time.Minute, a.done)
	k.report.row(n+1, strings.Join(a.verb, " "), seconds(first), seconds(second), seconds(time.Since(began)))
	k.after(a)
}

// after keeps the books and looks for what nobody owns.
func (k *killing) after(a act) {
	k.t.Helper()
	switch a.verb[0] {
	case "create":
		slug := a.verb[3] + "-app"
		var d struct{ ID string }
		if err := unmarshal([]byte(must(k.t, k.server, "show", slug, "--json")), &d); err != nil {
			k.t.Fatal(err)
		}
		k.ids[slug] = d.ID
		if err := addRow(k.server, slug); err != nil {
			k.t.Fatal(err)
		}
		if k.owner == "" {
			k.owner = labelOf(k.t, d.ID, "sh.berth.server")
			k.decoys = newDecoys(k.t, d.ID)
		}
	case "delete":
		delete(k.ids, a.verb[1])
	}
	eventually(k.t, 30*time.Second, k.orphans)
	for _, d := range k.decoys {
		if err := d.lives(); err != nil {
			k.t.Errorf("after %s: %v", strings.Join(a.verb, " "), err)
		}
	}
}

// orphans are containers and networks of this server that belong to no deployment.
func (k *killing) orphans() error {
	known := map[string]bool{}
	for _, id := range k.ids {
		known[id] = true
	}
	for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		out, err := exec.Command("docker", append(list, "--filter", "label=sh.berth.server="+k.owner,
			"--format", `{{.Label "sh.berth.deployment"}} {{.ID}}`)...).Output()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(out)) {
			if id, _, _ := strings.Cut(line, " "); !known[id] {
				return fmt.Errorf("docker %s has an orphan: %s", list[0], line)
			}
		}
	}
	return nil
}

// leftOf is what is left of a deployment that is gone.
func (k *killing) leftOf(id string) error {
	var failures []error
	for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}} {
		out, err := exec.Command("docker", append(list, "--filter", "label=sh.berth.server="+k.owner, "--filter", "label=sh.berth.deployment="+id)...).Output()
		if err != nil || len(out) > 0 {
			failures = append(failures, fmt.Errorf("docker %s has %q (%w)", list[0], out, err))
		}
	}
	paths := []string{"/sys/class/net/brt" + id}
	for _, dir := range []string{"volumes", "run", "logs"} {
		paths = append(paths, filepath.Join(k.server.data, dir, id))
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/berth/" + id)
	for _, path := range append(paths, groups...) {
		if _, err := os.Stat(path); err == nil {
			failures = append(failures, fmt.Errorf("%s is left over", path))
		}
	}
	return errors.Join(failures...)
}

// finish deletes everything, by request this time, and expects an empty engine.
func (k *killing) finish() {
	k.t.Helper()
	for slug, id := range k.ids {
		must(k.t, k.server, "delete", slug, "--yes", "--wait")
		eventually(k.t, 30*time.Second, func() error { return k.leftOf(id) })
		delete(k.ids, slug)
	}
	eventually(k.t, 30*time.Second, k.orphans)
	eventually(k.t, time.Minute, func() error {
		out, err := exec.Command("docker", "image", "ls", "--quiet", "--filter", "label=sh.berth.build="+k.owner).Output()
		if err == nil && len(out) > 0 {
			err = fmt.Errorf("images of builds are left: %q", out)
		}
		return err
	})
}

// kill waits for a random part of span and kills the server.
func (k *killing) kill(span time.Duration) time.Duration {
	k.t.Helper()
	moment := time.Duration(k.random.Int64N(int64(span)))
	time.Sleep(moment)
	if err := k.server.stop(syscall.SIGKILL); err != nil {
		k.t.Fatal(err)
	}
	return moment
}

func labelOf(t *testing.T, deployment, label string) string {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--filter", "label=sh.berth.deployment="+deployment, "--format", fmt.Sprintf("{{.Label %q}}", label)).Output()
	if err != nil || len(out) == 0 {
		t.Fatalf("no container of %s: %v", deployment, err)
	}
	return strings.Fields(string(out))[0]
}

// decoy is something of others that looks like ours.
type decoy struct {
	kind, name, id string // kind is a noun of the Docker client: container, network, image, volume
}

// foreign is the id of a server that is not there.
const foreign = "zzzzzzzzzz"

// newDecoys makes things whose names and labels are ours in all but the server's id.
func newDecoys(t *testing.T, deployment string) (all []decoy) {
	t.Helper()
	server, owner := "sh.berth.server="+foreign, "sh.berth.deployment="+deployment
	image := "berth/build-" + deployment + ":decoy"
	empty := exec.Command("docker", "import", "--change", "LABEL sh.berth.build="+foreign+" berth.recipe=decoy", "-", image)
	empty.Stdin = strings.NewReader(strings.Repeat("\x00", 1024)) // the end of a tar file
	if out, err := empty.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	labels := []string{"--label", server, "--label", owner, "--label", "sh.berth.role=main", "--label", "sh.berth.element=web"}
	for _, d := range []struct {
		decoy
		args []string
	}{
		{decoy{kind: "image", name: image}, nil},
		{decoy{kind: "container", name: "brt-" + deployment + "-web-app-7-7-app"}, append([]string{"create"}, labels...)},
		{decoy{kind: "container", name: "brt-" + deployment + "x-core"}, []string{"create"}},
		{decoy{kind: "network", name: "brt-" + deployment + "x"}, append([]string{"create", "--internal"}, labels...)},
		{decoy{kind: "volume", name: "brt-" + deployment}, append([]string{"create"}, labels...)},
	} {
		switch d.kind {
		case "image":
		case "container":
			d.args = append(d.args, "--name", d.name, image, "/none")
		default:
			d.args = append(d.args, d.name)
		}
		if d.args != nil {
			if out, err := exec.Command("docker", append([]string{d.kind}, d.args...)...).CombinedOutput(); err != nil {
				t.Fatalf("docker %s: %v\n%s", strings.Join(d.args, " "), err, out)
			}
		}
		var err error
		if d.id, err = d.inspect(); err != nil {
			t.Fatal(err)
		}
		all = append(all, d.decoy)
	}
	return all
}

// inspect returns what changes if somebody makes it anew.
func (d decoy) inspect() (string, error) {
	format := "{{.Id}}"
	if d.kind == "volume" {
		format = "{{.CreatedAt}}"
	}
	out, err := exec.Command("docker", d.kind, "inspect", "--format", format, d.name).Output()
	if err != nil {
		return "", fmt.Errorf("the %s %s of others is gone: %w", d.kind, d.name, err)
	}
	return string(out), nil
}

func (d decoy) lives() error {
	id, err := d.inspect()
	if err == nil && id != d.id {
		err = fmt.Errorf("the %s %s is another one", d.kind, d.name)
	}
	return err
}
