package docker

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func ptr[T any](v T) *T { return &v }

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// simple is a pod with one container that declares port 3000.
func simple() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "main", Image: "app:1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 3000}},
	}}}
}

func deploymentOf(spec corev1.PodSpec) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: named("app")}
	d.Spec.Template.Labels = map[string]string{"app": "web"}
	d.Spec.Template.Spec = spec
	return d
}

func elementOf(objects ...runtime.Object) engine.Element {
	return engine.Element{Identifier: "web", Kind: berth.KindComponent, Objects: objects}
}

func workloadOf(kind berth.StageKind, elements ...engine.Element) engine.Workload {
	return engine.Workload{Deployment: "abcdefghij", Kind: kind, Elements: elements}
}

func onePod(t *testing.T, w engine.Workload) *pod {
	t.Helper()
	pods, err := translate(w)
	if err != nil {
		t.Fatal(err)
	}
	if len(pods) != 1 {
		t.Fatalf("%d pods, want 1", len(pods))
	}
	return pods[0]
}

func TestTranslateControllers(t *testing.T) {
	recreate := deploymentOf(simple())
	recreate.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	three := deploymentOf(simple())
	three.Spec.Replicas = ptr(int32(3))
	set := &appsv1.StatefulSet{ObjectMeta: named("db")}
	set.Spec.Template.Spec = simple()
	job := &batchv1.Job{ObjectMeta: named("migrate")}
	job.Spec.Template.Spec = simple()
	addon := elementOf(set)
	addon.Kind = berth.KindAddon
	for _, test := range []struct {
		name    string
		w       engine.Workload
		key     string
		n       int
		overlap bool
		once    bool
		tier    int
	}{
		{"Deployment", workloadOf(berth.KindBuild, elementOf(deploymentOf(simple()))), "web/app", 1, true, false, 1},
		{"Deployment in development", workloadOf(berth.KindDevelopment, elementOf(deploymentOf(simple()))), "web/app", 1, false, false, 1},
		{"Recreate", workloadOf(berth.KindBuild, elementOf(recreate)), "web/app", 1, false, false, 1},
		{"replicas", workloadOf(berth.KindBuild, elementOf(three)), "web/app", 3, true, false, 1},
		{"StatefulSet of an add-on", workloadOf(berth.KindBuild, addon), "web/db", 1, false, false, 0},
		{"Job", workloadOf(berth.KindBuild, elementOf(job)), "web/migrate", 1, false, true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := onePod(t, test.w)
			if p.key() != test.key || p.Replicas != test.n || p.Overlap != test.overlap || p.Once != test.once || p.Tier != test.tier {
				t.Errorf("key %s, replicas %d, overlap %v, once %v, tier %d", p.key(), p.Replicas, p.Overlap, p.Once, p.Tier)
			}
		})
	}
}

