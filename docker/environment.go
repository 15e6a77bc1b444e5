package docker

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment resolves a container's variables as Kubernetes does: envFrom first, then env, $(NAME)
// expanded from what stands before, the last of a name wins.
func (el *element) environment(t corev1.PodTemplateSpec, c corev1.Container) ([]envVar, error) {
	var env []envVar
	for _, from := range c.EnvFrom {
		values, err := el.envFrom(from)
		if err != nil {
			return nil, err
		}
		for _, name := range sortedKeys(values) {
			env = append(env, envVar{Name: from.Prefix + name, Value: values[name]})
		}
	}
	for _, v := range c.Env {
		if v.ValueFrom == nil {
			env = append(env, envVar{Name: v.Name, Value: expand(v.Value, env)})
			continue
		}
		value, ok, err := el.valueFrom(t, v)
		if err != nil {
			return nil, err
		}
		if ok {
			env = append(env, value)
		}
	}
	return lastWins(env), nil
}

func lastWins(env []envVar) []envVar {
	last := make(map[string]int, len(env))
	for i, v := range env {
		last[v.Name] = i
	}
	var out []envVar
	for i, v := range env {
		if last[v.Name] == i && v.Name != "" {
			out = append(out, v)
		}
	}
	return out
}

func (el *element) envFrom(from corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		values, found := el.config(from.ConfigMapRef.Name)
		if !found && !optional(from.ConfigMapRef.Optional) {
			return nil, unsupported("envFrom of ConfigMap %s, which does not exist,", from.ConfigMapRef.Name)
		}
		return values, nil
	case from.SecretRef != nil:
		values, found := el.secret(from.SecretRef.Name)
		if !found && !optional(from.SecretRef.Optional) {
			return nil, unsupported("envFrom of Secret %s, which does not exist,", from.SecretRef.Name)
		}
		return values, nil
	}
	return nil, nil
}

func (el *element) valueFrom(t corev1.PodTemplateSpec, v corev1.EnvVar) (_ envVar, ok bool, err error) {
	switch from := v.ValueFrom; {
	case from.ConfigMapKeyRef != nil:
		values, _ := el.config(from.ConfigMapKeyRef.Name)
		return keyOf(v.Name, "ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, values, from.ConfigMapKeyRef.Optional)
	case from.SecretKeyRef != nil:
		values, _ := el.secret(from.SecretKeyRef.Name)
		return keyOf(v.Name, "Secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key, values, from.SecretKeyRef.Optional)
	case from.FieldRef != nil:
		return el.field(t, v.Name, from.FieldRef.FieldPath)
	}
	return envVar{}, false, unsupported("the source of variable %s", v.Name)
}

func keyOf(name, kind, object, key string, values map[string]string, opt *bool) (envVar, bool, error) {
	value, found := values[key]
	if !found && !optional(opt) {
		return envVar{}, false, unsupported("variable %s from key %s of %s %s, which does not exist,", name, key, kind, object)
	}
	return envVar{Name: name, Value: value}, found, nil
}

// Fields that only an instance knows; its creation fills them in.
const (
	fieldName  = "metadata.name"
	fieldPodIP = "status.podIP"
	fieldUID   = "metadata.uid"
)

func (el *element) field(t corev1.PodTemplateSpec, name, path string) (envVar, bool, error) {
	switch path {
	case fieldName, fieldPodIP, fieldUID:
		return envVar{Name: name, Field: path}, true, nil
	case "metadata.namespace":
		return envVar{Name: name, Value: el.Identifier}, true, nil
	case "spec.serviceAccountName":
		return envVar{Name: name, Value: "default"}, true, nil
	}
	if key, ok := subscript(path, "metadata.labels"); ok {
		return envVar{Name: name, Value: t.Labels[key]}, true, nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return envVar{Name: name, Value: t.Annotations[key]}, true, nil
	}
	return envVar{}, false, unsupported("fieldRef %s", path)
}

// subscript reads the key of path['key'].
func subscript(path, of string) (string, bool) {
	rest, ok := strings.CutPrefix(path, of+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

func optional(b *bool) bool { return b != nil && *b }

func (el *element) config(name string) (map[string]string, bool) {
	o, ok := el.configs[name]
	if !ok {
		return nil, false
	}
	out := make(map[string]string, len(o.Data)+len(o.BinaryData))
	for k, v := range o.BinaryData {
		out[k] = string(v)
	}
	for k, v := range o.Data {
		out[k] = v
	}
	return out, true
}

func (el *element) secret(name string) (map[string]string, bool) {
	o, ok := el.secrets[name]
	if !ok {
		return nil, false
	}
	out := make(map[string]string, len(o.Data)+len(o.StringData))
	for k, v := range o.Data {
		out[k] = string(v)
	}
	for k, v := range o.StringData {
		out[k] = v
	}
	return out, true
}

// expand replaces $(NAME) by the variable's value; $$ is a literal dollar, and a name that is not
// known stays as it is written.
func expand(s string, env []envVar) string {
	if !strings.Contains(s, "$") {
		return s
	}
	values := make(map[string]string, len(env))
	for _, v := range env {
		if v.Field == "" {
			values[v.Name] = v.Value
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			if v, ok := values[s[i+2:i+end]]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(s[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

func expandAll(list []string, env []envVar) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = expand(s, env)
	}
	return out
}
