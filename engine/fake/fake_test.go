package fake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/fake"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// clock is time as a test wants it.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time { return c.now }

func workload(id berth.ID, images ...string) engine.Workload {
	w := engine.Workload{Deployment: id, Kind: berth.KindBuild}
	for _, image := range images {
		w.Elements = append(w.Elements, engine.Element{
			Identifier: image, Kind: berth.KindComponent,
			Objects: []runtime.Object{&appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: "app"},
				Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 80}},
				}}}}},
			}},
		})
	}
	return w
}

// settle syncs and moves the clock as Again says; it gives up after so many turns.
func settle(t *testing.T, e *fake.Engine, c *clock, w engine.Workload) engine.Observation {
	t.Helper()
	for range 50 {
		o, err := e.Sync(t.Context(), w)
		if err != nil {
			t.Fatalf("sync: %v", err)
		}
		if o.Settled {
			return o
		}
		c.now = c.now.Add(max(o.Again, time.Millisecond))
	}
	t.Fatal("not settled after 50 turns")
	return engine.Observation{}
}

func TestVirtualTimeDecidesWhatContainersDo(t *testing.T) {
	c := newClock()
	e := fake.New(fake.Config{Now: c.Now, Images: map[string]fake.Behaviour{
		"slow": {PrepareFor: time.Hour, ReadyAfter: time.Hour},
	}})
	began := c.now
	i := settle(t, e, c, workload("d", "slow")).Instances[0]
	if took := i.ReadyAt.Sub(began); took != 2*time.Hour {
		t.Errorf("ready after %s of virtual time, want 2h", took)
	}
}

func TestImagesAreScripted(t *testing.T) {
	for _, test := range []struct {
		name      string
		behaviour fake.Behaviour
		reason    string
		state     berth.InstanceState
	}{
		{"one that exits at once", fake.Behaviour{Exits: true, ExitCode: 1}, "CrashLoop", berth.InstanceExited},
		{"one that is killed for memory", fake.Behaviour{Exits: true, ExitCode: 137}, "OutOfMemory", berth.InstanceExited},
		{"one that is never ready", fake.Behaviour{NeverReady: true}, "Starting", berth.InstanceRunning},
		{"one that listens elsewhere", fake.Behaviour{Ports: []int{81}}, "WrongPort", berth.InstanceRunning},
		{"one that does not exist", fake.Behaviour{Missing: true}, "ImageMissing", berth.InstanceExited},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			e := fake.New(fake.Config{Now: c.Now, Images: map[string]fake.Behaviour{"x": test.behaviour}})
			if _, err := e.Sync(t.Context(), workload("d", "x")); err != nil {
				t.Fatal(err)
			}
			o, err := e.Sync(t.Context(), workload("d", "x"))
			if err != nil || len(o.Instances) != 1 {
				t.Fatalf("%+v, %v", o, err)
			}
			if i := o.Instances[0]; i.Reason != test.reason || i.State != test.state || i.Ready || o.Settled {
				t.Errorf("state %s, reason %s, ready %v, settled %v", i.State, i.Reason, i.Ready, o.Settled)
			}
		})
	}
}

var errKilled = errors.New("killed here")

// TestServerMayDieAtEveryPoint kills the server once at each point of a whole life, before and after the
// effect, and has another one on the same machine go on.
func TestServerMayDieAtEveryPoint(t *testing.T) {
	for _, point := range fake.Points() {
		for _, when := range []string{"before ", "after "} {
			t.Run(when+point, func(t *testing.T) {
				c, machine := newClock(), fake.NewMachine()
				died := false
				open := func() *fake.Engine {
					return fake.New(fake.Config{Machine: machine, Now: c.Now, Fault: func(at string) error {
						if at == when+point && !died {
							died = true
							return errKilled
						}
						return nil
					}})
				}
				again := func(f func(e *fake.Engine) (done bool, err error)) {
					t.Helper()
					e := open()
					for range 50 {
						switch done, err := f(e); {
						case errors.Is(err, errKilled):
							e = open()
						case err != nil:
							t.Fatal(err)
						case done:
							return
						}
						c.now = c.now.Add(time.Second)
					}
					t.Fatal("not done after 50 turns")
				}
				sync := func(w engine.Workload) func(*fake.Engine) (bool, error) {
					return func(e *fake.Engine) (bool, error) {
						o, err := e.Sync(t.Context(), w)
						return o.Settled && len(o.Instances) == len(w.Elements), err
					}
				}
				again(sync(workload("d", "web", "api")))
				again(sync(workload("d", "web")))
				again(func(e *fake.Engine) (bool, error) {
					_, err := e.Run(t.Context(), engine.Task{Deployment: "d", Name: "clone"})
					return true, err
				})
				again(func(e *fake.Engine) (bool, error) { return e.Remove(t.Context(), "d") })
				if all, err := open().Deployments(t.Context()); err != nil || len(all) != 0 {
					t.Errorf("left behind: %v, %v", all, err)
				}
				if !died {
					t.Errorf("the server never died: nothing passes %s%s", when, point)
				}
			})
		}
	}
}

func TestRebootEndsWhatRan(t *testing.T) {
	c := newClock()
	e := fake.New(fake.Config{Now: c.Now})
	before := settle(t, e, c, workload("d", "web"))
	e.Machine().Reboot(c.now)
	after := settle(t, e, c, workload("d", "web"))
	if after.Instances[0].Run != before.Instances[0].Run+1 {
		t.Errorf("run %d after the reboot, %d before", after.Instances[0].Run, before.Instances[0].Run)
	}
}

func TestReadinessMayBeOverruled(t *testing.T) {
	c := newClock()
	e := fake.New(fake.Config{Now: c.Now})
	id := settle(t, e, c, workload("d", "web")).Instances[0].ID
	no := false
	if err := e.Machine().SetReady(id, &no); err != nil {
		t.Fatal(err)
	}
	if o, err := e.Sync(t.Context(), workload("d", "web")); err != nil || o.Instances[0].Ready || o.Settled {
		t.Errorf("still ready: %+v, %v", o, err)
	}
	if err := e.Machine().SetReady(id, nil); err != nil {
		t.Fatal(err)
	}
	settle(t, e, c, workload("d", "web"))
}

func TestLogsAreKeptBeforeAnInstanceIsRemoved(t *testing.T) {
	c := newClock()
	var kept []string
	e := fake.New(fake.Config{
		Now: c.Now, LogDir: t.TempDir(),
		Images: map[string]fake.Behaviour{"web": {Output: []string{"hello"}}},
		Keep: func(_ context.Context, files []engine.LogFile) error {
			for _, f := range files {
				kept = append(kept, f.Instance.ID+" "+f.Container)
			}
			return nil
		},
	})
	id := settle(t, e, c, workload("d", "web")).Instances[0].ID
	settle(t, e, c, workload("d"))
	if len(kept) != 1 || kept[0] != id+" main" {
		t.Errorf("kept %v, want that of %s", kept, id)
	}
}
