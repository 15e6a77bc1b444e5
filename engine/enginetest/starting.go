package enginetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest/program"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const port = 8080

func serving(text string) program.Serve { return program.Serve{Ports: []int{port}, Text: text} }

func startsAndSettles(t *testing.T, f Factory) {
	b := newBench(t, f)
	o := b.settle(t, b.build(f.web("web", serving("hello"))))
	i := only(t, o)
	if i.ID == "" || i.Hash == "" || i.Address == "" || i.StartedAt.IsZero() || i.ReadyAt.IsZero() {
		t.Errorf("something is missing: %+v", i)
	}
	if i.Element != "web" || i.Workload != "app" || i.Slot != 0 || i.Run != 1 {
		t.Errorf("identity = %s/%s slot %d run %d, want web/app slot 0 run 1", i.Element, i.Workload, i.Slot, i.Run)
	}
	if i.State != berth.InstanceRunning || !i.Ready || !i.Wanted || i.Reason != "" {
		t.Errorf("state = %s, ready %v, wanted %v, reason %q", i.State, i.Ready, i.Wanted, i.Reason)
	}
	if o.Core == "" || o.Step != "" {
		t.Errorf("core = %q, step = %q, want an address and nothing", o.Core, o.Step)
	}
}

func notReadyBeforeItListens(t *testing.T, f Factory) {
	b := newBench(t, f)
	slow := serving("hello")
	slow.After = time.Second
	waited := false
	o := b.settle(t, b.build(f.web("web", slow)), func(o engine.Observation) {
		if i, ok := find(o, of("web")); ok && i.State == berth.InstanceRunning && !i.Ready {
			waited = true
			if i.Reason == "" || o.Step == "" || o.Settled {
				t.Errorf("not ready: reason %q, step %q, settled %v", i.Reason, o.Step, o.Settled)
			}
		}
	})
	if !waited {
		t.Error("it never was running without being ready")
	}
	if i := only(t, o); i.ReadyAt.Sub(i.StartedAt) < slow.After-step {
		t.Errorf("ready %s after its start, listens after %s", i.ReadyAt.Sub(i.StartedAt), slow.After)
	}
}

func steadyWithoutPort(t *testing.T, f Factory) {
	b := newBench(t, f)
	i := only(t, b.settle(t, b.build(f.web("worker", program.Serve{}))))
	if lived := i.ReadyAt.Sub(i.StartedAt); lived < f.Steady-step {
		t.Errorf("ready after %s, want %s", lived, f.Steady)
	}
}

// oneOfTwo checks that the element "good" gets ready and "bad" does not.
func oneOfTwo(t *testing.T, f Factory, good, bad engine.Element) {
	t.Helper()
	b := newBench(t, f)
	w := b.build(good, bad)
	both := func(o engine.Observation) bool {
		g, ok1 := find(o, of("good"))
		x, ok2 := find(o, of("bad"))
		return ok1 && ok2 && g.Ready && x.State == berth.InstanceRunning
	}
	b.until(t, w, "good ready and bad running", both)
	b.turns(t, w, func(o engine.Observation) {
		if i, _ := find(o, of("bad")); i.Ready || o.Settled {
			t.Errorf("ready %v, settled %v, though its health fails", i.Ready, o.Settled)
		}
	})
}

func healthCommand(t *testing.T, f Factory) {
	good, bad := f.web("good", serving("")), f.web("bad", serving(""))
	good.Health = &berth.Health{Command: []string{program.Path, "exit", "0"}}
	bad.Health = &berth.Health{Command: []string{program.Path, "exit", "1"}}
	oneOfTwo(t, f, good, bad)
}

func healthPort(t *testing.T, f Factory) {
	two := program.Serve{Ports: []int{port, 9090}}
	good, bad := f.web("good", two), f.web("bad", two)
	good.Health = &berth.Health{Port: 9090}
	bad.Health = &berth.Health{Port: 9191}
	oneOfTwo(t, f, good, bad)
}

