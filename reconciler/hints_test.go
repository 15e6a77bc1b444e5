package reconciler_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler"
	"github.com/berth-dev/berth/sqlite"
)

// TestHintsAloneCarryALife runs the real loops, put together as daemon does it, with a full pass so
// seldom that it never comes: each step has to wake the next one.
func TestHintsAloneCarryALife(t *testing.T) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.close)
	w.start()
	w.settleOthers()
	stop := w.server.run(t)
	defer stop()

	serving := func(commit string) func(tx *sqlite.Tx) (bool, error) {
		return func(tx *sqlite.Tx) (bool, error) {
			r, ok, err := tx.ServingRelease(ours)
			return ok && r.Commit == commit, err
		}
	}
	w.wish(create(berth.KindBuild))
	w.await("the first release serves", serving("main"))
	w.wish(deploy("second"))
	w.await("the second release serves", serving("second"))
	w.wish(desire(berth.DesireDelete))
	w.await("the deployment is gone", func(tx *sqlite.Tx) (bool, error) {
		_, err := tx.DeploymentByID(berth.Everything(), ours)
		if berth.CodeOf(err) == berth.ENotFound {
			return true, nil
		}
		return false, err
	})
}

// run starts the loops and what hints them.
func (s *server) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	releases := &reconciler.Loop{Name: "releases", Keys: s.releases.Keys, Turn: s.releases.Turn, Interrupt: s.releases.Interrupt, Every: time.Hour}
	deployments := &reconciler.Loop{Name: "deployments", Keys: s.deployments.Keys, Turn: s.deployments.Turn, Every: time.Hour, Workers: 2}
	builds := &reconciler.Loop{Name: "builds", Keys: s.builds.Keys, Turn: s.builds.Turn, Interrupt: s.builds.Interrupt, Every: time.Hour}
	var running sync.WaitGroup
	changes, routes, seen := s.store.Subscribe(ctx), s.store.Subscribe(ctx), s.engine.Watch(ctx)
	running.Go(func() {
		for id := range changes {
			releases.Hint(id)
			deployments.Hint(id)
			builds.Hint("")
		}
	})
	running.Go(func() {
		for range routes {
			s.router.refresh()
		}
	})
	running.Go(func() {
		for id := range seen {
			deployments.Hint(id)
		}
	})
	for _, l := range []*reconciler.Loop{releases, deployments, builds} {
		running.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Errorf("run %s: %v", l.Name, err)
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

// await looks at the store after every commit until it is as wanted.
func (w *world) await(what string, is func(tx *sqlite.Tx) (bool, error)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	changes := w.server.store.Subscribe(ctx)
	for {
		done := false
		w.read(func(tx *sqlite.Tx) (err error) { done, err = is(tx); return err })
		if done {
			return
		}
		if _, open := <-changes; !open {
			w.t.Fatalf("waited in vain until %s; last: %q", what, w.last(10))
		}
	}
}
