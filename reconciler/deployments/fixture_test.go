package deployments_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/plan"
	"github.com/berth-dev/berth/reconciler/deployments"
	"github.com/berth-dev/berth/sqlite"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop berth.ID = "deployment"

// bench is the loop on a real store and the fake engine, with time by hand. Nothing is routed.
type bench struct {
	*testing.T
	store   *sqlite.Store
	engine  *engineWithFaults
	machine *fake.Machine
	images  map[string]fake.Behaviour
	loop    *deployments.Loop
	config  deployments.Config
	now     time.Time
	did     []string // what a removal did, in order
	fails   map[string]error
	// since and lately are what the instances of an image answered; short: the machine's memory is.
	since, lately map[string][2]uint64
	short         bool
	busy          map[string]bool // instances with requests in flight
}

// engineWithFaults fails when a test says so.
type engineWithFaults struct {
	*fake.Engine
	bench *bench
	syncs int
	slow  int // removals that are not done yet
}

func (e *engineWithFaults) Sync(ctx context.Context, w engine.Workload) (engine.Observation, error) {
	e.syncs++
	if err := e.bench.fails["sync"]; err != nil {
		return engine.Observation{}, err
	}
	return e.Engine.Sync(ctx, w)
}

func (e *engineWithFaults) Remove(ctx context.Context, id berth.ID) (bool, error) {
	if err := e.bench.do("engine"); err != nil {
		return false, err
	}
	if e.slow--; e.slow >= 0 {
		return false, nil
	}
	for {
		if gone, err := e.Engine.Remove(ctx, id); err != nil || gone {
			return gone, err
		}
	}
}

func (b *bench) do(what string) error {
	b.did = append(b.did, what)
	return b.fails[what]
}

// RemoveAll implements deployments.Volumes.
func (b *bench) RemoveAll(context.Context, berth.ID) error { return b.do("volumes") }

func newBench(t *testing.T) *bench { return newBenchOf(t, berth.KindBuild) }

func newBenchOf(t *testing.T, kind berth.StageKind) *bench {
	b := &bench{T: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), images: map[string]fake.Behaviour{}, fails: map[string]error{},
		since: map[string][2]uint64{}, lately: map[string][2]uint64{}}
	now := func() time.Time { return b.now }
	var err error
	if b.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	b.machine = fake.NewMachine()
	b.engine = &engineWithFaults{bench: b, Engine: fake.New(fake.Config{Machine: b.machine, Now: now, Images: b.images,
		Backoff: plan.Backoff{Min: time.Second, Max: time.Minute, Steady: time.Minute}})}
	locks := &keylock.Locks[berth.ID]{}
	b.config = deployments.Config{
		Storage: func(berth.ID, string) (string, bool) { return "", false },
		Store:   storeFor{b.store}, Engine: b.engine, Volumes: b, Drained: func(id string) bool { return !b.busy[id] },
		Standby: time.Minute,
		LastLines: func(_ context.Context, _ berth.ID, instance string, n int) ([]string, error) {
			return []string{"getaddrinfo ENOTFOUND packages.test", "line of " + instance, strings.Repeat("é", 400)}, b.fails["lines"]
		},
		Answered: b.answers(b.since), AnsweredLately: b.answers(b.lately), MemoryIsShort: func() bool { return b.short },
		HostName: func(label string) string { return label + ".berth.test" },
		Forget:   func(context.Context, berth.ID) error { return b.do("files") },
		Deleted:  func(berth.ID) { b.did = append(b.did, "told") },
		Lock:     locks.Lock, Now: now,
	}
	b.restart()
	b.update(func(tx *sqlite.Tx) error {
		if err := tx.CreateProject(berth.Project{ID: "projectaaa", Name: "shop"}); err != nil {
			return err
		}
		return tx.CreateDeployment(berth.Deployment{ID: shop, ProjectID: "projectaaa", Name: "prod", Slug: "prod-shop",
			Kind: kind, Stage: "production", Size: "S", Desire: berth.DesireRun})
	})
	return b
}

// answers looks up what the release that an instance belongs to answered: "1" for the first.
func (b *bench) answers(of map[string][2]uint64) func(string) (uint64, uint64) {
	return func(instance string) (requests, failures uint64) {
		for _, i := range b.observed().Instances {
			if n := of[i.Hash]; i.ID == instance {
				return n[0], n[1]
			}
		}
		return 0, 0
	}
}

// restart gives the loop a new server.
func (b *bench) restart() { b.loop = deployments.New(b.config) }

type storeFor struct{ *sqlite.Store }

func (s storeFor) View(ctx context.Context, fn func(deployments.Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s storeFor) Update(ctx context.Context, fn func(deployments.Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (b *bench) update(fn func(tx *sqlite.Tx) error) {
	b.Helper()
	if err := b.store.Update(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) view(fn func(tx *sqlite.Tx) error) {
	b.Helper()
	if err := b.store.View(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

// release stores a release in a state; with images, it is complete and runs one instance of each.
func (b *bench) release(state berth.ReleaseState, images ...string) (id berth.ID) {
	b.Helper()
	r := berth.Release{ID: berth.NewID(), Deployment: shop, State: state}
	for _, image := range images {
		objects, err := chart.Marshal([]runtime.Object{&appsv1.Deployment{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "app"},
			Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "app", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 80}},
			}}}}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		r.StartingAt = b.now
		r.Elements = append(r.Elements, berth.ReleaseElement{Identifier: image[:3], Kind: berth.KindComponent,
			Objects: objects, Workloads: map[string]int{"app": 1}})
	}
	b.update(func(tx *sqlite.Tx) error { _, err := tx.CreateRelease(r); return err })
	return r.ID
}

func (b *bench) want(desire berth.Desire) {
	b.Helper()
	b.update(func(tx *sqlite.Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), shop)
		if err != nil {
			return err
		}
		d.Desire = desire
		return tx.UpdateDeployment(d)
	})
}

func (b *bench) turn() (again time.Duration, err error) {
	return b.loop.Turn(context.Background(), shop)
}

// run takes turns for a while, each when the last one asked for it.
func (b *bench) run(d time.Duration) {
	b.Helper()
	for end := b.now.Add(d); b.now.Before(end); {
		again, err := b.turn()
		if err != nil {
			b.Fatal(err)
		}
		if again == 0 {
			again = 30 * time.Second // the full pass
		}
		b.now = b.now.Add(again)
	}
}

func (b *bench) state(id berth.ID) (r berth.Release) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) (err error) { r, err = tx.Release(id); return err })
	return r
}

func (b *bench) observed() (o berth.Observed) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) (err error) { o, err = tx.Observed(shop); return err })
	return o
}

// told counts events of a kind.
func (b *bench) told(kind string) (n int) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), "", 0, 0)
		for _, e := range events {
			if e.Kind == kind {
				n++
			}
		}
		return err
	})
	return n
}