func TestTranslateNothing(t *testing.T) {
	none := deploymentOf(simple())
	none.Spec.Replicas = ptr(int32(0))
	stopped := workloadOf(berth.KindBuild, elementOf(deploymentOf(simple())))
	stopped.Stopped = true
	for name, w := range map[string]engine.Workload{
		"no replicas":   workloadOf(berth.KindBuild, elementOf(none)),
		"no controller": workloadOf(berth.KindBuild, elementOf(&corev1.Service{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.PersistentVolumeClaim{})),
		"stopped":       stopped,
	} {
		if pods, err := translate(w); err != nil || len(pods) != 0 {
			t.Errorf("%s: %d pods, %v", name, len(pods), err)
		}
	}
}

func TestWhatCannotBeHonouredIsNamed(t *testing.T) {
	with := func(change func(*corev1.PodSpec)) runtime.Object {
		spec := simple()
		change(&spec)
		return deploymentOf(spec)
	}
	first := func(change func(*corev1.Container)) runtime.Object {
		return with(func(s *corev1.PodSpec) { change(&s.Containers[0]) })
	}
	for want, object := range map[string]runtime.Object{
		"CronJob nightly":      &batchv1.CronJob{ObjectMeta: named("nightly")},
		"DaemonSet everywhere": &appsv1.DaemonSet{ObjectMeta: named("everywhere")},
		"hostNetwork":          with(func(s *corev1.PodSpec) { s.HostNetwork = true }),
		"hostPID":              with(func(s *corev1.PodSpec) { s.HostPID = true }),
		"hostIPC":              with(func(s *corev1.PodSpec) { s.HostIPC = true }),
		"privileged":           first(func(c *corev1.Container) { c.SecurityContext = &corev1.SecurityContext{Privileged: ptr(true)} }),
		"capability NET_ADMIN": first(func(c *corev1.Container) {
			c.SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}
		}),
		"hostPort 80": first(func(c *corev1.Container) { c.Ports[0].HostPort = 80 }),
		"an image":    first(func(c *corev1.Container) { c.Image = "" }),
		"ConfigMap nowhere": first(func(c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "nowhere"}}}}
		}),
		"fieldRef status.hostIP": first(func(c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}}}
		}),
		"volume gone": first(func(c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{{Name: "gone", MountPath: "/x"}} }),
		`subPath "../../etc"`: with(func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v"}}
			s.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/x", SubPath: "../../etc"}}
		}),
		`path "/data/../etc"`: with(func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data/../etc"}}}}
		}),
		"claim data": with(func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		}),
		"type Socket": with(func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x", Type: ptr(corev1.HostPathSocket)}}}}
		}),
		"kind of volume v": with(func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}}
		}),
		"without containers": with(func(s *corev1.PodSpec) { s.Containers = nil }),
		"postStart":          first(func(c *corev1.Container) { c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{}} }),
	} {
		t.Run(want, func(t *testing.T) {
			_, err := translate(workloadOf(berth.KindBuild, elementOf(object)))
			unsupported := (*engine.Unsupported)(nil)
			if !errors.As(err, &unsupported) || !strings.Contains(unsupported.What, want) {
				t.Errorf("error %v, want *Unsupported with %q", err, want)
			}
			if err != nil && !strings.Contains(err.Error(), "element web") {
				t.Errorf("%q does not name the element", err)
			}
		})
	}
	twice := elementOf(deploymentOf(simple()), deploymentOf(simple()))
	if _, err := translate(workloadOf(berth.KindBuild, twice)); err == nil {
		t.Error("two controllers of one name were accepted")
	}
}

