package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/proxy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store that holds what a test put into it.
type memory struct {
	mu          sync.Mutex
	deployments []berth.Deployment
	domains     []berth.Domain
	hosts       []berth.Host
	protected   []berth.Protection
	observed    map[berth.ID]berth.Observed
	releases    map[berth.ID][]berth.Release // newest first, with elements
	unreadable  map[berth.ID]bool            // releases
	down        error
	reads       map[berth.ID]int // of releases with elements
	subscribers []chan berth.ID
}

func newMemory() *memory {
	return &memory{observed: map[berth.ID]berth.Observed{}, releases: map[berth.ID][]berth.Release{}, unreadable: map[berth.ID]bool{}, reads: map[berth.ID]int{}}
}

// change is a transaction: subscribers hear of it afterwards.
func (m *memory) change(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
	for _, s := range m.subscribers {
		select {
		case s <- "":
		default:
		}
	}
}

func (m *memory) View(_ context.Context, fn func(Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	return fn(snapshot{m})
}

func (m *memory) Subscribe(ctx context.Context) <-chan berth.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	hints := make(chan berth.ID, 1)
	m.subscribers = append(m.subscribers, hints)
	return hints
}

type snapshot struct{ *memory }

func (s snapshot) AllDomains() ([]berth.Domain, error) { return slices.Clone(s.domains), nil }

func (s snapshot) AllProtections() ([]berth.Protection, error) {
	return slices.Clone(s.protected), nil
}

func (s snapshot) Deployments(berth.Scope, berth.ID) ([]berth.Deployment, error) {
	return slices.Clone(s.deployments), nil
}
func (s snapshot) AllHosts() ([]berth.Host, error) { return slices.Clone(s.hosts), nil }
func (s snapshot) ObservedAll(berth.Scope) (map[berth.ID]berth.Observed, error) {
	return s.observed, nil
}

func head(r berth.Release) berth.Release { r.Elements = nil; return r }

func (s snapshot) LatestReleases(berth.Scope) (map[berth.ID]berth.Release, error) {
	out := map[berth.ID]berth.Release{}
	for id, list := range s.releases {
		out[id] = head(list[0])
	}
	return out, nil
}

func (s snapshot) ServingReleases(berth.Scope) (map[berth.ID]berth.Release, error) {
	out := map[berth.ID]berth.Release{}
	for id, list := range s.releases {
		for _, r := range list {
			if r.State == berth.ReleaseServing {
				out[id] = head(r)
				break
			}
		}
	}
	return out, nil
}

func (s snapshot) Releases(deployment berth.ID, _ int) (out []berth.Release, err error) {
	for _, r := range s.releases[deployment] {
		out = append(out, head(r))
	}
	return out, nil
}

func (s snapshot) Release(id berth.ID) (berth.Release, error) {
	s.reads[id]++
	if s.unreadable[id] {
		return berth.Release{}, errors.New("the row is damaged")
	}
	for _, list := range s.releases {
		for _, r := range list {
			if r.ID == id {
				return r, nil
			}
		}
	}
	return berth.Release{}, errors.New("no such release")
}

// instances are backends that say their own name, reached by instance id.
type instances struct {
	mu        sync.Mutex
	addresses map[string]string
}

func (i *instances) start(t *testing.T, ids ...string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.addresses == nil {
		i.addresses = map[string]string{}
	}
	for _, id := range ids {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, id) }))
		t.Cleanup(server.Close)
		i.addresses[id] = server.Listener.Addr().String()
	}
}

