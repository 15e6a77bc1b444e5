package chart

import (
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// fixture reads a hand-written chart in the shape of the public ones.
func fixture(t testing.TB, name string) map[string][]byte {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	return files
}

// web is an element of the new host generation, in production.
func web(files map[string][]byte) Input {
	return Input{
		Files: files, Element: "web", Kind: berth.KindBuild,
		ClaimPath: func(name string, _ int64) string { return "/volumes/claims/" + name },
		Values: Values{
			Enabled: true, Stage: "production", Identifier: "web", Folder: "/web",
			Images:    map[string]string{"app": "sha256:abc"},
			Hosts:     map[string]string{"app": "web.example.com"},
			Endpoints: []Endpoint{{Identifier: "app", URL: "web.example.com", ServiceName: "app", Port: 3000}},
			Ports:     []Port{{Identifier: "app", Port: 3000, ServiceName: "app"}},
			Env:       []Variable{{"A", "1"}, {"PORT", "9000"}, {"B", `two "words"`}},
			Storage:   map[string]string{"data": "/volumes/web/data"},
		},
	}
}

// inDevelopment changes an input to a development deployment with its working tree.
func inDevelopment(in Input) Input {
	in.Kind, in.Values.Stage, in.Code = berth.KindDevelopment, "development", "/volumes/code"
	return in
}

func render(t testing.TB, in Input) Rendered {
	t.Helper()
	out, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// find returns the object of type T with a name.
func find[T runtime.Object](t testing.TB, out Rendered, name string) T {
	t.Helper()
	for _, o := range out.Objects {
		if o, ok := o.(T); ok && nameOf(o) == name {
			return o
		}
	}
	t.Fatalf("no %T %s among %d objects", *new(T), name, len(out.Objects))
	panic("unreachable")
}

func wantNoWarnings(t testing.TB, out Rendered) {
	t.Helper()
	if len(out.Warnings) > 0 {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEveryFixtureRendersAsHelmRendersIt(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, name := range names {
		files := fixture(t, filepath.Base(name[:len(name)-len(".txtar")]))
		for _, in := range []Input{web(files), inDevelopment(web(files))} {
			requireHelmsText(t, in)
			render(t, in)
		}
	}
}

func TestNewHostGeneration(t *testing.T) {
	in := web(fixture(t, "new-hosts"))
	out := render(t, in)
	wantNoWarnings(t, out)
	equal(t, "routes", out.Routes, []berth.Route{{Host: "web.example.com", Element: "web", Identifier: "app", Workload: "app", Port: 3000}})
	equal(t, "services", out.Services, []berth.ServiceName{{Element: "web", Name: "app", Workload: "app", Ports: []berth.ServicePort{{Port: 3000, Target: 3000}}}})
	equal(t, "workloads", out.Workloads, map[string]int{"app": 1})
	spec := find[*appsv1.Deployment](t, out, "app").Spec.Template.Spec
	equal(t, "pull secrets", spec.ImagePullSecrets, nil)
	equal(t, "env", spec.Containers[0].Env, []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "PORT", Value: "9000"}, {Name: "B", Value: `two "words"`}, {Name: "APP_PUBLIC_URL", Value: "web.example.com"}})

	out = render(t, inDevelopment(in))
	spec = find[*appsv1.StatefulSet](t, out, "app").Spec.Template.Spec
	equal(t, "code volume", spec.Volumes, []corev1.Volume{{Name: "code", VolumeSource: hostPath("/volumes/code")}})
}

func TestAnElementWithoutHostsHasNoIngressAndNoService(t *testing.T) {
	in := web(fixture(t, "new-hosts"))
	in.Values.Hosts, in.Values.Endpoints, in.Values.Ports = nil, nil, nil
	out := render(t, in)
	wantNoWarnings(t, out)
	if len(out.Objects) != 1 || len(out.Routes)+len(out.Services) != 0 {
		t.Errorf("got %d objects, routes %v, services %v", len(out.Objects), out.Routes, out.Services)
	}
}

func TestTwoHostsOfOneElement(t *testing.T) {
	in := web(fixture(t, "new-hosts"))
	in.Values.Endpoints = append(in.Values.Endpoints, Endpoint{Identifier: "admin", URL: "admin.example.com", ServiceName: "app", Port: 9090})
	in.Values.Ports = append(in.Values.Ports, Port{Identifier: "admin", Port: 9090, ServiceName: "app"}, Port{Identifier: "other", Port: 1, ServiceName: "elsewhere"})
	out := render(t, in)
	equal(t, "routes", out.Routes, []berth.Route{
		{Host: "web.example.com", Element: "web", Identifier: "app", Workload: "app", Port: 3000},
		{Host: "admin.example.com", Element: "web", Identifier: "admin", Workload: "app", Port: 9090},
	})
}

func TestOldHostGeneration(t *testing.T) {
	out := render(t, web(fixture(t, "old-hosts")))
	wantNoWarnings(t, out)
	equal(t, "routes", out.Routes, []berth.Route{{Host: "web.example.com", Element: "web", Identifier: "app", Workload: "app", Port: 80}})
	equal(t, "services", out.Services, []berth.ServiceName{{Element: "web", Name: "app", Workload: "app", Ports: []berth.ServicePort{{Port: 8000, Target: 80}}}})
	equal(t, "claims", out.Claims, []berth.Volume{{Element: "web", Identifier: "keys", UID: -1, GID: -1, SizeBytes: 1 << 30}})
	spec := find[*appsv1.Deployment](t, out, "app").Spec.Template.Spec
	equal(t, "volumes", spec.Volumes, []corev1.Volume{{Name: "keys", VolumeSource: hostPath("/volumes/claims/keys")}})
	if !spec.Containers[0].VolumeMounts[0].ReadOnly {
		t.Error("a claim that is read only is mounted for writing")
	}
	service := find[*corev1.Service](t, out, "app")
	if service.Spec.Type != "" || service.Spec.Ports[0].NodePort != 0 {
		t.Errorf("the Service still asks for a port of the machine: %+v", service.Spec)
	}
}

func TestSidecarChart(t *testing.T) {
	out := render(t, web(fixture(t, "sidecar")))
	wantNoWarnings(t, out)
	equal(t, "routes", out.Routes, []berth.Route{{Host: "web.example.com", Element: "web", Identifier: "app", Workload: "app", Port: 80}})
	spec := find[*appsv1.Deployment](t, out, "app").Spec.Template.Spec
	if spec.Containers[0].Name != "app" || spec.Containers[1].Name != "nginx" {
		t.Error("the order of containers says which one owns the network; it must not change")
	}
	equal(t, "env", spec.Containers[0].Env, []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "PORT", Value: "9000"}, {Name: "B", Value: `two "words"`}})
	if spec.Containers[1].SecurityContext.AllowPrivilegeEscalation != nil {
		t.Error("allowPrivilegeEscalation: true only repeats the default")
	}
	if config := find[*corev1.ConfigMap](t, out, "nginx-config"); config.Data["empty.conf"] != "" || len(config.Data) != 2 {
		t.Errorf("config: %v", config.Data)
	}
}

