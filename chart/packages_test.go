package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// builtin reads the templates of a package of the catalogue.
func builtin(t testing.TB, name string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "packages", name, ".diploi", "helm", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("package %s has no chart: %v", name, err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[".diploi/helm/"+filepath.Base(path)] = data
	}
	return files
}

// components are the packages whose chart is one of a web application.
var components = []string{"dockerfile", "go", "image", "nextjs", "nodejs", "python", "react-vite", "static"}

// packageFile is a file of a package of the catalogue.
func packageFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "packages", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func builtinNames(t testing.TB) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "packages", "*", "diploi.yaml"))
	if err != nil || len(paths) < 4 {
		t.Fatalf("packages: %v, %v", paths, err)
	}
	for _, path := range paths {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}

// element is an element made from a built-in package.
func element(t testing.TB, name, stage, folder string, commands Commands) Input {
	in := web(builtin(t, name))
	in.Values.Folder, in.Values.ContainerCommands = folder, commands
	in.Values.Storage = map[string]string{"cache": "/volumes/cache"}
	for _, addon := range []string{"postgres", "mariadb", "valkey", "s3"} {
		in.Values.Images[addon] = "sha256:def"
		in.Values.Storage[addon] = "/volumes/" + addon
	}
	if stage == "development" || stage == "sandbox" {
		in = inDevelopment(in)
	}
	in.Values.Stage = stage
	return in
}

func TestBuiltinPackagesRenderInEveryStageAndFolder(t *testing.T) {
	for _, name := range builtinNames(t) {
		for _, stage := range []string{"development", "sandbox", "staging", "production"} { // sandbox is a project's own, of the kind development
			for _, folder := range []string{"", "/", "/web", "/apps/web"} {
				for _, commands := range []Commands{{}, {"  npm run x &&\nnpm run y \"z\"", "node 'a b'"}} {
					in := element(t, name, stage, folder, commands)
					requireHelmsText(t, in)
					checkBuiltin(t, in, render(t, in))
					if t.Failed() {
						t.Fatalf("%s in %s, folder %q, commands %q", name, stage, folder, commands)
					}
				}
			}
		}
	}
}

func checkBuiltin(t *testing.T, in Input, out Rendered) {
	t.Helper()
	wantNoWarnings(t, out)
	if len(out.Services) != 1 || len(out.Workloads) != 1 {
		t.Errorf("services %v, workloads %v", out.Services, out.Workloads)
	}
	for _, o := range out.Objects {
		template, _ := podOf(o)
		if template == nil {
			continue
		}
		main := template.Spec.Containers[0]
		for _, want := range in.Values.Env {
			if !slices.Contains(main.Env, corev1.EnvVar{Name: want.Identifier, Value: want.Value}) {
				t.Errorf("%s=%s does not reach %s", want.Identifier, want.Value, label(o))
			}
		}
		if out.Services[0].Name == "app" {
			checkComponent(t, in, template.Spec)
		}
	}
}

func checkComponent(t *testing.T, in Input, s corev1.PodSpec) {
	t.Helper()
	start, main := in.Values.ContainerCommands.ProductionStart, s.Containers[0]
	if in.Kind == berth.KindDevelopment {
		start = in.Values.ContainerCommands.DevelopmentStart
	}
	if start != "" {
		equal(t, "command", main.Command, []string{"/bin/sh", "-c", start})
	}
	mountsCode := slices.ContainsFunc(main.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/app" && m.Name == "code" })
	code := corev1.Volume{Name: "code", VolumeSource: hostPath("/volumes/code")}
	if in.Kind == berth.KindBuild {
		if mountsCode || len(s.InitContainers) > 0 || len(s.Volumes) > 0 || s.SecurityContext != nil || start == "" && main.Command != nil {
			t.Error("a build stage runs its image and nothing else")
		}
		return
	}
	if mountsCode && (main.WorkingDir != "/app"+in.Values.Folder || *s.SecurityContext.RunAsUser != 1000 ||
		!slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool { return cmp.Equal(v, code) })) {
		t.Errorf("development: working directory %q, %+v", main.WorkingDir, s.SecurityContext)
	}
}

