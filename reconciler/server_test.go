package reconciler_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/plan"
	"github.com/berth-dev/berth/reconciler/builds"
	"github.com/berth-dev/berth/reconciler/deployments"
	"github.com/berth-dev/berth/reconciler/garbage"
	"github.com/berth-dev/berth/reconciler/release"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/vault"
)

// server is everything that dies with the process: the loops and what they remember. It is put together
// as daemon does it, with fakes for the engine, the builder, Git and the images.
type server struct {
	w      *world
	killed chan struct{}

	store  *sqlite.Store
	vault  *vault.Vault
	engine *fake.Engine
	locks  keylock.Locks[berth.ID]
	router router
	woken  map[string]bool // loops by name
	// unrouted says that something was committed that routes may follow from.
	unrouted bool
	passes   bool // a full pass was quiet: the neighbour, whom nothing wakes later, has had its turns

	releases    *release.Loop
	deployments *deployments.Loop
	builds      *builds.Loop
	garbage     *garbage.Loop
}

func newServer(w *world) *server {
	return &server{w: w, killed: make(chan struct{}), woken: map[string]bool{}}
}

func (s *server) close() {
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.w.t.Errorf("close the store: %v", err)
		}
		s.store = nil
	}
}

func (s *server) open() {
	w, ctx := s.w, context.Background()
	var err error
	if s.store, err = sqlite.Open(ctx, w.at("berth.db"), w.Now); err != nil {
		w.t.Errorf("open the store: %v", err)
		return
	}
	if s.vault, err = vault.Open(w.at("key")); err != nil {
		w.t.Errorf("open the vault: %v", err)
		return
	}
	s.engine = fake.New(fake.Config{
		Machine: w.machine, Now: w.Now, Secret: s.secret, Run: s.clone,
		Backoff: plan.Backoff{Min: time.Second, Max: time.Minute, Steady: time.Minute},
		Fault:   func(point string) error { w.pass(point); return nil },
	})
	s.router.server = s
	disk := disk{w.volumes(), w}
	host := func(label string) string { return label + ".berth.test" }
	s.releases = release.New(release.Config{
		Store: storeFor[release.Tx]{s, "releases", func(tx *sqlite.Tx) release.Tx { return tx }},
		Git:   w.repo, Volumes: disk, Images: w.images, Runner: s.engine, Vault: s.vault, Catalogue: packages.FS(),
		Tools: "berth/tools:1", HostName: host, HostURL: func(label string) string { return "https://" + host(label) },
		CloneURL: func(p berth.Project) string { return "https://console.berth.test/git/" + p.Name + ".git" },
		Lock:     s.locks.Lock, Beside: func(work func() error) func() error { return work }, // points come in one order
		Random: rand.Reader, Now: w.Now, Log: discard(),
	})
	s.deployments = deployments.New(deployments.Config{
		Storage: func(berth.ID, string) (string, bool) { return "", false },
		Store:   storeFor[deployments.Tx]{s, "deployments", func(tx *sqlite.Tx) deployments.Tx { return tx }},
		Engine:  s.engine, Volumes: disk, Drained: s.router.drained, HostName: host,
		Standby: 10 * time.Second, Answered: noRequests, AnsweredLately: noRequests, MemoryIsShort: func() bool { return false },
		LastLines: func(context.Context, berth.ID, string, int) ([]string, error) { return nil, nil },
		Forget:    s.forget, Deleted: func(berth.ID) {}, Lock: s.locks.Lock, Now: w.Now, Log: discard(),
	})
	s.builds = builds.New(builds.Config{
		Room:  func() error { return nil },
		Store: storeFor[builds.Tx]{s, "builds", func(tx *sqlite.Tx) builds.Tx { return tx }},
		Git:   w.repo, Builder: builder{w}, Dir: w.at("checkouts"), Secret: s.secretToken, Log: discard(), Now: w.Now,
	})
	s.garbage = garbage.New(garbage.Config{Wanted: s.owners, Keepers: []garbage.Keeper{
		{Name: "containers", Owners: s.ownDeployments, Drop: s.dropFromEngine},
		{Name: "volumes", Owners: s.ownVolumes, Drop: disk.RemoveAll},
	}, Images: s.sweepImages, History: func(context.Context) error { return nil }, Cache: func(context.Context) error { return nil }})
	if err := s.builds.Recover(ctx); err != nil {
		w.t.Errorf("recover builds: %v", err)
	}
}

func noRequests(string) (requests, failures uint64) { return 0, 0 }

// wakes says whose turns a point hints at. A full pass gives a turn to everybody.
func wakes(point string) []string {
	switch point {
	case "commit of a wish":
		return []string{"releases", "builds", "deployments"}
	case "commit of releases":
		return []string{"builds", "deployments"}
	case "commit of builds":
		return []string{"releases"}
	}
	return []string{"deployments"}
}

// round gives one turn to each loop that was hinted at or waited for its time. When there is none, it is
// the full pass of all loops over all keys; garbage comes last, when all else is quiet.
func (s *server) round() (again time.Duration) {
	w, before, full := s.w, s.w.passed(), len(s.woken) == 0
	woken := s.woken
	s.woken = map[string]bool{}
	for _, l := range []struct {
		name string
		keys func(context.Context) ([]berth.ID, error)
		turn func(context.Context, berth.ID) (time.Duration, error)
	}{
		{"releases", s.releases.Keys, s.releases.Turn},
		{"builds", s.builds.Keys, s.builds.Turn},
		{"deployments", s.deployments.Keys, s.deployments.Turn},
		{"garbage", s.garbage.Keys, s.garbage.Turn},
	} {
		if !full && !woken[l.name] || l.name == "garbage" && w.passed() > before {
			continue
		}
		keys, err := []berth.ID{ours}, error(nil)
		if full || l.name == "builds" {
			keys, err = l.keys(context.Background())
		}
		if err != nil {
			w.t.Errorf("keys of %s: %v", l.name, err)
		}
		for _, key := range keys {
			if key == neighbour && s.passes {
				continue
			}
			wait, err := l.turn(context.Background(), key)
			if err != nil {
				w.t.Errorf("turn of %s: %v", l.name, err)
				wait = time.Second
			}
			if wait > 0 {
				s.woken[l.name] = true
				again = cmp.Or(min(again, wait), wait)
			}
		}
	}
	s.passes = s.passes || full && w.passed() == before
	if s.router.applied == nil || s.unrouted {
		routed := s.router.applied
		s.router.refresh()
		s.unrouted = false
		if routed == nil || !maps.Equal(routed, s.router.applied) {
			s.woken["deployments"] = true // what drained may be stopped
		}
	}
	return again
}

