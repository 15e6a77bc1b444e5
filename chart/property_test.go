package chart

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

// anyInput draws values as a project could have them, for one of the fixtures.
func anyInput(t *rapid.T, fixtures map[string]map[string][]byte) Input {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(fixtures))).Draw(t, "fixture")
	in := web(fixtures[name])
	in.Values.Enabled = rapid.Bool().Draw(t, "enabled")
	in.Values.Folder = rapid.SampledFrom([]string{"", "/", "/web", "/a/b"}).Draw(t, "folder")
	in.Values.ContainerCommands.ProductionStart = rapid.SampledFrom([]string{"", "npm start", "a &&\nb"}).Draw(t, "command")
	for i := range rapid.IntRange(0, 3).Draw(t, "ports") {
		id := fmt.Sprintf("extra%d", i)
		in.Values.Ports = append(in.Values.Ports, Port{id, 4000 + i, "app"})
		in.Values.Endpoints = append(in.Values.Endpoints, Endpoint{id, id + ".example.com", "app", 4000 + i})
	}
	for range rapid.IntRange(0, 5).Draw(t, "env") {
		in.Values.Env = append(in.Values.Env, Variable{
			rapid.StringMatching(`[A-Z][A-Z0-9_]{0,3}`).Draw(t, "name"),
			rapid.StringMatching(`[ -~äß✓]{0,12}`).Draw(t, "value"),
		})
	}
	if !slices.ContainsFunc(in.Values.Env[3:], func(v Variable) bool { return v.Identifier == "PORT" }) && rapid.Bool().Draw(t, "development") {
		in = inDevelopment(in)
	}
	return in
}

func TestEqualInputGivesEqualBytes(t *testing.T) {
	fixtures := map[string]map[string][]byte{}
	for _, name := range []string{"new-hosts", "old-hosts", "sidecar", "traps"} {
		fixtures[name] = fixture(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput(t, fixtures)
		first, err := Render(in)
		again, errAgain := Render(in)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("%v, then %v", err, errAgain)
		}
		if err != nil {
			return
		}
		one, _ := Marshal(first.Objects)
		two, _ := Marshal(again.Objects)
		if !bytes.Equal(one, two) || fmt.Sprint(first.Routes, first.Services, first.Claims, first.Warnings) != fmt.Sprint(again.Routes, again.Services, again.Claims, again.Warnings) {
			t.Fatalf("%s\n%s", one, two)
		}
		for _, r := range first.Routes {
			known := slices.ContainsFunc(in.Values.Endpoints, func(e Endpoint) bool { return e.URL == r.Host }) || in.Values.Hosts["app"] == r.Host
			if _, workload := first.Workloads[r.Workload]; !known || !workload || r.Port < 1 {
				t.Fatalf("route %+v leads nowhere", r)
			}
		}
	})
}

func TestEnvironmentSurvivesTheTemplate(t *testing.T) {
	files := fixture(t, "new-hosts")
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~\n\täß✓:#{}]{0,40}`).Draw(t, "value")
		in := web(files)
		in.Values.Env = []Variable{{"DRAWN", value}}
		out, err := Render(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Objects {
			if p, _ := podOf(o); p != nil && p.Spec.Containers[0].Env[0].Value != value {
				t.Fatalf("%q became %q", value, p.Spec.Containers[0].Env[0].Value)
			}
		}
	})
}

// Charts that mean the same must give the same bytes: a difference would restart instances.
func TestEqualIntentGivesEqualBytes(t *testing.T) {
	plain := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
        - name: app
          image: a:1
          env: [{name: B, value: "2"}]
          ports: [{containerPort: 80}]
          volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}]
      volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{port: 80}]}
`
	ornate := `
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web, creationTimestamp: null}
spec:
  type: NodePort
  clusterIP: None
  selector: {app: app}
  sessionAffinity: None
  ports: [{protocol: TCP, port: 80, targetPort: 80, nodePort: 30080}]
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: app}
spec:
  replicas: 1
  revisionHistoryLimit: 3
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}, creationTimestamp: null}
    spec:
      restartPolicy: Always
      dnsPolicy: ClusterFirst
      serviceAccountName: default
      imagePullSecrets: [{name: diploi-pull-secret}]
      securityContext: {}
      initContainers:
      containers:
        - image: a:1
          imagePullPolicy: Always
          name: app
          command:
          args: []
          env: [{name: B, value: 1}, {name: B, value: 2}]
          ports: [{containerPort: 80, protocol: TCP}]
          securityContext: {privileged: false, allowPrivilegeEscalation: true, capabilities: {}}
          volumeMounts: [{mountPath: /b, name: b}, {mountPath: /a, name: a}]
      volumes: [{emptyDir: {}, name: b}, {name: a, emptyDir: {}}]
status: {replicas: 3}
`
	one, err := Marshal(render(t, web(object1(plain))).Objects)
	if err != nil {
		t.Fatal(err)
	}
	out := render(t, web(object1(ornate)))
	wantNoWarnings(t, out)
	two, err := Marshal(out.Objects)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "bytes", string(two), string(one))
}

func FuzzRender(f *testing.F) {
	for _, name := range []string{"new-hosts", "old-hosts", "sidecar", "traps"} {
		for _, data := range fixture(f, name) {
			f.Add(data, "value")
		}
	}
	f.Add([]byte(`{{ range .Values.env }}{{ .value | quote }}{{ end }}`), `"`)
	f.Add([]byte("a: &a [*a]\n---\n<<: {kind: Service}"), "")
	f.Add([]byte("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {<<: [{ports: [{port: 1}]}], selector: {a: b}}"), "")
	f.Fuzz(func(t *testing.T, template []byte, value string) {
		if len(template) > 4096 {
			t.Skip("larger ones only take longer")
		}
		in := web(map[string][]byte{".diploi/helm/app.yaml": template})
		in.Values.Env = append(in.Values.Env, Variable{"FUZZ", value})
		out, err := Render(in)
		if err != nil {
			if code := berth.CodeOf(err); code != berth.EInvalid && code != berth.EUnsupported {
				t.Fatalf("a template made an error of ours: %v", err)
			}
			return
		}
		data, err := Marshal(out.Objects)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Unmarshal(data); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if _, err := Describe(out.Objects); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":1,"targetPort":"x"}]}}]`))
	f.Add([]byte(`[{"apiVersion":"v1","kind":"Secret","data":{"a":"AA=="}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := Unmarshal(data)
		if err != nil {
			return
		}
		once, err := Marshal(objects)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(once)
		if err != nil {
			t.Fatalf("%v: %s", err, once)
		}
		if twice, err := Marshal(back); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	})
}
