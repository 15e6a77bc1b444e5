package chart

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// kind is one row of the closed list.
type kind struct {
	version, name string
	new           func() runtime.Object
}

// kinds is the closed list, in the order in which rendered objects are kept.
var kinds = []kind{
	{"v1", "ConfigMap", func() runtime.Object { return &corev1.ConfigMap{} }},
	{"v1", "Secret", func() runtime.Object { return &corev1.Secret{} }},
	{"v1", "PersistentVolumeClaim", func() runtime.Object { return &corev1.PersistentVolumeClaim{} }},
	{"v1", "Service", func() runtime.Object { return &corev1.Service{} }},
	{"apps/v1", "StatefulSet", func() runtime.Object { return &appsv1.StatefulSet{} }},
	{"apps/v1", "Deployment", func() runtime.Object { return &appsv1.Deployment{} }},
	{"batch/v1", "Job", func() runtime.Object { return &batchv1.Job{} }},
	{"batch/v1", "CronJob", func() runtime.Object { return &batchv1.CronJob{} }},
	{"networking.k8s.io/v1", "Ingress", func() runtime.Object { return &networkingv1.Ingress{} }},
}

func kindOf(version, name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.version == version && k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

func rankOf(o runtime.Object) int {
	name := o.GetObjectKind().GroupVersionKind().Kind
	return slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
}

func nameOf(o runtime.Object) string { return metaOf(o).GetName() }

func metaOf(o runtime.Object) *v1.ObjectMeta {
	return o.(v1.ObjectMetaAccessor).GetObjectMeta().(*v1.ObjectMeta)
}

// label names an object in messages: "Deployment app".
func label(o runtime.Object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + " " + nameOf(o)
}

// podOf returns the pod template of a controller object and the path of its spec, or nil.
func podOf(o runtime.Object) (template *corev1.PodTemplateSpec, path string) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, "spec.template.spec."
	case *appsv1.StatefulSet:
		return &o.Spec.Template, "spec.template.spec."
	case *batchv1.Job:
		return &o.Spec.Template, "spec.template.spec."
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, "spec.jobTemplate.spec.template.spec."
	}
	return nil, ""
}

// containersOf yields init containers and containers with their paths.
func containersOf(s *corev1.PodSpec, visit func(c *corev1.Container, path string)) {
	for i := range s.InitContainers {
		visit(&s.InitContainers[i], "initContainers["+s.InitContainers[i].Name+"].")
	}
	for i := range s.Containers {
		visit(&s.Containers[i], "containers["+s.Containers[i].Name+"].")
	}
}