func TestBuiltinComponentsWithoutAHost(t *testing.T) {
	for _, name := range components {
		in := element(t, name, "production", "/web", Commands{})
		in.Values.Hosts, in.Values.Endpoints, in.Values.Ports = nil, nil, nil
		out := render(t, in)
		wantNoWarnings(t, out)
		if len(out.Objects) != 1 {
			t.Errorf("%s: %d objects", name, len(out.Objects))
		}
	}
}

// A password that stands in a command is in the list of processes.
func TestAddOnsHaveSecretsInTheEnvironmentOnly(t *testing.T) {
	for _, name := range []string{"mariadb", "postgres", "s3", "valkey"} {
		in := element(t, name, "production", "", Commands{})
		in.Values.Env = []Variable{{"VALKEY_PASSWORD", "s3cret"}, {"MARIADB_PASSWORD", "s3cret"}, {"AWS_SECRET_ACCESS_KEY", "s3cret"}, {"POSTGRES_PASSWORD", "s3cret"}}
		spec := find[*appsv1.StatefulSet](t, render(t, in), name).Spec.Template.Spec
		main := spec.Containers[0]
		said := strings.Join(append(main.Command, main.Args...), " ")
		if main.ReadinessProbe == nil {
			t.Errorf("%s has no check", name)
		} else if main.ReadinessProbe.Exec != nil {
			said += strings.Join(main.ReadinessProbe.Exec.Command, " ")
		}
		if strings.Contains(said, "s3cret") {
			t.Errorf("%s: a secret stands in %q", name, said)
		}
		equal(t, "volume", spec.Volumes[0].VolumeSource, hostPath("/volumes/"+name))
	}
}

func TestBuiltinComponentsListenOnTheirHostsPort(t *testing.T) {
	for _, name := range components {
		in := element(t, name, "production", "/web", Commands{})
		in.Values.Env = nil
		in.Values.Ports[0].Port, in.Values.Endpoints[0].Port = 8080, 8080
		out := render(t, in)
		main := find[*appsv1.Deployment](t, out, "app").Spec.Template.Spec.Containers[0]
		if out.Routes[0].Port != 8080 || main.Ports[0].ContainerPort != 8080 || !slices.Contains(main.Env, corev1.EnvVar{Name: "PORT", Value: "8080"}) {
			t.Errorf("%s: route %v, ports %v, env %v", name, out.Routes, main.Ports, main.Env)
		}
		in.Values.Env = []Variable{{"PORT", "1234"}}
		main = find[*appsv1.Deployment](t, render(t, in), "app").Spec.Template.Spec.Containers[0]
		if !slices.Contains(main.Env, corev1.EnvVar{Name: "PORT", Value: "1234"}) {
			t.Errorf("%s: a person's PORT does not win: %v", name, main.Env)
		}
	}
}

func TestViteKnowsTheElementsHosts(t *testing.T) {
	const variable = "__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS"
	in := element(t, "react-vite", "development", "/web", Commands{})
	in.Values.Endpoints = append(in.Values.Endpoints, Endpoint{"b", "b.example.com", "app", 3000})
	main := find[*appsv1.Deployment](t, render(t, in), "app").Spec.Template.Spec.Containers[0]
	if !slices.Contains(main.Env, corev1.EnvVar{Name: variable, Value: "web.example.com,b.example.com"}) {
		t.Errorf("env %v", main.Env)
	}
	in.Values.Env = []Variable{{variable, ".mine.example"}}
	main = find[*appsv1.Deployment](t, render(t, in), "app").Spec.Template.Spec.Containers[0]
	if !slices.Contains(main.Env, corev1.EnvVar{Name: variable, Value: ".mine.example"}) {
		t.Errorf("a person's value does not win: %v", main.Env)
	}
}

func TestPostgresKeepsItsDataOnItsVolume(t *testing.T) {
	in := element(t, "postgres", "production", "", Commands{})
	in.Values.Env = append(in.Values.Env, Variable{"PGDATA", "/tmp"})
	spec := find[*appsv1.StatefulSet](t, render(t, in), "postgres").Spec.Template.Spec
	main := spec.Containers[0]
	if !slices.Contains(main.Env, corev1.EnvVar{Name: "PGDATA", Value: "/postgres/data"}) || main.VolumeMounts[0].MountPath != "/postgres" {
		t.Errorf("the data could leave the volume: %v %v", main.Env, main.VolumeMounts)
	}
	equal(t, "volume", spec.Volumes[0].VolumeSource, hostPath("/volumes/postgres"))
	if main.ReadinessProbe == nil || !strings.Contains(main.ReadinessProbe.Exec.Command[2], "pg_isready") {
		t.Errorf("readiness %v", main.ReadinessProbe)
	}
}