func (i *instances) Dial(ctx context.Context, instance string, _ int) (net.Conn, error) {
	i.mu.Lock()
	address, ok := i.addresses[instance]
	i.mu.Unlock()
	if !ok {
		return nil, engine.ErrNoInstance
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// world is an Ingress over a store and instances that the test controls.
type world struct {
	*Ingress
	t         *testing.T
	store     *memory
	instances *instances
	proxy     *proxy.Proxy
	dir       string
	clock     time.Time
	records   chan proxy.Record // the first ones
}

func hostName(label string) string { return label + ".berth.localhost" }

func newWorld(t *testing.T) *world {
	t.Helper()
	records := make(chan proxy.Record, 8)
	record := func(r proxy.Record) {
		select {
		case records <- r:
		default:
		}
	}
	w := &world{t: t, store: newMemory(), instances: &instances{}, records: records, proxy: proxy.New(proxy.Config{Record: record}), dir: t.TempDir(),
		clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	t.Cleanup(w.proxy.Close)
	w.Ingress = New(Config{Store: w.store, Dialer: w.instances, Proxy: w.proxy, RunDir: w.dir, HostName: hostName,
		Handlers: map[string]http.Handler{hostName("console"): http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "console") })},
		Now:      func() time.Time { return w.clock }})
	return w
}

func (w *world) refresh() {
	w.t.Helper()
	if err := w.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// get asks the proxy for a host by its label.
func (w *world) get(label string) (int, string) { return w.getHost(hostName(label)) }

func (w *world) getHost(host string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	r.Header.Set("Accept", "application/json")
	recorder := httptest.NewRecorder()
	w.proxy.ServeHTTP(recorder, r)
	return recorder.Code, recorder.Body.String()
}

// The shop: web and api have hosts, postgres only a name.
func shopElements(webLabel, apiLabel string) []berth.ReleaseElement {
	element := func(name, label string, port int) berth.ReleaseElement {
		e := berth.ReleaseElement{Identifier: name, Workloads: map[string]int{"app": 1},
			Services: []berth.ServiceName{{Element: name, Name: "app", Workload: "app"}}}
		if label != "" {
			e.Routes = []berth.Route{{Host: hostName(label), Element: name, Identifier: name, Workload: "app", Port: port}}
		}
		return e
	}
	postgres := element("postgres", "", 0)
	postgres.Services = []berth.ServiceName{{Element: "postgres", Name: "postgres", Workload: "app"}, {Element: "postgres", Name: "replica", Workload: "app"}}
	return []berth.ReleaseElement{postgres, element("web", webLabel, 3000), element("api", apiLabel, 8000)}
}

const (
	shopWeb = "web-main-shop"
	shopAPI = "api-main-shop"
)

func shop(kind berth.StageKind) (berth.Deployment, []berth.Host) {
	d := berth.Deployment{ID: "shop000000", Slug: "main-shop", Kind: kind, Desire: berth.DesireRun}
	return d, []berth.Host{
		{Deployment: d.ID, Element: "web", Identifier: "web", Label: shopWeb},
		{Deployment: d.ID, Element: "api", Identifier: "api", Label: shopAPI},
	}
}

func shopRelease(revision int, state berth.ReleaseState, hashes map[string]string) berth.Release {
	return berth.Release{ID: berth.ID(fmt.Sprintf("release%03d", revision)), Deployment: "shop000000", Revision: revision, State: state,
		StartingAt: time.Unix(1, 0), Elements: shopElements(shopWeb, shopAPI), Hashes: hashes}
}

func hashes(web, api, postgres string) map[string]string {
	return map[string]string{"web/app": web, "api/app": api, "postgres/app": postgres}
}

// instance is "<element>-<hash>", ready and wanted; options change that.
func instance(element, hash, address string, options ...func(*berth.InstanceStatus)) berth.InstanceStatus {
	i := berth.InstanceStatus{ID: element + "-" + hash, Element: element, Workload: "app", Hash: hash, Address: address,
		State: berth.InstanceRunning, Ready: true, Wanted: true}
	for _, option := range options {
		option(&i)
	}
	return i
}

func notReady(i *berth.InstanceStatus) { i.Ready = false }
func unwanted(i *berth.InstanceStatus) { i.Wanted = false }
func exited(i *berth.InstanceStatus)   { i.State, i.Ready = berth.InstanceExited, false }
