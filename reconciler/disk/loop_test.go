package disk

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// world is a machine with one deployment.
type world struct {
	deployment berth.Deployment
	volumes    []berth.Volume
	used       map[string]int64
	layers     []engine.Layer
	written    int64
	free       int64
	enforces   bool
	limited    int64
	halted     []string
	changed    int
	broken     error
	slow       bool
	now        time.Time
}

func (w *world) View(_ context.Context, fn func(Tx) error) error { return fn(w) }

func (w *world) Deployments(berth.Scope, berth.ID) ([]berth.Deployment, error) {
	return []berth.Deployment{w.deployment}, nil
}

func (w *world) DeploymentByID(_ berth.Scope, id berth.ID) (berth.Deployment, error) {
	if id != w.deployment.ID {
		return berth.Deployment{}, berth.Errorf(berth.ENotFound, "gone")
	}
	return w.deployment, nil
}

func (w *world) Volumes(berth.ID) ([]berth.Volume, error) { return w.volumes, nil }

// stored is the world's volumes as their store.
type stored struct{ *world }

func (s stored) Measure(context.Context, berth.ID) (map[string]int64, error) { return s.used, s.broken }
func (s stored) Enforces() bool                                              { return s.enforces }
func (s stored) Limit(_ context.Context, _ berth.ID, bytes int64) error {
	s.limited = bytes
	return nil
}

func newWorld() *world {
	return &world{
		deployment: berth.Deployment{ID: "d", Slug: "prod-shop", Size: "S"}, free: 50 * gib, now: time.Unix(1000, 0),
		volumes: []berth.Volume{volume("db", "data", mib), volume("", "code", 0)}, used: map[string]int64{},
		layers: []engine.Layer{{Deployment: "d", Element: "web", Instance: "web-1", Path: "/layer"}},
	}
}

func (w *world) loop() *Loop {
	return New(Config{
		Store: w, Volumes: stored{w}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Disks:  func() ([]Space, error) { return []Space{{Path: "/", Free: w.free, Total: 100 * gib}}, nil },
		Layers: func() []engine.Layer { return w.layers },
		MeasureLayer: func(context.Context, string) (int64, error) {
			if w.slow {
				return w.written, context.DeadlineExceeded
			}
			return w.written, nil
		},
		Halt: func(_ context.Context, instance, reason, _ string) error {
			w.halted = append(w.halted, instance+" "+reason)
			return nil
		},
		Changed: func(berth.ID) { w.changed++ },
	})
}

func (w *world) turn(t *testing.T, l *Loop, key berth.ID) {
	t.Helper()
	if _, err := l.Turn(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

func TestAnInstanceOverItsSizeEnds(t *testing.T) {
	w := newWorld()
	l := w.loop()
	w.written = 5 * gib
	w.turn(t, l, Layers)
	if len(w.halted) != 0 {
		t.Errorf("ended %v within its size", w.halted)
	}
	w.written++
	w.turn(t, l, Layers)
	if len(w.halted) != 0 {
		t.Error("measured again at once")
	}
	w.now = w.now.Add(layersEvery)
	w.turn(t, l, Layers)
	if !slices.Equal(w.halted, []string{"web-1 DiskLimit"}) {
		t.Errorf("ended %v", w.halted)
	}
}

func TestAVolumeOverItsSizeIsSaidAndStopsWhenTheDiskRunsOut(t *testing.T) {
	w := newWorld()
	l := w.loop()
	w.used["db/data"] = 2 * mib
	w.turn(t, l, Trees)
	if f, _ := l.Findings("d").Of("db"); f.Message == "" || f.Stop || w.changed != 1 {
		t.Errorf("said %+v, told %d times", f, w.changed)
	}
	if f, said := l.Findings("d").Of("web"); said {
		t.Errorf("said of another element: %+v", f)
	}
	w.free = 9 * gib
	w.turn(t, l, Trees)
	if f, _ := l.Findings("d").Of("db"); !f.Stop || w.changed != 2 {
		t.Errorf("with little room: %+v, told %d times", f, w.changed)
	}
	w.used["db/data"], w.now = mib, w.now.Add(time.Minute)
	w.turn(t, l, Trees)
	if f, said := l.Findings("d").Of("db"); said || w.changed != 3 {
		t.Errorf("after tidying up: %+v, told %d times", f, w.changed)
	}
}

func TestLimitsFollowTheVolumes(t *testing.T) {
	w := newWorld()
	l := w.loop()
	w.turn(t, l, "d")
	if w.limited != 0 {
		t.Error("limits were set in a store that has none")
	}
	w.enforces = true
	w.turn(t, l, "d")
	if w.limited != 5*gib+mib {
		t.Errorf("limited to %s", Bytes(w.limited))
	}
	w.turn(t, l, "gone")
}

func TestKeysAreTheMachinesAndEveryDeployment(t *testing.T) {
	keys, err := newWorld().loop().Keys(t.Context())
	if err != nil || !slices.Equal(keys, []berth.ID{Layers, Trees, "d"}) {
		t.Error(keys, err)
	}
}

func TestWhatCannotBeMeasuredKeepsNobodyBack(t *testing.T) {
	w := newWorld()
	l := w.loop()
	w.used["db/data"] = 2 * mib
	w.turn(t, l, Trees)
	w.broken, w.now = errors.New("gone"), w.now.Add(time.Minute)
	if _, err := l.Turn(t.Context(), Trees); err == nil {
		t.Error("nobody hears of it")
	}
	if f, said := l.Findings("d").Of("db"); !said || w.changed != 1 {
		t.Errorf("what was known is forgotten: %+v, told %d times", f, w.changed)
	}
	w.written, w.slow = 6*gib, true
	w.turn(t, l, Layers)
	if len(w.halted) != 1 {
		t.Errorf("a directory that takes too long to measure passes for empty: ended %v", w.halted)
	}
}