func TestRedirects(t *testing.T) {
	service := func(name string, selector map[string]string, ports ...corev1.ServicePort) *corev1.Service {
		return &corev1.Service{ObjectMeta: named(name), Spec: corev1.ServiceSpec{Selector: selector, Ports: ports}}
	}
	web := map[string]string{"app": "web"}
	for _, test := range []struct {
		name     string
		services []runtime.Object
		want     []redirect
	}{
		{"equal ports need none", []runtime.Object{service("a", web, corev1.ServicePort{Port: 3000})}, nil},
		{"by number", []runtime.Object{service("a", web, corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(3000)})}, []redirect{{"tcp", 80, 3000}}},
		{"by name", []runtime.Object{service("a", web, corev1.ServicePort{Port: 80, TargetPort: intstr.FromString("http")})}, []redirect{{"tcp", 80, 3000}}},
		{"of other pods", []runtime.Object{service("a", map[string]string{"app": "db"}, corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(1)})}, nil},
		{"without a selector", []runtime.Object{service("a", nil, corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(1)})}, nil},
		{"the first of a port wins", []runtime.Object{
			service("a", web, corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(3000)}),
			service("b", web, corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(4000)}, corev1.ServicePort{Port: 53, TargetPort: intstr.FromInt32(5353), Protocol: corev1.ProtocolUDP}),
		}, []redirect{{"tcp", 80, 3000}, {"udp", 53, 5353}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := onePod(t, workloadOf(berth.KindBuild, elementOf(append(test.services, deploymentOf(simple()))...)))
			if diff := cmp.Diff(test.want, p.Redirects); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	probed := simple()
	probed.Containers[0].StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}}
	probed.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ok", Port: intstr.FromInt32(3000), HTTPHeaders: []corev1.HTTPHeader{{Name: "A", Value: "b"}}}},
		PeriodSeconds: 7, TimeoutSeconds: 2, SuccessThreshold: 2, FailureThreshold: 4,
	}
	silent := simple()
	silent.Containers[0].Ports = nil
	second := simple()
	second.InitContainers = []corev1.Container{{Name: "init", Image: "app:1"}}
	for _, test := range []struct {
		name   string
		spec   corev1.PodSpec
		health *berth.Health
		want   []check
	}{
		{"probes come first", probed, &berth.Health{Path: "/health"}, []check{
			{TCP: 3000, Period: 10 * time.Second, Timeout: time.Second, Success: 1, Failure: 3},
			{HTTP: &httpCheck{"http", 3000, "/ok", map[string]string{"A": "b"}}, Period: 7 * time.Second, Timeout: 2 * time.Second, Success: 2, Failure: 4, Again: true},
		}},
		{"then the project's path", simple(), &berth.Health{Path: "/health"}, []check{{HTTP: &httpCheck{"http", 3000, "/health", nil}, Period: 10 * time.Second, Timeout: 5 * time.Second, Success: 1, Failure: 3, Again: true}}},
		{"or command", simple(), &berth.Health{Command: []string{"ok"}}, []check{{Exec: command{"ok"}, Period: 10 * time.Second, Timeout: 10 * time.Second, Success: 1, Failure: 3, Again: true}}},
		{"or port", simple(), &berth.Health{Port: 9}, []check{{TCP: 9, Period: 10 * time.Second, Timeout: 5 * time.Second, Success: 1, Failure: 3, Again: true}}},
		{"then the declared port, after the init containers", second, nil, []check{{Container: 1, TCP: 3000, Period: 30 * time.Second, Timeout: 5 * time.Second, Success: 1, Failure: 3, Again: true}}},
		{"else time", silent, &berth.Health{Timeout: time.Minute}, []check{{RunFor: 5 * time.Second}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := elementOf(deploymentOf(test.spec))
			e.Health = test.health
			if diff := cmp.Diff(test.want, onePod(t, workloadOf(berth.KindBuild, e)).Checks); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHash changes one thing at a time. What a running container shows changes the hash; what it does not, does not.
func TestHash(t *testing.T) {
	config := &corev1.ConfigMap{ObjectMeta: named("settings"), Data: map[string]string{"a": "1"}}
	base := func() (*appsv1.Deployment, engine.Element) {
		spec := simple()
		spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
		d := deploymentOf(spec)
		return d, elementOf(d, config, &corev1.ConfigMap{ObjectMeta: named("unused"), Data: map[string]string{"a": "1"}})
	}
	_, e := base()
	was := onePod(t, workloadOf(berth.KindBuild, e)).Template
	for _, test := range []struct {
		name    string
		change  func(*appsv1.Deployment, *engine.Element)
		changes bool
	}{
		{"nothing", func(*appsv1.Deployment, *engine.Element) {}, false},
		{"replicas", func(d *appsv1.Deployment, _ *engine.Element) { d.Spec.Replicas = ptr(int32(2)) }, false},
		{"strategy", func(d *appsv1.Deployment, _ *engine.Element) {
			d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		}, false},
		{"annotation of the object", func(d *appsv1.Deployment, _ *engine.Element) { d.Annotations = map[string]string{"a": "b"} }, false},
		{"an unused ConfigMap", func(_ *appsv1.Deployment, e *engine.Element) {
			e.Objects[2] = &corev1.ConfigMap{ObjectMeta: named("unused"), Data: map[string]string{"a": "2"}}
		}, false},
		{"a used ConfigMap", func(_ *appsv1.Deployment, e *engine.Element) {
			e.Objects[1] = &corev1.ConfigMap{ObjectMeta: named("settings"), Data: map[string]string{"a": "2"}}
		}, true},
		{"a restart", func(_ *appsv1.Deployment, e *engine.Element) { e.Restarts++ }, true},
		{"a command", func(d *appsv1.Deployment, _ *engine.Element) {
			d.Spec.Template.Spec.Containers[0].Command = []string{"x"}
		}, true},
		{"an image", func(d *appsv1.Deployment, _ *engine.Element) { d.Spec.Template.Spec.Containers[0].Image = "app:2" }, true},
		{"a limit", func(d *appsv1.Deployment, _ *engine.Element) {
			d.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")}
		}, true},
		{"a service port", func(_ *appsv1.Deployment, e *engine.Element) {
			e.Objects = append(e.Objects, &corev1.Service{ObjectMeta: named("app"), Spec: corev1.ServiceSpec{
				Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(3000)}},
			}})
		}, true},
		{"a secret's version", func(d *appsv1.Deployment, _ *engine.Element) {
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: berth.SecretToken("abcdefghij", 2)}}
		}, true},
		{"its health", func(_ *appsv1.Deployment, e *engine.Element) { e.Health = &berth.Health{Port: 1} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, e := base()
			test.change(d, &e)
			is := onePod(t, workloadOf(berth.KindBuild, e)).Template
			if (is != was) != test.changes {
				t.Errorf("changed: %v, want %v", is != was, test.changes)
			}
		})
	}
}

func TestTranslateLeavesItsInputAlone(t *testing.T) {
	d := deploymentOf(simple())
	d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "$(A)"}}
	before := d.DeepCopy()
	onePod(t, workloadOf(berth.KindBuild, elementOf(d)))
	if !reflect.DeepEqual(before, d) {
		t.Error("translate changed the object it was given")
	}
}
