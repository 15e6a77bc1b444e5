package chart

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// pod is a Deployment whose pod and first container have extra lines.
func pod(inPod, inContainer string) map[string][]byte {
	indent := func(s string, n int) string {
		var out strings.Builder
		for line := range strings.Lines(s) {
			out.WriteString(strings.Repeat(" ", n) + strings.TrimRight(line, "\n") + "\n")
		}
		return out.String()
	}
	return map[string][]byte{".diploi/helm/app.yaml": []byte(`apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
` + indent(inPod, 6) + `      containers:
        - name: app
          image: app:1
` + indent(inContainer, 10))}
}

func volume(source string) map[string][]byte {
	return pod("volumes:\n  - {name: v, "+source+"}", "")
}

func mount(fields string) map[string][]byte {
	return pod("volumes:\n  - {name: v, emptyDir: {}}", "volumeMounts:\n  - {name: v, "+fields+"}")
}

func object1(text string) map[string][]byte {
	return map[string][]byte{".diploi/helm/app.yaml": []byte(text)}
}

func TestRefusals(t *testing.T) {
	const at = "Deployment app, spec.template.spec."
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string // must be part of the message
	}{
		"hostPath root":              {volume("hostPath: {path: /}"), at + "volumes[v].hostPath.path"},
		"hostPath etc":               {volume("hostPath: {path: /etc}"), at + "volumes[v].hostPath.path"},
		"hostPath docker socket":     {volume("hostPath: {path: /var/run/docker.sock, type: Socket}"), at + "volumes[v].hostPath.type"},
		"hostPath above ours":        {volume("hostPath: {path: /volumes/web/data/../../../etc}"), at + "volumes[v].hostPath.path"},
		"hostPath dots inside":       {volume("hostPath: {path: /volumes/web/data/x/../y}"), at + "volumes[v].hostPath.path"},
		"hostPath with equal prefix": {volume("hostPath: {path: /volumes/web/database}"), at + "volumes[v].hostPath.path"},
		"hostPath parent":            {volume("hostPath: {path: /volumes/web}"), at + "volumes[v].hostPath.path"},
		"hostPath relative":          {volume("hostPath: {path: volumes/web/data}"), at + "volumes[v].hostPath.path"},
		"hostPath empty":             {volume("hostPath: {path: }"), at + "volumes[v].hostPath.path"},
		"hostPath option injection":  {volume(`hostPath: {path: "/volumes/web/data:/etc"}`), at + "volumes[v].hostPath.path"},
		"hostPath device":            {volume("hostPath: {path: /volumes/web/data/sda, type: BlockDevice}"), at + "volumes[v].hostPath.type"},
		"volume nfs":                 {volume("nfs: {server: a, path: /}"), at + "volumes[v] (a volume must be one of"},
		"volume projected":           {volume("projected: {}"), at + "volumes[v] (a volume must be one of"},
		"volume csi":                 {volume("csi: {driver: x}"), at + "volumes[v] (a volume must be one of"},
		"configMap item escapes":     {volume("configMap: {name: c, items: [{key: a, path: ../../x}]}"), at + "volumes[v].items"},
		"secret item absolute":       {volume("secret: {secretName: c, items: [{key: a, path: /x}]}"), at + "volumes[v].items"},

		"subPath escapes":         {mount("mountPath: /x, subPath: ../../etc"), at + "containers[app].volumeMounts[v].subPath"},
		"subPath escapes inside":  {mount("mountPath: /x, subPath: a/../../b"), at + "containers[app].volumeMounts[v].subPath"},
		"subPath absolute":        {mount("mountPath: /x, subPath: /etc"), at + "containers[app].volumeMounts[v].subPath"},
		"subPathExpr":             {mount("mountPath: /x, subPathExpr: $(A)"), at + "containers[app].volumeMounts[v].subPathExpr"},
		"mount propagation":       {mount("mountPath: /x, mountPropagation: Bidirectional"), at + "containers[app].volumeMounts[v].mountPropagation"},
		"mount over root":         {mount("mountPath: /"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount over proc":         {mount("mountPath: /proc/sys"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount over our agent":    {mount("mountPath: /.berth/agent"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount over dev":          {mount("mountPath: /dev"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount by dots":           {mount("mountPath: /x/../proc"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount relative":          {mount("mountPath: x"), at + "containers[app].volumeMounts[v].mountPath"},
		"mount option injection":  {mount(`mountPath: "/x:rw"`), at + "containers[app].volumeMounts[v].mountPath"},
		"hostNetwork":             {pod("hostNetwork: true", ""), at + "hostNetwork"},
		"hostNetwork as yes":      {pod("hostNetwork: yes", ""), at + "hostNetwork"},
		"hostPID":                 {pod("hostPID: true", ""), at + "hostPID"},
		"hostIPC":                 {pod("hostIPC: true", ""), at + "hostIPC"},
		"sysctls":                 {pod("securityContext: {sysctls: [{name: a, value: b}]}", ""), at + "securityContext.sysctls"},
		"pod seccomp":             {pod("securityContext: {seccompProfile: {type: Unconfined}}", ""), at + "securityContext ("},
		"node":                    {pod("nodeName: n", ""), at + "nodeName"},
		"runtime class":           {pod("runtimeClassName: r", ""), at + "runtimeClassName"},
		"service account":         {pod("serviceAccountName: admin", ""), at + "serviceAccountName"},
		"resource claims":         {pod("resourceClaims: [{name: gpu}]", ""), at + "resourceClaims"},
		"privileged":              {pod("", "securityContext: {privileged: true}"), at + "containers[app].securityContext.privileged"},
		"capabilities":            {pod("", "securityContext: {capabilities: {add: [SYS_ADMIN]}}"), at + "containers[app].securityContext.capabilities.add"},
		"procMount":               {pod("", "securityContext: {procMount: Unmasked}"), at + "containers[app].securityContext.procMount"},
		"seccomp":                 {pod("", "securityContext: {seccompProfile: {type: Localhost, localhostProfile: x}}"), at + "containers[app].securityContext ("},
		"apparmor":                {pod("", "securityContext: {appArmorProfile: {type: Unconfined}}"), at + "containers[app].securityContext ("},
		"selinux":                 {pod("", "securityContext: {seLinuxOptions: {type: spc_t}}"), at + "containers[app].securityContext ("},
		"devices":                 {pod("", "volumeDevices: [{name: d, devicePath: /dev/sda}]"), at + "containers[app].volumeDevices"},
		"device plugin":           {pod("", "resources: {limits: {vendor.example/gpu: 1}}"), at + "containers[app].resources"},
		"hostPort":                {pod("", "ports: [{containerPort: 80, hostPort: 80}]"), at + "containers[app].ports[0].hostPort"},
		"hostIP":                  {pod("", "ports: [{containerPort: 80, hostIP: 0.0.0.0}]"), at + "containers[app].ports[0].hostIP"},
		"port out of range":       {pod("", "ports: [{containerPort: 70000}]"), at + "containers[app].ports[0].containerPort"},
		"variable name":           {pod("", `env: [{name: "A=B", value: c}]`), at + "containers[app].env[0].name"},
		"no image":                {pod("initContainers: [{name: i, image: }]", ""), at + "initContainers[i].image"},
		"init container":          {pod("initContainers: [{name: i, image: x, securityContext: {privileged: true}}]", ""), at + "initContainers[i].securityContext.privileged"},
		"container name":          {pod("initContainers: [{name: ../x, image: x}]", ""), at + "initContainers[../x].name"},
		"ClusterRole":             {object1("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}"), "ClusterRole all (rbac.authorization.k8s.io/v1) is not allowed"},
		"Namespace":               {object1("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}"), "Namespace x (v1) is not allowed"},
		"DaemonSet":               {object1("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}"), "DaemonSet x (apps/v1) is not allowed"},
		"Pod":                     {object1("apiVersion: v1\nkind: Pod\nmetadata: {name: x}"), "Pod x (v1) is not allowed"},
		"PersistentVolume":        {object1("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x}"), "PersistentVolume x (v1) is not allowed"},
		"List":                    {object1("apiVersion: v1\nkind: List\nitems: []"), "List  (v1) is not allowed"},
		"old version":             {object1("apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: x}"), "Ingress x (extensions/v1beta1) is not allowed"},
		"hook":                    {object1("apiVersion: batch/v1\nkind: Job\nmetadata: {name: x, annotations: {helm.sh/hook: pre-install}}"), "Job x is a Helm hook"},
		"name that is a path":     {object1("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../x}"), "metadata.name"},
		"no name":                 {object1("apiVersion: v1\nkind: ConfigMap"), "metadata.name"},
		"key that is a path":      {object1("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {../../etc/passwd: a}"), `invalid key "../../etc/passwd"`},
		"two of one name":         {object1("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}"), "two objects of this name"},
		"external name":           {object1("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {type: ExternalName, externalName: a.example, ports: [{port: 1}]}"), "Service x, spec.externalName"},
		"external addresses":      {object1("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {externalIPs: [10.0.0.1], ports: [{port: 1}]}"), "Service x, spec.externalIPs"},
		"claim that is not there": {volume("persistentVolumeClaim: {claimName: other}"), "volume v uses the claim other"},
		"claim that is a path":    {object1("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: ../../etc}"), "metadata.name"},
		"job's pod":               {object1("apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {hostPID: true, containers: [{name: a, image: b}]}}}"), "Job j, spec.template.spec.hostPID"},
		"cron job's pod":          {object1("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: j}\nspec: {jobTemplate: {spec: {template: {spec: {hostIPC: true, containers: [{name: a, image: b}]}}}}}"), "CronJob j, spec.jobTemplate.spec.template.spec.hostIPC"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Render(web(c.files))
			if berth.CodeOf(err) != berth.EInvalid {
				t.Fatalf("got %v, want an invalid package", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant …%s…", err, c.want)
			}
		})
	}
}

func TestWhatMayStay(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"a declared directory":       volume("hostPath: {path: /volumes/web/data}"),
		"one below it":               volume("hostPath: {path: /volumes/web/data/sub, type: FileOrCreate}"),
		"a trailing slash":           volume("hostPath: {path: /volumes/web/data/}"),
		"emptyDir":                   volume("emptyDir: {medium: Memory}"),
		"subPath":                    mount("mountPath: /x, subPath: a/b..c"),
		"shared memory":              mount("mountPath: /dev/shm"),
		"allowPrivilegeEscalation":   pod("", "securityContext: {allowPrivilegeEscalation: true}"),
		"privileged: false":          pod("", "securityContext: {privileged: false, procMount: Default}"),
		"dropped capabilities":       pod("", "securityContext: {capabilities: {drop: [ALL]}}"),
		"the runtime's own seccomp":  pod("securityContext: {seccompProfile: {type: RuntimeDefault}}", ""),
		"the default account":        pod("serviceAccountName: default", ""),
		"root inside the container":  pod("securityContext: {runAsUser: 0}", ""),
		"memory and processor":       pod("", "resources: {limits: {cpu: 1, memory: 500Mi}}"),
		"an ordinary variable value": pod("", `env: [{name: A, value: "b=c"}]`),
	} {
		t.Run(name, func(t *testing.T) {
			wantNoWarnings(t, render(t, web(files)))
		})
	}
}

func TestDirectoriesOfTheInputAreAllowed(t *testing.T) {
	in := web(volume("hostPath: {path: /extra/x}"))
	in.AllowedHostPaths = []string{"/extra", "/", ""}
	render(t, in)
	in.Files = volume("hostPath: {path: /other}")
	if _, err := Render(in); err == nil {
		t.Error("a root or empty directory among the allowed ones allows everything")
	}
	in = inDevelopment(web(volume("hostPath: {path: /volumes/code/web}")))
	render(t, in)
	in.Kind = berth.KindBuild
	if _, err := Render(in); err == nil {
		t.Error("the working tree may be mounted outside development")
	}
}

func TestSeveralRefusalsAreAllNamed(t *testing.T) {
	_, err := Render(web(pod("hostPID: true\nhostIPC: true", "")))
	for _, want := range []string{"hostPID", "hostIPC"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestEveryRowOfTheTableHasOnePart(t *testing.T) {
	for _, row := range refusals {
		parts := 0
		for _, set := range []bool{row.service != nil, row.pod != nil, row.container != nil, row.port != nil, row.variable != nil, row.mount != nil, row.volume != nil} {
			if set {
				parts++
			}
		}
		if parts != 1 || row.why == "" {
			t.Errorf("%s: %d parts, why %q", row.field, parts, row.why)
		}
	}
}

func TestAStatefulSetsClaimTemplateIsAVolume(t *testing.T) {
	text := `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db:1, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {resources: {requests: {storage: 2Gi}}}
`
	out := render(t, web(object1(strings.Replace(text, "REPLICAS", "1", 1))))
	equal(t, "claims", out.Claims, []berth.Volume{{Element: "web", Identifier: "data-db-0", UID: -1, GID: -1, SizeBytes: 2 << 30}})
	_, err := Render(web(object1(strings.Replace(text, "REPLICAS", "2", 1))))
	if berth.CodeOf(err) != berth.EUnsupported {
		t.Errorf("two replicas would share one claim: %v", err)
	}
}