func TestTraps(t *testing.T) {
	out := render(t, web(fixture(t, "traps")))
	spec := find[*appsv1.Deployment](t, out, "worker").Spec
	equal(t, "replicas", *spec.Replicas, 1)
	env := map[string]string{}
	for _, e := range spec.Template.Spec.Containers[0].Env {
		if _, twice := env[e.Name]; twice {
			t.Errorf("%s comes twice", e.Name)
		}
		env[e.Name] = e.Value
	}
	equal(t, "env", env, map[string]string{"UNQUOTED": "5432", "YES_IN_YAML_1_1": "on", "LEADING_ZERO": "0755", "MISSING": "", "NODE": "", "TWICE": "second"})
	equal(t, "containerPort", spec.Template.Spec.Containers[0].Ports, []corev1.ContainerPort{{ContainerPort: 9000, Protocol: "TCP"}})
	equal(t, "hostPath", spec.Template.Spec.Volumes[1].HostPath.Path, "/volumes/web/data/web/functions")
	equal(t, "number in a ConfigMap", find[*corev1.ConfigMap](t, out, "config").Data["number"], "7")
	equal(t, "warnings", out.Warnings, []string{
		".diploi/helm/worker.yaml: Deployment worker has no field spec.template.spec.volumes[1].readOnly; it is ignored",
		"Service app selects no pods of the package; nothing will answer there",
	})
	if len(out.Objects) != 3 {
		t.Errorf("the Service without ports and the Ingress without rules are still there: %d objects", len(out.Objects))
	}
}
