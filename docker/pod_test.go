//go:build docker

package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestPodIsAsItsTemplateSays(t *testing.T) {
	s := newStage(t)
	s.kind = berth.KindDevelopment
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte("the bundle"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.config.CAFile = ca
	s.config.Env = map[string]string{"SSL_CERT_FILE": caTarget, "FROM_IMAGE": "no", "FROM_POD": "no"}
	secret := berth.NewID()
	s.machine.secrets[secret] = "s3cr3t"
	code := filepath.Join(s.config.VolumesDir, string(s.id), "code")

	pod := s.sh(forever)
	pod.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ref(int64(1000)), RunAsGroup: ref(int64(1000))}
	pod.Volumes = []corev1.Volume{
		{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		{Name: "keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys", Items: []corev1.KeyToPath{{Key: "token", Path: "deep/token"}}}}},
		{Name: "code", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: code}}},
	}
	mounts := []corev1.VolumeMount{
		{Name: "scratch", MountPath: "/scratch"},
		{Name: "settings", MountPath: "/etc/one.conf", SubPath: "one.conf"},
		{Name: "keys", MountPath: "/keys"},
		{Name: "code", MountPath: "/app", SubPath: "web"},
	}
	first := s.container("first", "id -u >/scratch/from-init; chmod 666 /scratch/from-init")
	first.VolumeMounts = mounts
	pod.InitContainers = []corev1.Container{first}
	main := &pod.Containers[0]
	main.VolumeMounts, main.WorkingDir = mounts, "/app"
	main.Env = []corev1.EnvVar{
		{Name: "FROM_POD", Value: "yes"},
		{Name: "URI", Value: "x://" + berth.SecretToken(secret, 1) + "@db"},
		{Name: "DERIVED", Value: "$(URI)/$$(HOME)"},
		{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		{Name: "SPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}},
	}
	pod.Containers = append(pod.Containers, s.container("side", serve("9999", "echo from the side")))
	i := s.running(t, pod,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"one.conf": "colour=green"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys"}, StringData: map[string]string{"token": "the " + berth.SecretToken(secret, 1)}},
	)
	n := s.networkOf(t, s.id)
	for script, want := range map[string]string{
		"echo $(id -u):$(id -g)":                            "1000:1000",
		"cat /scratch/from-init":                            "1000",
		"touch /scratch/mine && echo ok":                    "ok",
		"cat /etc/one.conf":                                 "colour=green",
		"cat /keys/deep/token":                              "the s3cr3t",
		"touch /keys/x 2>/dev/null; echo $?":                "1",
		"pwd":                                               "/app",
		"echo $FROM_IMAGE $FROM_POD":                        "yes yes",
		"cat $SSL_CERT_FILE":                                "the bundle",
		"echo $URI $DERIVED":                                "x://s3cr3t@db x://s3cr3t@db/$(HOME)",
		"echo $IP $SPACE":                                   i.Address + " web",
		"hostname":                                          "web-test-guestbook",
		"grep -c ^search.web /etc/resolv.conf":              "1",
		"test -x /.berth/agent && echo there":               "there",
		"nc -w 2 127.0.0.1 9999":                            "from the side",
		"cat /proc/sys/net/ipv4/ip_unprivileged_port_start": "0",
	} {
		if got := s.must(t, i.ID, script); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	if n.core().String() == i.Address {
		t.Error("the instance was given core's address")
	}
	owner := s.find(t, i.ID).owner()
	for format, want := range map[string]string{
		"{{.HostConfig.RestartPolicy.Name}}":                                                 "no",
		"{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config \"max-size\"}}": "json-file 64m",
		"{{.HostConfig.CapDrop}}":                                                            "[CAP_MKNOD CAP_NET_RAW]",
		"{{.HostConfig.Dns}}":                                                                "[" + n.core().String() + "]",
		"{{len .HostConfig.PortBindings}}":                                                   "0",
	} {
		if got := docker(t, "inspect", "--format", format, owner.ID); got != want {
			t.Errorf("%s = %s, want %s", format, got, want)
		}
	}
	if labels := docker(t, "inspect", "--format", "{{json .Config.Labels}}", owner.ID); strings.Contains(labels, "s3cr3t") {
		t.Error("a secret stands in the labels")
	}
	if _, err := os.Stat(filepath.Join(code, "web")); err != nil {
		t.Errorf("the volume's sub-directory: %v", err)
	}

	w := s.workload()
	w.Stopped = true
	s.until(t, w, "stopped", func(o engine.Observation) bool { return o.Settled && len(o.Instances) == 0 })
	if left, err := os.ReadDir(s.instancesDir(s.id)); err != nil || len(left) > 0 {
		t.Errorf("left of the instance: %v, %v", left, err)
	}
	if _, err := os.Stat(code); err != nil {
		t.Errorf("the volume went with the instance: %v", err)
	}
}

func (s *stage) find(t *testing.T, instance string) *observedPod {
	t.Helper()
	p, err := s.findInstance(t.Context(), instance)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServicePortLeadsToTargetPort(t *testing.T) {
	s := newStage(t)
	pod := s.sh(serve("3000", "echo hello"))
	pod.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 3000}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "app"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "web"},
		Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
	}}
	asker := s.element("asker", s.sh(forever))
	o := s.settle(t, s.element("web", pod, service), asker)
	web, from := o.Instances[1], o.Instances[0]
	for _, port := range []int{80, 3000} {
		if got := s.must(t, from.ID, fmt.Sprintf("nc -w 2 %s %d", web.Address, port)); got != "hello" {
			t.Errorf("port %d answers %q", port, got)
		}
	}
	if got := s.must(t, web.ID, "nc -w 2 "+web.Address+" 80"); got != "hello" {
		t.Errorf("its own port 80 answers %q", got)
	}
	conn, err := s.Dial(t.Context(), web.ID, 3000)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	_ = conn.Close()
}