func readinessProbe(t *testing.T, f Factory) {
	good, bad := f.web("good", serving("")), f.web("bad", serving(""))
	first(good).ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(port)},
	}}
	first(bad).ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
		Exec: &corev1.ExecAction{Command: []string{program.Path, "exit", "1"}},
	}}
	oneOfTwo(t, f, good, bad)
}

func wrongPort(t *testing.T, f Factory) {
	b := newBench(t, f)
	web := f.web("web", program.Serve{Ports: []int{8081}})
	first(web).Ports[0].ContainerPort = port
	o := b.until(t, b.build(web), "told about the wrong port", func(o engine.Observation) bool {
		i, ok := find(o, of("web"))
		return ok && i.Reason == "WrongPort"
	})
	i := only(t, o)
	if i.Ready || !strings.Contains(i.Message, "8081") || !strings.Contains(i.Message, "8080") {
		t.Errorf("ready %v, message %q, want both ports named", i.Ready, i.Message)
	}
}

func addonsFirst(t *testing.T, f Factory) {
	b := newBench(t, f)
	slow := serving("")
	slow.After = time.Second
	db := element("db", berth.KindAddon, f.statefulSet("db", slow))
	b.settle(t, b.build(db, f.web("web", serving(""))), func(o engine.Observation) {
		if i, _ := find(o, of("db")); !i.Ready {
			if _, early := find(o, of("web")); early {
				t.Error("web has an instance before db is ready")
			}
		}
	})
}

func heldUntilLetGo(t *testing.T, f Factory) {
	b := newBench(t, f)
	db, web := element("db", berth.KindAddon, f.statefulSet("db", serving(""))), f.web("web", serving(""))
	web.Held = true
	held := b.until(t, b.build(db, web), "db ready", func(o engine.Observation) bool {
		i, _ := find(o, of("db"))
		return i.Ready
	}, func(o engine.Observation) {
		if _, early := find(o, of("web")); early || o.Settled {
			t.Errorf("an instance of web %v, settled %v, while it is held", early, o.Settled)
		}
	})
	web.Held = false
	let := b.settle(t, b.build(db, web))
	before, _ := find(held, of("db"))
	if after, _ := find(let, of("db")); after.ID != before.ID {
		t.Error("letting web go replaced db")
	}
}

func initContainers(t *testing.T, f Factory) {
	b := newBench(t, f)
	good, bad := f.web("good", serving("")), f.web("bad", serving(""))
	pod(good).InitContainers = []corev1.Container{
		{Name: "one", Image: f.Image, Command: []string{program.Path, "exit", "0"}},
		{Name: "two", Image: f.Image, Command: []string{program.Path, "exit", "0"}},
	}
	pod(bad).InitContainers = []corev1.Container{
		{Name: "fails", Image: f.Image, Command: []string{program.Path, "exit", "4"}},
	}
	failed := false
	b.until(t, b.build(good, bad), "good ready and bad failed", func(o engine.Observation) bool {
		g, _ := find(o, of("good"))
		return g.Ready && failed
	}, func(o engine.Observation) {
		i, ok := find(o, func(i engine.Instance) bool { return i.Element == "bad" && i.State == berth.InstanceExited })
		if !ok {
			return
		}
		failed = true
		if i.Reason != "InitFailed" || i.ExitCode != 4 || i.Message == "" {
			t.Errorf("reason %q, exit code %d, message %q", i.Reason, i.ExitCode, i.Message)
		}
	})
}

func jobRunsOnce(t *testing.T, f Factory) {
	b := newBench(t, f)
	job := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Name: "migrate"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "main", Image: f.Image, Command: []string{program.Path, "exit", "0"}}},
		}}},
	}
	w := b.build(element("api", berth.KindComponent, job))
	before := only(t, b.settle(t, w))
	if before.Run != 1 || before.ExitCode != 0 {
		t.Errorf("run %d ended with %d", before.Run, before.ExitCode)
	}
	b.turns(t, w, func(o engine.Observation) {
		if i := only(t, o); i.ID != before.ID || !o.Settled {
			t.Errorf("the job ran again: %+v", i)
		}
	})
}

