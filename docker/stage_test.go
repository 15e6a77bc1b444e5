//go:build docker

package docker

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// stage is one deployment on the machine, whose pods run a shell.
type stage struct {
	*Engine
	machine *machine
	id      berth.ID
	image   string
	kind    berth.StageKind
	limits  berth.Limits
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return stageOn(t, newMachine(t))
}

func stageOn(t *testing.T, m *machine) *stage {
	t.Helper()
	e := m.open(t)
	t.Cleanup(func() { m.removeImages(t, e) })
	s := &stage{Engine: e, machine: m, image: busybox(t, e), kind: berth.KindBuild}
	s.deployment(t)
	return s
}

// deployment begins a new deployment, which is removed with t.
func (s *stage) deployment(t *testing.T) berth.ID {
	t.Helper()
	id := berth.NewID()
	s.id = id
	e := s.Engine
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for end := time.Now().Add(waitFor); ; {
			gone, err := e.Remove(ctx, id)
			if gone {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("not gone: %v", err)
			}
		}
	})
	return id
}

// sh is a pod with one container that runs a script.
func (s *stage) sh(script string) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{s.container("main", script)}}
}

func (s *stage) container(name, script string) corev1.Container {
	return corev1.Container{Name: name, Image: s.image, Command: []string{"sh", "-c", script}}
}

// forever ends promptly when it is told to.
const forever = "trap 'exit 0' TERM; while true; do sleep 1 & wait; done"

// serve answers each connection to a port with what a command prints.
func serve(port, command string) string {
	return "trap 'exit 0' TERM; nc -ll -p " + port + " -e " + command + " & wait"
}

// serveLocally answers HTTP on port 8080, to itself only.
const serveLocally = "trap 'exit 0' TERM; httpd -f -p 127.0.0.1:8080 -h /etc & wait"

func (s *stage) element(name string, pod corev1.PodSpec, others ...runtime.Object) engine.Element {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "app"}}
	d.Spec.Template.Labels = map[string]string{"app": name}
	d.Spec.Template.Spec = pod
	return engine.Element{Identifier: name, Kind: berth.KindComponent, Objects: append([]runtime.Object{d}, others...)}
}

// podIn returns the pod that an element runs, to change it.
func podIn(e engine.Element) *corev1.PodSpec {
	return &e.Objects[0].(*appsv1.Deployment).Spec.Template.Spec
}

func (s *stage) workload(elements ...engine.Element) engine.Workload {
	return engine.Workload{
		Deployment: s.id, Slug: "test-guestbook", Kind: s.kind, Limits: s.limits, Elements: elements,
		Drained: func(string) bool { return true },
	}
}

// until calls Sync until ok.
func (s *stage) until(t *testing.T, w engine.Workload, what string, ok func(engine.Observation) bool) engine.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	hints := s.Watch(ctx)
	for {
		o, err := s.Sync(ctx, w)
		if err != nil {
			t.Fatalf("sync: %v", err)
		}
		if ok(o) {
			return o
		}
		select {
		case <-hints:
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("not %s: %+v", what, o)
		}
	}
}

func (s *stage) settle(t *testing.T, elements ...engine.Element) engine.Observation {
	t.Helper()
	return s.until(t, s.workload(elements...), "settled", func(o engine.Observation) bool { return o.Settled })
}

// running brings one pod up and returns its instance.
func (s *stage) running(t *testing.T, pod corev1.PodSpec, others ...runtime.Object) engine.Instance {
	t.Helper()
	w := s.workload(s.element("web", pod, others...))
	o := s.until(t, w, "running", func(o engine.Observation) bool {
		return len(o.Instances) == 1 && o.Instances[0].State == berth.InstanceRunning
	})
	return o.Instances[0]
}

// run runs a script in an instance and returns what it printed.
func (s *stage) run(t *testing.T, instance, script string) (output string, code int) {
	t.Helper()
	var b bytes.Buffer
	code, err := s.Exec(t.Context(), engine.ExecSpec{Instance: instance, Command: []string{"sh", "-c", script}, Stdout: &b, Stderr: &b})
	if err != nil {
		t.Fatalf("exec %q: %v", script, err)
	}
	return strings.TrimSpace(b.String()), code
}

// must is run for scripts that succeed.
func (s *stage) must(t *testing.T, instance, script string) string {
	t.Helper()
	out, code := s.run(t, instance, script)
	if code != 0 {
		t.Fatalf("%q exited with %d: %s", script, code, out)
	}
	return out
}

func ref[T any](v T) *T { return &v }