func TestOnlyOwnVolumesAreMounted(t *testing.T) {
	s := newStage(t)
	own := filepath.Join(s.config.VolumesDir, string(s.id), "web", "data")
	other := filepath.Join(s.config.VolumesDir, string(berth.NewID()), "web", "data")
	for _, dir := range []string{own, other} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(own, "planted")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, sub, want string }{
		{"a path of the machine", "/etc", "", "not a volume of this deployment"},
		{"another deployment's volume", other, "", "not a volume of this deployment"},
		{"a planted link", filepath.Join(own, "planted"), "", "symbolic link"},
		{"a sub-path through a planted link", own, "planted/ssl", "symbolic link"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := s.sh(forever)
			pod.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: test.path}}}}
			pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v", SubPath: test.sub}}
			o := s.until(t, s.workload(s.element("web", pod)), "refused", func(o engine.Observation) bool {
				return len(o.Instances) == 1 && o.Instances[0].Reason == "StartFailed"
			})
			if i := o.Instances[0]; !strings.Contains(i.Message, test.want) {
				t.Errorf("message %q, want %q in it", i.Message, test.want)
			}
		})
	}
	if n := len(s.list(t)); n != 1 {
		t.Errorf("%d containers are left, want core only", n)
	}
}

func (s *stage) list(t *testing.T) []containerState {
	t.Helper()
	all, err := s.docker.containers(t.Context(), labelDeployment, string(s.id))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEndsAreExplained(t *testing.T) {
	s := newStage(t)
	s.limits = berth.Limits{MemoryBytes: 64 << 20, MilliCPU: 1000, Processes: 100}
	missing, crash, hungry := s.sh(forever), s.sh("exit 3"), s.sh("tail /dev/zero")
	missing.Containers[0].Command = []string{"/no/such/program"}
	w := s.workload(s.element("missing", missing), s.element("crash", crash), s.element("hungry", hungry))
	seen := map[string]engine.Instance{}
	s.until(t, w, "all explained", func(o engine.Observation) bool {
		for _, i := range o.Instances {
			if i.State == berth.InstanceExited {
				seen[i.Element+"/"+i.Reason] = i
			}
		}
		return seen["missing/StartFailed"].ID != "" && seen["crash/CrashLoop"].ID != "" && seen["hungry/OutOfMemory"].ID != ""
	})
	if m := seen["missing/StartFailed"].Message; !strings.Contains(m, "/no/such/program") {
		t.Errorf("StartFailed says %q", m)
	}
	if i := seen["crash/CrashLoop"]; i.ExitCode != 3 || !strings.Contains(i.Message, "3") {
		t.Errorf("CrashLoop: code %d, %q", i.ExitCode, i.Message)
	}
}

func TestSizeHoldsAndChanges(t *testing.T) {
	s := newStage(t)
	s.limits = berth.Limits{MemoryBytes: 256 << 20, MilliCPU: 1500, Processes: 64}
	i := s.running(t, s.sh(forever))
	value := func(controller, file string) string {
		b, err := os.ReadFile(filepath.Join(s.cgroups.path(s.id, controller), file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	check := func() {
		t.Helper()
		for _, f := range s.cgroups.files(s.limits) {
			if got := value(f.controller, f.name); got != f.value {
				t.Errorf("%s = %s, want %s", f.name, got, f.value)
			}
		}
	}
	check()
	if out, _ := s.run(t, i.ID, "for n in $(seq 80); do sleep 5 & done 2>&1; true"); !strings.Contains(out, "fork") {
		t.Errorf("80 processes of 64 were allowed: %q", out)
	}
	for _, memory := range []int64{512 << 20, 128 << 20} {
		s.limits.MemoryBytes = memory
		if after := s.running(t, s.sh(forever)); after.ID != i.ID {
			t.Error("a new size restarted the instance")
		}
		check()
	}
}

func TestHalfMadeInstanceIsReplaced(t *testing.T) {
	s := newStage(t)
	pod := s.sh(forever)
	pod.Containers = append(pod.Containers, s.container("side", forever))
	w := s.workload(s.element("web", pod))
	before := s.settle(t, w.Elements...).Instances[0]

	t.Run("a container of it was taken away", func(t *testing.T) {
		p := s.find(t, before.ID)
		docker(t, "rm", "--force", p.mains()[1].ID)
		after := s.settle(t, w.Elements...).Instances[0]
		if after.ID == before.ID {
			t.Error("the broken instance lives on")
		}
	})
	t.Run("the server was killed between create and start", func(t *testing.T) {
		pods, err := translate(w)
		if err != nil {
			t.Fatal(err)
		}
		turn := s.turn(t, w)
		if err := turn.want(t.Context(), pods); err != nil {
			t.Fatal(err)
		}
		id := identity{Deployment: s.id, Instance: string(berth.NewID()), Slot: 0, Run: 99}
		if why, err := turn.make(t.Context(), pods[0], id); why != nil || err != nil {
			t.Fatal(why, err)
		}
		made := s.find(t, id.Instance)
		if g := made.progress(); g.State != berth.InstancePreparing {
			t.Fatalf("%+v", g)
		}
		s.settle(t, w.Elements...)
		if n := len(s.list(t)); n != 3 {
			t.Errorf("%d containers, want core and two", n)
		}
	})
	t.Run("the server was killed between two creates", func(t *testing.T) {
		current := s.settle(t, w.Elements...).Instances[0]
		// What is left of a pod of two is one container.
		p := s.find(t, current.ID)
		docker(t, "rm", "--force", p.mains()[0].ID)
		after := s.settle(t, w.Elements...)
		if len(after.Instances) != 1 || after.Instances[0].ID == current.ID {
			t.Errorf("%+v", after.Instances)
		}
		if n := len(s.list(t)); n != 3 {
			t.Errorf("%d containers, want core and two", n)
		}
	})
}

// turn is a Sync as far as its observation.
func (s *stage) turn(t *testing.T, w engine.Workload) *turn {
	t.Helper()
	turn := &turn{engine: s.Engine, workload: w, now: time.Now()}
	if err := turn.surround(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := turn.takeIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestEverythingKilledComesBackInOrder(t *testing.T) {
	s := newStage(t)
	db := s.element("db", s.sh(serve("5432", "echo db")))
	db.Kind = berth.KindAddon
	podIn(db).Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 5432}}
	web := s.element("web", s.sh(forever))
	w := s.workload(web, db)
	w.Elements = []engine.Element{db, web}
	s.settle(t, w.Elements...)
	var ids []string
	for _, c := range s.list(t) {
		ids = append(ids, c.ID)
	}
	docker(t, append([]string{"kill"}, ids...)...)
	again := s.machine.open(t) // a new server finds what the machine's restart left
	s.Engine = again
	s.until(t, w, "settled", func(o engine.Observation) bool {
		at := slices.IndexFunc(o.Instances, func(i engine.Instance) bool {
			return i.Element == "web" && i.State == berth.InstanceRunning
		})
		ready := slices.ContainsFunc(o.Instances, func(i engine.Instance) bool { return i.Element == "db" && i.Ready })
		if at >= 0 && !ready {
			t.Errorf("web runs before db is ready: %+v", o.Instances)
		}
		return o.Settled
	})
	core := slices.IndexFunc(s.list(t), func(c containerState) bool { return c.Labels[labelRole] == roleCore && c.running() })
	if core < 0 {
		t.Error("core does not run")
	}
}

func TestGraceAndPreStop(t *testing.T) {
	s := newStage(t)
	volume := filepath.Join(s.config.VolumesDir, string(s.id), "web", "data")
	p := s.sh("trap 'echo term >>/data/log; exit 0' TERM; while true; do sleep 1 & wait; done")
	p.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: volume}}}}
	p.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	p.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "echo before >>/data/log"}}}}
	stubborn := s.sh("trap '' TERM; while true; do sleep 1; done")
	stubborn.TerminationGracePeriodSeconds = ref(int64(2))
	w := s.workload(s.element("web", p), s.element("stubborn", stubborn))
	s.until(t, w, "both running", func(o engine.Observation) bool {
		return len(o.Instances) == 2 && !slices.ContainsFunc(o.Instances, func(i engine.Instance) bool { return i.State != berth.InstanceRunning })
	})
	w.Elements, w.Stopped = nil, true
	began := time.Now()
	o, err := s.Sync(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 1500*time.Millisecond || len(o.Instances) == 0 {
		t.Errorf("Sync waited %s for the end", took)
	}
	s.until(t, w, "stopped", func(o engine.Observation) bool { return o.Settled })
	if b, _ := os.ReadFile(filepath.Join(volume, "log")); string(b) != "before\nterm\n" {
		t.Errorf("log = %q", b)
	}
}

