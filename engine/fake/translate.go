package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// pod is what one instance runs.
type pod struct {
	element    string
	workload   string
	inits      []corev1.Container
	containers []corev1.Container
	health     *berth.Health
	objects    []runtime.Object // the element's, for values from ConfigMaps and Secrets
}

// demand is one controller object as plan sees it, with what it runs.
type demand struct {
	plan.Wanted
	halted string // why it may not run
	pod    pod
}

// demands translates a workload. An object of no known kind is an *engine.Unsupported.
func demands(w engine.Workload) ([]demand, error) {
	var out []demand
	for _, e := range w.Elements {
		for _, object := range e.Objects {
			d, ok, err := demandOf(w, e, object)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, d)
			}
		}
	}
	if w.Stopped {
		return nil, nil
	}
	return out, nil
}

func demandOf(w engine.Workload, e engine.Element, object runtime.Object) (demand, bool, error) {
	replicas := func(n *int32) int {
		if n == nil {
			return 1
		}
		return int(*n)
	}
	build := w.Kind == berth.KindBuild
	switch o := object.(type) {
	case *appsv1.Deployment:
		overlap := build && o.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType
		return newDemand(e, o, o.Spec.Template, plan.Wanted{Replicas: replicas(o.Spec.Replicas), Overlap: overlap}), true, nil
	case *appsv1.StatefulSet:
		return newDemand(e, o, o.Spec.Template, plan.Wanted{Replicas: replicas(o.Spec.Replicas)}), true, nil
	case *batchv1.Job:
		return newDemand(e, o, o.Spec.Template, plan.Wanted{Replicas: 1, Once: true, Gate: o.Name == berth.PreDeploy}), true, nil
	case *batchv1.CronJob, *corev1.Service, *corev1.ConfigMap, *corev1.Secret,
		*corev1.PersistentVolumeClaim, *networkingv1.Ingress:
		return demand{}, false, nil
	}
	return demand{}, false, &engine.Unsupported{What: describe(object)}
}

func describe(o runtime.Object) string {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	if kind == "" {
		kind = reflect.Indirect(reflect.ValueOf(o)).Type().Name()
	}
	if m, ok := o.(metav1.Object); ok {
		return kind + " " + m.GetName()
	}
	return kind
}

func newDemand(e engine.Element, o metav1.Object, template corev1.PodTemplateSpec, w plan.Wanted) demand {
	w.Key = e.Identifier + "/" + o.GetName()
	w.Hash, w.Halted = hash(e, template), e.Halted != ""
	if e.Kind != berth.KindAddon {
		w.Tier = 1
	}
	w.Held = e.Held
	return demand{Wanted: w, halted: e.Halted, pod: pod{
		element: e.Identifier, workload: o.GetName(),
		inits: template.Spec.InitContainers, containers: template.Spec.Containers,
		health: e.Health, objects: e.Objects,
	}}
}