// storeFor lends the store to a loop, and names its commits.
type storeFor[T any] struct {
	server *server
	who    string
	as     func(*sqlite.Tx) T
}

func (f storeFor[T]) View(ctx context.Context, fn func(T) error) error {
	return f.server.store.View(ctx, func(tx *sqlite.Tx) error { return fn(f.as(tx)) })
}

func (f storeFor[T]) Update(ctx context.Context, fn func(T) error) error {
	err := f.server.store.Update(ctx, func(tx *sqlite.Tx) error { return fn(f.as(tx)) })
	if err == nil {
		f.server.w.pass("commit of " + f.who)
	}
	return err
}

func (s *server) secret(ctx context.Context, id berth.ID, version int) (value berth.Secret, err error) {
	var sealed []byte
	if err := s.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		sealed, err = tx.Secret(id, version)
		return err
	}); err != nil {
		return berth.Secret{}, err
	}
	return s.vault.Unseal(sealed)
}

func (s *server) secretToken(ctx context.Context, text string) (berth.Secret, error) {
	plain, err := berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		value, err := s.secret(ctx, id, version)
		return value.Reveal(), err
	})
	return berth.NewSecret(plain), err
}

// clone is what the clone task does, in two steps that a kill may come between.
func (s *server) clone(_ context.Context, t engine.Task) (int, error) {
	for dir := range t.Mounts {
		if err := os.WriteFile(dir+"/.git", nil, 0o600); err != nil {
			return 0, err
		}
		s.w.pass("half a clone")
		if err := s.w.repo.writeTree("main", dir); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (s *server) forget(context.Context, berth.ID) error {
	s.w.pass("after forget files")
	return nil
}

func (s *server) owners(ctx context.Context) (map[berth.ID]bool, error) {
	wanted := map[berth.ID]bool{}
	err := s.store.View(ctx, func(tx *sqlite.Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, d := range all {
			wanted[d.ID] = true
		}
		return err
	})
	return wanted, err
}

// ownDeployments leaves out what carries another's label, as real engines do.
func (s *server) ownDeployments(ctx context.Context) (own []berth.ID, err error) {
	all, err := s.engine.Deployments(ctx)
	for _, id := range all {
		if id != foreign {
			own = append(own, id)
		}
	}
	return own, err
}

var errNotGone = errors.New("not gone after many steps")

func (s *server) dropFromEngine(ctx context.Context, id berth.ID) error {
	for range 10 {
		if gone, err := s.engine.Remove(ctx, id); err != nil || gone {
			return err
		}
	}
	return errNotGone
}

func (s *server) ownVolumes(context.Context) (own []berth.ID, err error) {
	for _, name := range s.w.names("volumes") {
		if len(name) == len(berth.NewID()) {
			own = append(own, berth.ID(name))
		}
	}
	return own, nil
}

func (s *server) sweepImages(ctx context.Context) error {
	var wanted []string
	if err := s.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		wanted, err = tx.BuiltImages()
		return err
	}); err != nil {
		return err
	}
	s.w.images.keepOnly(wanted)
	return nil
}

// router is ingress as far as the loops see it: what is routed follows from the store, by the rule that
// all agreed on, and is applied between turns.
type router struct {
	server *server

	mu      sync.Mutex
	applied map[string]bool // instances of ours; nil: nothing has been applied yet
	theirs  map[string]bool // of the neighbour's, whose routes never change
	ours    *routed         // nil: there is none
}

// routed is what a deployment's routes follow from.
type routed struct {
	deployment berth.Deployment
	serving    berth.Release
	serves     bool
}

func (r *router) drained(instance string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied != nil && !r.applied[instance] && !r.theirs[instance]
}

func (r *router) refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = map[string]bool{}
	r.server.w.read(func(tx *sqlite.Tx) (err error) {
		if len(r.theirs) == 0 {
			r.theirs = map[string]bool{}
			if _, err := route(tx, neighbour, r.theirs); err != nil {
				return err
			}
		}
		r.ours, err = route(tx, ours, r.applied)
		return err
	})
}

// route adds the instances of a deployment that something leads to.
func route(tx *sqlite.Tx, id berth.ID, applied map[string]bool) (*routed, error) {
	d, err := tx.DeploymentByID(berth.Everything(), id)
	if berth.CodeOf(err) == berth.ENotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := tx.Observed(id)
	if err != nil {
		return nil, err
	}
	serving, serves, err := tx.ServingRelease(id)
	if err != nil {
		return nil, err
	}
	for _, i := range o.Instances {
		leads := i.Wanted
		if serves && d.Kind == berth.KindBuild {
			leads = serving.Hashes[i.Element+"/"+i.Workload] == i.Hash
		}
		if i.Ready && leads && d.Desire == berth.DesireRun {
			applied[i.ID] = true
		}
	}
	return &routed{d, serving, serves}, nil
}