func TestLogsAreKeptBeforeRemoval(t *testing.T) {
	m := newMachine(t)
	var kept []string
	m.config.Keep = func(_ context.Context, files []engine.LogFile) error {
		for _, f := range files {
			for _, path := range f.Paths {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				kept = append(kept, f.Container+": "+string(b))
			}
		}
		return nil
	}
	s := stageOn(t, m)
	first := s.sh("echo last words; exit 1")
	s.until(t, s.workload(s.element("web", first)), "exited", func(o engine.Observation) bool {
		return len(o.Instances) > 0 && o.Instances[0].State == berth.InstanceExited
	})
	w := s.workload()
	w.Stopped = true
	s.until(t, w, "gone", func(o engine.Observation) bool { return len(o.Instances) == 0 })
	if !slices.ContainsFunc(kept, func(l string) bool { return strings.Contains(l, "main: ") && strings.Contains(l, "last words") }) {
		t.Errorf("kept %q", kept)
	}
}

func TestMemoryOfAContainer(t *testing.T) {
	s := newStage(t)
	p := s.sh(forever)
	p.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")}
	i := s.running(t, p)
	if got := docker(t, "inspect", "--format", "{{.HostConfig.Memory}}", s.find(t, i.ID).owner().ID); got != "33554432" {
		t.Errorf("memory = %s", got)
	}
}
