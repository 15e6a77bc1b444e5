package enginetest

import (
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest/program"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// bench is one deployment under test on one engine.
type bench struct {
	f      Factory
	engine engine.Engine
	id     berth.ID

	mu     sync.Mutex
	routed map[string]bool // instances that a proxy would still route to
}

// newBench opens an engine for a deployment of its own, which is removed with t.
func newBench(t *testing.T, f Factory) *bench {
	t.Helper()
	b := &bench{f: f, engine: f.Open(t), id: berth.NewID(), routed: map[string]bool{}}
	t.Cleanup(func() { b.remove(t) })
	return b
}

// reopen goes on with another engine on the same machine, as a server that was started again does. The first
// one comes back for the removal of what is left: the second is closed before that.
func (b *bench) reopen(t *testing.T) {
	t.Helper()
	first := b.engine
	b.engine = b.f.Open(t)
	t.Cleanup(func() { b.engine = first })
}

func (b *bench) remove(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(b.f.Timeout)
	for {
		gone, err := b.engine.Remove(context.WithoutCancel(t.Context()), b.id)
		if err != nil {
			t.Fatalf("remove: %v", err)
		}
		if gone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not gone after %s", b.f.Timeout)
		}
		pause(time.Now().Add(step))
	}
}

// step is the longest time between two looks at something.
const step = 100 * time.Millisecond

func pause(until time.Time) { <-time.After(time.Until(until)) }

// route says that a proxy routes to an instance, or no longer does.
func (b *bench) route(instance string, routed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.routed[instance] = routed
}

func (b *bench) drained(instance string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.routed[instance]
}

// build is a workload of a build stage.
func (b *bench) build(elements ...engine.Element) engine.Workload {
	return engine.Workload{
		Deployment: b.id, Slug: "conformance-" + string(b.id), Kind: berth.KindBuild,
		Elements: elements, Drained: b.drained,
	}
}

// development is a workload of a development stage.
func (b *bench) development(elements ...engine.Element) engine.Workload {
	w := b.build(elements...)
	w.Kind = berth.KindDevelopment
	return w
}

func (b *bench) sync(t *testing.T, w engine.Workload) engine.Observation {
	t.Helper()
	o, err := b.engine.Sync(t.Context(), w)
	if err != nil {
		t.Fatalf("sync: %v", err)
	}
	return o
}

// until calls Sync as the reconciler does until ok says so; look (may be nil) sees every observation.
func (b *bench) until(t *testing.T, w engine.Workload, what string, ok func(engine.Observation) bool, look ...func(engine.Observation)) engine.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), b.f.Timeout)
	defer cancel()
	hints := b.engine.Watch(ctx)
	for {
		o := b.sync(t, w)
		for _, l := range look {
			l(o)
		}
		if ok(o) {
			return o
		}
		again := step
		if o.Again > 0 {
			again = min(again, o.Again)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not %s after %s: %+v", what, b.f.Timeout, o)
		case <-hints:
		case <-time.After(again):
		}
	}
}

func (b *bench) settle(t *testing.T, w engine.Workload, look ...func(engine.Observation)) engine.Observation {
	t.Helper()
	return b.until(t, w, "settled", func(o engine.Observation) bool { return o.Settled }, look...)
}

// turns calls Sync a few times over a little while.
func (b *bench) turns(t *testing.T, w engine.Workload, look func(engine.Observation)) {
	t.Helper()
	for range 5 {
		look(b.sync(t, w))
		pause(time.Now().Add(step))
	}
}

// only returns the one instance there should be.
func only(t *testing.T, o engine.Observation) engine.Instance {
	t.Helper()
	if len(o.Instances) != 1 {
		t.Fatalf("%d instances, want one: %+v", len(o.Instances), o.Instances)
	}
	return o.Instances[0]
}

func find(o engine.Observation, ok func(engine.Instance) bool) (engine.Instance, bool) {
	i := slices.IndexFunc(o.Instances, ok)
	if i < 0 {
		return engine.Instance{}, false
	}
	return o.Instances[i], true
}

func of(element string) func(engine.Instance) bool {
	return func(i engine.Instance) bool { return i.Element == element }
}

func isLive(i engine.Instance) bool { return i.State != berth.InstanceExited }

func live(o engine.Observation) (n int) {
	for _, i := range o.Instances {
		if isLive(i) {
			n++
		}
	}
	return n
}

func ids(o engine.Observation) []string {
	var out []string
	for _, i := range o.Instances {
		out = append(out, i.ID)
	}
	slices.Sort(out)
	return out
}

// dialer returns the engine as a Dialer, or skips the test.
func (b *bench) dialer(t *testing.T) engine.Dialer { return ability[engine.Dialer](t, b.engine) }

// ability returns e as an optional interface, or skips the test.
func ability[T any](t *testing.T, e engine.Engine) T {
	t.Helper()
	a, ok := e.(T)
	if !ok {
		t.Skipf("%T is no %s", e, reflect.TypeFor[T]())
	}
	return a
}

// get fetches a path from an instance through the engine's Dialer.
func (b *bench) get(t *testing.T, instance string, port int, path string) string {
	t.Helper()
	d := b.dialer(t)
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.Dial(ctx, instance, port)
		},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://instance"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return string(body)
}

// element makes an element of one kind from objects.
func element(name string, kind berth.ElementKind, objects ...runtime.Object) engine.Element {
	return engine.Element{Identifier: name, Kind: kind, Objects: objects}
}

// web is a component whose pod runs s and declares s's first port.
func (f Factory) web(name string, s program.Serve) engine.Element {
	return element(name, berth.KindComponent, f.deployment("app", s))
}

func (f Factory) deployment(name string, s program.Serve) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: f.template(name, s),
		},
	}
}

func (f Factory) statefulSet(name string, s program.Serve) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: f.template(name, s),
		},
	}
}

func (f Factory) template(name string, s program.Serve) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{f.container("main", s)}},
	}
}

func (f Factory) container(name string, s program.Serve) corev1.Container {
	c := corev1.Container{Name: name, Image: f.Image, Command: s.Command()}
	if len(s.Ports) > 0 {
		c.Ports = []corev1.ContainerPort{{ContainerPort: int32(s.Ports[0])}}
	}
	return c
}

// pod returns the pod template of a controller object, to change it.
func pod(e engine.Element) *corev1.PodSpec {
	switch o := e.Objects[0].(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec
	}
	panic("enginetest: the element's first object has no pod")
}

func first(e engine.Element) *corev1.Container { return &pod(e).Containers[0] }