// scripts are the shell programs that a package starts in development.
func scripts(t *testing.T, name string) (install, start string) {
	t.Helper()
	spec := find[*appsv1.Deployment](t, render(t, element(t, name, "development", "/web", Commands{})), "app").Spec.Template.Spec
	return spec.InitContainers[0].Command[2], spec.Containers[0].Command[2]
}

// workshop is a working tree with stand-ins for node and the package managers.
type workshop struct {
	t   *testing.T
	dir string // the element's folder
	bin string
}

func newWorkshop(t *testing.T) workshop {
	root := t.TempDir()
	w := workshop{t: t, dir: filepath.Join(root, "app"), bin: filepath.Join(root, "bin")}
	w.write("package.json", `{}`)
	w.tool("node", `case "$*" in *packageManager*) echo "" ;; *) echo v22.0.0 ;; esac`)
	w.npm(`mkdir -p node_modules && touch "node_modules/$1-was-here"`)
	return w
}

func (w workshop) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w workshop) tool(name, script string) {
	w.t.Helper()
	if err := os.MkdirAll(w.bin, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// npm replaces npm by a script that also notes how it was called.
func (w workshop) npm(script string) {
	w.t.Helper()
	w.tool("npm", `echo "$PWD: $*" >> "`+filepath.Dir(w.bin)+`/calls"`+"\n"+script)
}

func (w workshop) calls() []string {
	data, _ := os.ReadFile(filepath.Join(filepath.Dir(w.bin), "calls"))
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(data), filepath.Dir(w.bin), "")), "\n")
}

func (w workshop) run(script string) error {
	w.t.Helper()
	_, err := w.output(script)
	return err
}

func (w workshop) output(script string) (string, error) {
	w.t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + w.bin + ":/usr/bin:/bin", "PORT=5173", "PWD=" + w.dir}
	out, err := cmd.CombinedOutput()
	w.t.Logf("%s", out)
	return string(out), err
}

func (w workshop) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, name))
	return err == nil
}

func TestDependenciesAreInstalledOncePerLockFile(t *testing.T) {
	for _, name := range []string{"nodejs", "react-vite"} {
		install, _ := scripts(t, name)
		w := newWorkshop(t)
		w.write("package-lock.json", "1")
		for range 2 {
			if err := w.run(install); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, "calls", w.calls(), []string{"/app: ci --no-audit --no-fund"})
		w.write("package-lock.json", "2")
		if err := w.run(install); err != nil || len(w.calls()) != 2 || w.has("node_modules.berth") {
			t.Errorf("%s: a changed lock file installs again: %v, %v", name, err, w.calls())
		}
	}
}

func TestWithoutALockFileNpmInstalls(t *testing.T) {
	install, _ := scripts(t, "nodejs")
	w := newWorkshop(t)
	if err := w.run(install); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls", w.calls(), []string{"/app: install --no-audit --no-fund"})
	equal(t, "nothing to install", newEmptyWorkshop(t).run(install), nil)
}

func newEmptyWorkshop(t *testing.T) workshop {
	w := newWorkshop(t)
	if err := os.Remove(filepath.Join(w.dir, "package.json")); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAFailedInstallKeepsTheLastGoodOne(t *testing.T) {
	install, _ := scripts(t, "nodejs")
	w := newWorkshop(t)
	w.write("package-lock.json", "1")
	if err := w.run(install); err != nil {
		t.Fatal(err)
	}
	w.npm(`rm -rf node_modules; mkdir node_modules; exit 1`)
	w.write("package-lock.json", "broken")
	if err := w.run(install); err != nil {
		t.Errorf("there was something to start with: %v", err)
	}
	if !w.has("node_modules/ci-was-here") || w.has("node_modules.berth") {
		t.Error("the last good state is gone")
	}
	if err := w.run(install); err != nil || len(w.calls()) != 3 {
		t.Errorf("the next start must try again: %v, %v", err, w.calls())
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := w.run(install); err == nil {
		t.Error("a first install that fails must be seen")
	}
}

func TestAnInstallCutShortGoesBack(t *testing.T) {
	install, _ := scripts(t, "nodejs")
	w := newWorkshop(t)
	w.write("package-lock.json", "1")
	if err := w.run(install); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.dir, "node_modules"), filepath.Join(w.dir, "node_modules.berth")); err != nil {
		t.Fatal(err)
	}
	w.write("node_modules/half", "")
	if err := w.run(install); err != nil || !w.has("node_modules/ci-was-here") || w.has("node_modules/half") || len(w.calls()) != 1 {
		t.Errorf("%v, %v", err, w.calls())
	}
}

