package docker

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestExpand(t *testing.T) {
	env := []envVar{{Name: "A", Value: "1"}, {Name: "B", Value: "$(A)"}, {Name: "IP", Field: fieldPodIP}}
	for in, want := range map[string]string{
		"plain":       "plain",
		"$(A)-$(A)":   "1-1",
		"$$(A)":       "$(A)",
		"$(UNKNOWN)":  "$(UNKNOWN)",
		"$(A":         "$(A",
		"$":           "$",
		"cost: 5$ $x": "cost: 5$ $x",
		"$(B)":        "$(A)", // once only
		"$(IP)":       "$(IP)",
		"$$$(A)":      "$1",
	} {
		if got := expand(in, env); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("a$(A)b$$c$(")
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.Contains(s, "$") && expand(s, nil) != s {
			t.Errorf("%q changed without a dollar in it", s)
		}
		if got := expand(strings.ReplaceAll(s, "$", "$$"), []envVar{{Name: "A", Value: "1"}}); got != s {
			t.Errorf("escaped %q becomes %q", s, got)
		}
	})
}

func TestEnvironment(t *testing.T) {
	from := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	token := berth.SecretToken("abcdefghij", 3)
	spec := simple()
	spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
		{Prefix: "P_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: from("settings")}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: from("keys")}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: from("absent"), Optional: ptr(true)}},
	}
	spec.Containers[0].Env = []corev1.EnvVar{
		{Name: "TWICE", Value: "first"},
		{Name: "URL", Value: "db://$(KEY)@$(P_a)"},
		{Name: "MAYBE", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: from("settings"), Key: "none", Optional: ptr(true)}}},
		{Name: "SPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}},
		{Name: "LABEL", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['app']"}}},
		{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		{Name: "TWICE", Value: "second"},
	}
	p := onePod(t, workloadOf(berth.KindBuild, elementOf(deploymentOf(spec),
		&corev1.ConfigMap{ObjectMeta: named("settings"), Data: map[string]string{"a": "1"}, BinaryData: map[string][]byte{"b": []byte("2")}},
		&corev1.Secret{ObjectMeta: named("keys"), Data: map[string][]byte{"KEY": []byte(token)}},
	)))
	want := []envVar{
		{Name: "P_a", Value: "1"}, {Name: "P_b", Value: "2"}, {Name: "KEY", Value: token},
		{Name: "URL", Value: "db://" + token + "@1"},
		{Name: "SPACE", Value: "web"}, {Name: "LABEL", Value: "web"}, {Name: "POD", Field: fieldName},
		{Name: "TWICE", Value: "second"},
	}
	if diff := cmp.Diff(want, p.Containers[0].Env); diff != "" {
		t.Error(diff)
	}
}
