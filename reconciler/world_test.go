package reconciler_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/volume"
)

// world is what outlives a server: the machine, the disk, the images, and time. Turns are driven by
// hand, one after another, so that a life passes the same points every time.
type world struct {
	t       reporter
	dir     string
	machine *fake.Machine
	images  *imageStore
	repo    repository

	mu     sync.Mutex
	now    time.Time
	points []string // every point passed so far, in order
	killAt int      // the server dies at this many points; 0: never
	kills  int

	ended   chan struct{} // lets what was killed end with the test
	parked  sync.WaitGroup
	server  *server
	watches []func() // invariants, looked at after every round
}

var birth = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// reporter is what a world needs of *testing.T and of *rapid.T.
type reporter interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newWorld(t reporter, dir string) *world {
	w := &world{t: t, dir: dir, machine: fake.NewMachine(), images: newImageStore(),
		repo: repository{}, now: birth, ended: make(chan struct{})}
	copyTemplate(t, w.dir)
	return w
}

// close lets what was killed end.
func (w *world) close() {
	if w.server != nil {
		w.server.close()
	}
	close(w.ended)
	w.parked.Wait()
}

func (w *world) at(name string) string { return filepath.Join(w.dir, name) }

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) passed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.points)
}

// pass is called at every named point. Where the server is to die, it does not return: like a killed
// process, nothing after the point happens, no deferred call included.
func (w *world) pass(point string) {
	w.mu.Lock()
	w.points = append(w.points, point)
	dies := len(w.points) == w.killAt
	if dies {
		w.kills++
	}
	server := w.server
	for _, loop := range wakes(point) {
		server.woken[loop] = true
	}
	if point == "commit of a wish" || point == "commit of deployments" {
		server.unrouted = true
	}
	w.mu.Unlock()
	if !dies {
		return
	}
	close(server.killed)
	<-w.ended
	runtime.Goexit()
}

// alive runs f as the server and reports whether it came to its end: false when the server died.
func (w *world) alive(f func(s *server)) bool {
	s, done := w.server, make(chan struct{})
	w.parked.Go(func() {
		defer close(done)
		f(s)
	})
	select {
	case <-done:
		return true
	case <-s.killed:
		return false
	}
}

// start starts a server on what is there; one that dies while it starts is started again.
func (w *world) start() {
	w.t.Helper()
	for {
		if w.server != nil {
			w.server.close()
		}
		w.server = newServer(w)
		if w.alive((*server).open) {
			return
		}
	}
}

// round gives every loop's keys a turn. It returns when somebody wants another one; zero: nobody does.
func (w *world) round() (again time.Duration) {
	w.t.Helper()
	before := w.passed()
	if !w.alive(func(s *server) { again = s.round() }) {
		w.start()
		again = time.Millisecond
	}
	if w.passed() > before {
		for _, watch := range w.watches {
			watch()
		}
	}
	return again
}

// settle goes on until nobody waits for anything and a full pass changes nothing.
func (w *world) settle() {
	w.t.Helper()
	for range 300 {
		before, full := w.passed(), len(w.server.woken) == 0
		again := w.round()
		if full && w.passed() == before && again == 0 {
			return
		}
		w.advance(max(again, time.Millisecond))
	}
	w.t.Fatalf("not settled after 300 rounds; last: %q", w.last(20))
}

func (w *world) last(n int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.points[max(0, len(w.points)-n):]
}

// wish commits what a person asks for. The server may die right after.
func (w *world) wish(what func(tx *sqlite.Tx) error) {
	w.t.Helper()
	if !w.alive(func(s *server) {
		if err := s.store.Update(context.Background(), what); err != nil {
			w.t.Errorf("wish: %v", err)
		}
		w.pass("commit of a wish")
	}) {
		w.start()
	}
}

// read looks into the store.
func (w *world) read(what func(tx *sqlite.Tx) error) {
	w.t.Helper()
	if err := w.server.store.View(context.Background(), what); err != nil {
		w.t.Errorf("read the store: %v", err)
	}
}

func (w *world) volumes() *volume.Volumes { return volume.New(w.at("volumes")) }

// engine looks at the machine as another server would.
func (w *world) engine() *fake.Engine {
	return fake.New(fake.Config{Machine: w.machine, Now: w.Now, LogDir: w.dir})
}

// running lists what was started on the machine for a deployment, by instance.
func (w *world) running(id berth.ID) map[string]instance {
	w.t.Helper()
	files, err := w.engine().LogFiles(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]instance{}
	for _, f := range files {
		out[f.Instance.ID] = instance{f.Instance.Element + "/" + f.Instance.Workload, f.Instance.Hash, f.Instance.Ready}
	}
	return out
}

type instance struct {
	key, hash string
	ready     bool
}

// names lists a directory; one that does not exist is empty.
func (w *world) names(dir string) (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(w.at(dir))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// template is a database with a project and a neighbour that serves, made once: every world begins with it.
var template = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "berth-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "berth.db"), func() time.Time { return birth })
	if err != nil {
		return nil, err
	}
	if err := store.Update(ctx, createNeighbour); err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	db, err := os.ReadFile(filepath.Join(dir, "berth.db"))
	return map[string][]byte{"berth.db": db}, err
})

func copyTemplate(t reporter, dir string) {
	t.Helper()
	files, err := template()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Of others, beside ours.
	if err := os.MkdirAll(filepath.Join(dir, "volumes", fmt.Sprint(foreign)+"-of-others"), 0o755); err != nil {
		t.Fatal(err)
	}
}
