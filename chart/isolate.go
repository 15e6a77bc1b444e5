package chart

import (
	"slices"

	"github.com/berth-dev/berth"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// isolate keeps what writes to a directory of the deployment from running beside its own replacement: two
// writers of one database file lose data, whatever the package's strategy says. Development code is shared
// by design.
func (r *rendering) isolate() error {
	if r.in.Kind != berth.KindBuild {
		return nil
	}
	for _, o := range r.out.Objects {
		if d, ok := o.(*appsv1.Deployment); ok && writesToHost(&d.Spec.Template.Spec) {
			neverOverlap(d)
		}
	}
	return nil
}

// neverOverlap has a Deployment's instances end before their replacements start.
func neverOverlap(d *appsv1.Deployment) {
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
}

func writesToHost(pod *corev1.PodSpec) (writes bool) {
	onHost := func(name string) bool {
		return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == name && v.HostPath != nil })
	}
	containersOf(pod, func(c *corev1.Container, _ string) {
		writes = writes || slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return !m.ReadOnly && onHost(m.Name) })
	})
	return writes
}