// hash covers the pod, what it is given by ConfigMaps and Secrets, its health rule and its restarts.
func hash(e engine.Element, template corev1.PodTemplateSpec) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	encode := func(v any) {
		if err := enc.Encode(v); err != nil {
			panic("fake: encode a Kubernetes object: " + err.Error()) // they are plain data
		}
	}
	encode(template)
	encode(e.Health)
	encode(e.Restarts)
	for _, o := range e.Objects {
		switch o.(type) {
		case *corev1.ConfigMap, *corev1.Secret:
			encode(o)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// probed reports whether anything but the passing of time says that the pod is ready.
func (p pod) probed() bool {
	return p.health != nil || slices.ContainsFunc(p.containers, func(c corev1.Container) bool {
		return c.ReadinessProbe != nil || len(c.Ports) > 0
	})
}

// ports are those that have to be listened on: the first of probe, health and declaration that names any.
func (p pod) ports() []int {
	var probed, declared []int
	for _, c := range p.containers {
		if probe := c.ReadinessProbe; probe != nil {
			switch {
			case probe.TCPSocket != nil:
				probed = append(probed, probe.TCPSocket.Port.IntValue())
			case probe.HTTPGet != nil:
				probed = append(probed, probe.HTTPGet.Port.IntValue())
			default:
				return nil
			}
		}
		for _, port := range c.Ports {
			declared = append(declared, int(port.ContainerPort))
		}
	}
	switch {
	case len(probed) > 0:
		return probed
	case p.health != nil && p.health.Port != 0:
		return []int{p.health.Port}
	case p.health != nil && p.health.Command != nil:
		return nil
	}
	return declared
}

// commands are the probes that run a program inside, with the container they run in.
func (p pod) commands() map[string][]string {
	out := map[string][]string{}
	for _, c := range p.containers {
		if c.ReadinessProbe != nil && c.ReadinessProbe.Exec != nil {
			out[c.Name] = c.ReadinessProbe.Exec.Command
		}
	}
	if len(out) == 0 && p.health != nil && len(p.health.Command) > 0 && len(p.containers) > 0 {
		out[p.containers[0].Name] = p.health.Command
	}
	return out
}

// behaviours scripts the pod's containers, secrets put in at this last moment.
func (e *Engine) behaviours(ctx context.Context, p pod, list []corev1.Container, init bool) ([]Behaviour, error) {
	var out []Behaviour
	for _, c := range list {
		env, err := e.environment(ctx, p, c)
		if err != nil {
			return nil, err
		}
		out = append(out, e.behaviour(Container{
			Name: c.Name, Image: c.Image, Command: slices.Concat(c.Command, c.Args), Env: env, Init: init,
		}))
	}
	return out, nil
}

func (e *Engine) behaviour(c Container) Behaviour {
	if e.cfg.Behave != nil {
		return e.cfg.Behave(c)
	}
	return e.cfg.Images[c.Image]
}

func (e *Engine) environment(ctx context.Context, p pod, c corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		for _, o := range p.objects {
			for name, value := range valuesFor(o, from) {
				env[from.Prefix+name] = value
			}
		}
	}
	for _, v := range c.Env {
		env[v.Name] = v.Value
		if v.ValueFrom == nil {
			continue
		}
		for _, o := range p.objects {
			if value, ok := valueFor(o, v.ValueFrom); ok {
				env[v.Name] = value
			}
		}
	}
	for name, value := range env {
		revealed, err := berth.ReplaceSecretTokens(value, func(id berth.ID, version int) (string, error) {
			return e.secret(ctx, id, version)
		})
		if err != nil {
			return nil, fmt.Errorf("reveal %s: %w", name, err)
		}
		env[name] = revealed
	}
	return env, nil
}

func (e *Engine) secret(ctx context.Context, id berth.ID, version int) (string, error) {
	if e.cfg.Secret == nil {
		return berth.SecretToken(id, version), nil
	}
	s, err := e.cfg.Secret(ctx, id, version)
	return s.Reveal(), err
}

func valuesFor(o runtime.Object, from corev1.EnvFromSource) map[string]string {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		if from.ConfigMapRef != nil && from.ConfigMapRef.Name == o.Name {
			return o.Data
		}
	case *corev1.Secret:
		if from.SecretRef != nil && from.SecretRef.Name == o.Name {
			return secretData(o)
		}
	}
	return nil
}

func valueFor(o runtime.Object, from *corev1.EnvVarSource) (string, bool) {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		if ref := from.ConfigMapKeyRef; ref != nil && ref.Name == o.Name {
			value, ok := o.Data[ref.Key]
			return value, ok
		}
	case *corev1.Secret:
		if ref := from.SecretKeyRef; ref != nil && ref.Name == o.Name {
			value, ok := secretData(o)[ref.Key]
			return value, ok
		}
	}
	return "", false
}

func secretData(s *corev1.Secret) map[string]string {
	out := map[string]string{}
	for name, value := range s.Data {
		out[name] = string(value)
	}
	for name, value := range s.StringData {
		out[name] = value
	}
	return out
}
