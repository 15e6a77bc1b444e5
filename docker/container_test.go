package docker

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

var here = identity{Deployment: "abcdefghij", Slug: "production-guestbook", Instance: "klmnopqrst", Slot: 0, Run: 2, Failures: 1}

func around() surroundings {
	return surroundings{
		Network: "brt-abcdefghij", Core: netip.MustParseAddr("10.201.0.2"), Cgroup: "/berth/abcdefghij",
		CAFile: "/data/ca.crt", Agent: "/data/agent", Env: map[string]string{"TRUST": "ours", "IMAGE": "ours", "POD": "ours"},
		Image: imageConfig{ID: "sha256:1", Env: []string{"IMAGE=its"}},
		Reveal: func(s string) (string, error) {
			return strings.ReplaceAll(s, berth.SecretToken("abcdefghij", 1), "s3cr3t"), nil
		},
	}
}

func requestOf(t *testing.T, kind berth.StageKind, spec corev1.PodSpec, i int, s surroundings) request {
	t.Helper()
	p := onePod(t, workloadOf(kind, elementOf(deploymentOf(spec))))
	r, err := containerRequest(p, i, here, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCommandAndArguments(t *testing.T) {
	for _, test := range []struct {
		name            string
		command, args   []string
		entrypoint, cmd []string
	}{
		{"neither: the image's", nil, nil, nil, nil},
		{"args replace the image's arguments", nil, []string{"a"}, nil, []string{"a"}},
		{"a command drops the image's arguments", []string{"c"}, nil, []string{"c"}, []string{}},
		{"both", []string{"c"}, []string{"a"}, []string{"c"}, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := simple()
			spec.Containers[0].Command, spec.Containers[0].Args = test.command, test.args
			r := requestOf(t, berth.KindBuild, spec, 0, around())
			if diff := cmp.Diff([2][]string{test.entrypoint, test.cmd}, [2][]string{r.Config.Entrypoint, r.Config.Cmd}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUser(t *testing.T) {
	for _, test := range []struct {
		name        string
		user, group *int64
		image, want string
	}{
		{"the image's", nil, nil, "node", ""},
		{"a user", ptr(int64(1000)), nil, "node", "1000"},
		{"both", ptr(int64(1000)), ptr(int64(1001)), "", "1000:1001"},
		{"a group for the image's user", nil, ptr(int64(1001)), "node:node", "node:1001"},
		{"a group for root", nil, ptr(int64(1001)), "", "0:1001"},
	} {
		if got := userOf(containerSpec{RunAsUser: test.user, RunAsGroup: test.group}, imageConfig{User: test.image}); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTheContainersOwnUserComesBeforeThePods(t *testing.T) {
	spec := simple()
	spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr(int64(1000)), RunAsGroup: ptr(int64(1000))}
	spec.Containers[0].SecurityContext = &corev1.SecurityContext{RunAsUser: ptr(int64(0))}
	if r := requestOf(t, berth.KindBuild, spec, 0, around()); r.Config.User != "0:1000" {
		t.Errorf("user = %q", r.Config.User)
	}
}

func TestOurEnvironmentIsBelowEverythingElse(t *testing.T) {
	spec := simple()
	spec.Containers[0].Env = []corev1.EnvVar{{Name: "POD", Value: "its"}, {Name: "SECRET", Value: "x-" + berth.SecretToken("abcdefghij", 1)}}
	r := requestOf(t, berth.KindBuild, spec, 0, around())
	if diff := cmp.Diff([]string{"TRUST=ours", "POD=its", "SECRET=x-s3cr3t"}, r.Config.Env); diff != "" {
		t.Error(diff)
	}
}

func TestSecretThatCannotBeReadStopsTheCreateCall(t *testing.T) {
	s := around()
	sealed := errors.New("sealed")
	s.Reveal = func(string) (string, error) { return "", sealed }
	spec := simple()
	spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: berth.SecretToken("abcdefghij", 1)}}
	p := onePod(t, workloadOf(berth.KindBuild, elementOf(deploymentOf(spec))))
	if _, err := containerRequest(p, 0, here, s); !errors.Is(err, sealed) || !strings.Contains(err.Error(), "A") {
		t.Errorf("error %v", err)
	}
}

func TestOnlyTheFirstMainContainerHasANetworkOfItsOwn(t *testing.T) {
	spec := simple()
	spec.InitContainers = []corev1.Container{{Name: "init", Image: "app:1"}}
	spec.Containers = append(spec.Containers, corev1.Container{Name: "side", Image: "app:1"})
	for i, name := range []string{"init", "main"} {
		r := requestOf(t, berth.KindBuild, spec, i, around())
		if r.Network == nil || string(r.Host.NetworkMode) != "brt-abcdefghij" || r.Config.Hostname != "web-production-guestbook" {
			t.Errorf("%s: mode %s, host name %s", name, r.Host.NetworkMode, r.Config.Hostname)
		}
		if !slices.Equal(r.Host.DNSSearch, []string{"web"}) || r.Host.DNS[0].String() != "10.201.0.2" {
			t.Errorf("%s: name server %v, search %v", name, r.Host.DNS, r.Host.DNSSearch)
		}
		if aliases := r.Network.EndpointsConfig["brt-abcdefghij"].Aliases; len(aliases) > 0 {
			t.Errorf("%s: aliases %v", name, aliases)
		}
	}
	s := around()
	s.Join = "0123"
	side := requestOf(t, berth.KindBuild, spec, 2, s)
	if string(side.Host.NetworkMode) != "container:0123" || side.Network != nil || side.Config.Hostname != "" || len(side.Host.DNS)+len(side.Host.Sysctls) > 0 {
		t.Errorf("the second: %+v", side.Host)
	}
}

func TestEveryContainerIsHeldDown(t *testing.T) {
	for _, test := range []struct {
		name     string
		kind     berth.StageKind
		context  *corev1.SecurityContext
		security []string
		drop     []string
		add      []string
	}{
		{"a build stage", berth.KindBuild, nil, []string{"no-new-privileges"}, []string{"NET_RAW", "MKNOD"}, nil},
		{"development", berth.KindDevelopment, nil, nil, []string{"NET_RAW", "MKNOD"}, nil},
		{"as the chart says", berth.KindDevelopment, &corev1.SecurityContext{AllowPrivilegeEscalation: ptr(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}}},
			[]string{"no-new-privileges"}, []string{"NET_RAW", "MKNOD", "ALL"}, []string{"NET_BIND_SERVICE"}},
		{"unless the chart needs it", berth.KindBuild, &corev1.SecurityContext{AllowPrivilegeEscalation: ptr(true)}, nil, []string{"NET_RAW", "MKNOD"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := simple()
			spec.Containers[0].SecurityContext = test.context
			h := requestOf(t, test.kind, spec, 0, around()).Host
			if diff := cmp.Diff([][]string{test.security, test.drop, test.add}, [][]string{h.SecurityOpt, h.CapDrop, h.CapAdd}); diff != "" {
				t.Error(diff)
			}
			if h.Privileged || h.RestartPolicy.Name != "no" || len(h.PortBindings) > 0 || h.CgroupParent != "/berth/abcdefghij" || h.LogConfig.Type != "json-file" {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestLabelsTellWhatRuns(t *testing.T) {
	spec := simple()
	spec.InitContainers = []corev1.Container{{Name: "init", Image: "app:1"}}
	spec.Containers = append(spec.Containers, corev1.Container{Name: "side", Image: "app:1"})
	p := onePod(t, workloadOf(berth.KindBuild, elementOf(deploymentOf(spec))))
	p.Hash = "hash"
	var containers []containerState
	for i := range p.Containers {
		r, err := containerRequest(p, i, here, around())
		if err != nil {
			t.Fatal(err)
		}
		containers = append(containers, containerState{ID: string(rune('a' + i)), Labels: r.Config.Labels})
	}
	slices.Reverse(containers)
	pods, broken := groupPods(containers)
	if len(pods) != 1 || len(broken) != 0 {
		t.Fatalf("%d pods, %d broken", len(pods), len(broken))
	}
	got := pods[0]
	if got.ID != here.Instance || got.Deployment != here.Deployment || got.key() != "web/app" || got.Hash != "hash" ||
		got.Template != p.Template || got.Run != 2 || got.Failures != 1 || got.Record.Inits != 1 || got.Record.Mains != 2 {
		t.Errorf("%+v", got)
	}
	if names := got.Containers[0].ID + got.Containers[1].ID + got.Containers[2].ID; names != "abc" {
		t.Errorf("order %s", names)
	}
	if diff := cmp.Diff(p.Checks, got.Record.Checks); diff != "" {
		t.Error(diff)
	}
	for i := range containers {
		if pods, broken := groupPods(slices.Delete(slices.Clone(containers), i, i+1)); len(pods) != 0 || len(broken) != 1 {
			t.Errorf("without one container: %d pods, %d broken", len(pods), len(broken))
		}
	}
}

func TestLabelsHoldTokensOnly(t *testing.T) {
	token := berth.SecretToken("abcdefghij", 1)
	spec := simple()
	spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: token}}
	spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check", token}}}}
	r := requestOf(t, berth.KindBuild, spec, 0, around())
	labels, err := json.Marshal(r.Config.Labels)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(labels), "s3cr3t") || !strings.Contains(string(labels), token) {
		t.Errorf("labels %s", labels)
	}
}

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{"web": "web", "my-app-2": "my-app-2"} {
		if got := safe(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
	seen := map[string]string{}
	for _, in := range []string{"", "..", "../../etc", "-rf", "; rm -rf /", "Web", "web ", strings.Repeat("a", 100), strings.Repeat("a", 101), "ä"} {
		got := safe(in)
		if got == in || len(got) > maxNamePart || got == "" || strings.ContainsAny(got, "/. ;") || strings.HasPrefix(got, "-") {
			t.Errorf("%q becomes %q", in, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q both become %q", in, other, got)
		}
		seen[got] = in
	}
	for _, id := range []berth.ID{"", "..", "a/b", "abcdefghijklm", "ABC"} {
		if validID(id) == nil {
			t.Errorf("%q passes as a deployment id", id)
		}
	}
	if err := validID(berth.NewID()); err != nil {
		t.Error(err)
	}
}