func replicasHaveSlots(t *testing.T, f Factory) {
	b := newBench(t, f)
	scaled := func(n int32) engine.Workload {
		d := f.deployment("app", serving(""))
		d.Spec.Replicas = &n
		return b.build(element("web", berth.KindComponent, d))
	}
	two := b.settle(t, scaled(2))
	slots := map[int]string{}
	for _, i := range two.Instances {
		slots[i.Slot] = i.ID
	}
	if len(two.Instances) != 2 || slots[0] == "" || slots[1] == "" {
		t.Fatalf("slots %v, want 0 and 1", slots)
	}
	if i := only(t, b.settle(t, scaled(1))); i.ID != slots[0] {
		t.Errorf("%s is left, want that of slot 0, %s", i.ID, slots[0])
	}
}

func missingImage(t *testing.T, f Factory) {
	b := newBench(t, f)
	web := f.web("web", serving(""))
	first(web).Image = f.MissingImage
	o := b.until(t, b.build(web), "told about the missing image", func(o engine.Observation) bool {
		i, ok := find(o, of("web"))
		return ok && i.Reason == "ImageMissing"
	})
	if i, _ := find(o, of("web")); i.Ready || o.Settled || !strings.Contains(i.Message, f.MissingImage) {
		t.Errorf("ready %v, settled %v, message %q", i.Ready, o.Settled, i.Message)
	}
}

func unsupportedObject(t *testing.T, f Factory) {
	b := newBench(t, f)
	daemons := &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: metav1.ObjectMeta{Name: "everywhere"},
		Spec:       appsv1.DaemonSetSpec{Template: f.template("everywhere", serving(""))},
	}
	_, err := b.engine.Sync(t.Context(), b.build(element("web", berth.KindComponent, daemons)))
	unsupported := (*engine.Unsupported)(nil)
	if !errors.As(err, &unsupported) {
		t.Fatalf("sync: %v, want *engine.Unsupported", err)
	}
	if !strings.Contains(unsupported.What, "DaemonSet") || !strings.Contains(unsupported.What, "everywhere") {
		t.Errorf("%q does not name the object", unsupported.What)
	}
}

func environment(t *testing.T, f Factory) {
	b := newBench(t, f)
	web := f.web("web", serving(""))
	web.Objects = append(web.Objects,
		&corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "settings"},
			Data: map[string]string{"COLOUR": "green", "FROM_KEY": "key"},
		},
		&corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: "keys"},
			StringData: map[string]string{"PASSWORD": "p4ss"},
		})
	first(web).EnvFrom = []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}},
	}
	first(web).Env = []corev1.EnvVar{
		{Name: "PLAIN", Value: "a b=c"},
		{Name: "COLOUR", Value: "red"},
		{Name: "RENAMED", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "FROM_KEY",
		}}},
	}
	i := only(t, b.settle(t, b.build(web)))
	for name, want := range map[string]string{"PLAIN": "a b=c", "COLOUR": "red", "RENAMED": "key", "FROM_KEY": "key", "PASSWORD": "p4ss"} {
		if got := b.get(t, i.ID, port, "/env/"+name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func secretTokens(t *testing.T, f Factory) {
	if f.Secret == nil {
		t.Skip("the factory has no secrets")
	}
	b := newBench(t, f)
	token := f.Secret(t, "s3cr3t")
	web := f.web("web", serving(""))
	first(web).Env = []corev1.EnvVar{{Name: "URI", Value: "postgres://u:" + token + "@db/x"}}
	i := only(t, b.settle(t, b.build(web)))
	if got := b.get(t, i.ID, port, "/env/URI"); got != "postgres://u:s3cr3t@db/x" {
		t.Errorf("URI = %q inside", got)
	}
	if got := first(web).Env[0].Value; !strings.Contains(got, token) {
		t.Errorf("the engine changed the object it was given: %q", got)
	}
}