func TestAWorkspaceIsInstalledAtItsRoot(t *testing.T) {
	install, _ := scripts(t, "nodejs")
	w := newWorkshop(t)
	w.write("package.json", `{"workspaces": ["packages/*"]}`)
	w.write("package-lock.json", "1")
	w.write("packages/a/package.json", `{}`)
	inside := w
	inside.dir = filepath.Join(w.dir, "packages", "a")
	if err := inside.run(install); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls", w.calls(), []string{"/app: ci --no-audit --no-fund"})

	w = newWorkshop(t) // a lock file above that is nobody's workspace
	w.write("package-lock.json", "1")
	w.write("web/package.json", `{}`)
	inside = w
	inside.dir = filepath.Join(w.dir, "web")
	if err := inside.run(install); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls", w.calls(), []string{"/app/web: install --no-audit --no-fund"})
}

func TestOtherPackageManagers(t *testing.T) {
	install, _ := scripts(t, "react-vite")
	for lock, c := range map[string]struct{ version, want string }{
		"pnpm-lock.yaml": {"", "/app: exec --yes --package=pnpm@10 -- pnpm install --frozen-lockfile"},
		"yarn.lock":      {"", "/app: exec --yes --package=yarn@1 -- yarn install --frozen-lockfile"},
	} {
		w := newWorkshop(t)
		w.write(lock, "1")
		if err := w.run(install); err != nil {
			t.Fatal(err)
		}
		equal(t, lock, w.calls(), []string{c.want})
	}
	w := newWorkshop(t)
	w.write("yarn.lock", "1")
	w.tool("node", `case "$*" in *packageManager*) echo 4.5.0 ;; *) echo v22.0.0 ;; esac`)
	if err := w.run(install); err != nil {
		t.Fatal(err)
	}
	equal(t, "yarn 4", w.calls(), []string{"/app: exec --yes --package=@yarnpkg/cli-dist@4.5.0 -- yarn install --frozen-lockfile"})
}

func TestDevelopmentStartsTheScriptDev(t *testing.T) {
	for name, want := range map[string]string{
		"nodejs":     "/app: run dev",
		"react-vite": "/app: run dev -- --host 0.0.0.0 --port 5173 --strictPort",
	} {
		_, start := scripts(t, name)
		w := newWorkshop(t) // its node says yes to every question
		if err := w.run(start); err != nil {
			t.Fatal(err)
		}
		equal(t, name, w.calls(), []string{want})
	}
}

func TestDevelopmentWithoutAScriptDev(t *testing.T) {
	_, start := scripts(t, "nodejs")
	w := newWorkshop(t)
	w.tool("node", `case "$1" in -e) exit 1 ;; -p) echo "" ;; *) echo "$*" > started ;; esac`)
	if err := w.run(start); err == nil {
		t.Error("nothing to start must be an error that says so")
	}
	w.write("src/index.js", "")
	if err := w.run(start); err != nil {
		t.Fatal(err)
	}
	started, _ := os.ReadFile(filepath.Join(w.dir, "started"))
	equal(t, "started", strings.TrimSpace(string(started)), "--watch src/index.js")

	_, start = scripts(t, "react-vite")
	w.tool("npx", `echo "npx $*" > started`)
	if err := w.run(start); err != nil {
		t.Fatal(err)
	}
	started, _ = os.ReadFile(filepath.Join(w.dir, "started"))
	equal(t, "started", strings.TrimSpace(string(started)), "npx vite --host 0.0.0.0 --port 5173 --strictPort")
}
