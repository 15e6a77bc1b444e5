package chart

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Mount is a volume that a project adds to an element whose package knows nothing of it
// (berth.storage).
type Mount struct {
	Identifier string
	HostPath   string
	Path       string // in every container of the element's Deployments and StatefulSets
}

// AddMounts adds the mounts to the objects, in place. A container that mounts something at the
// same path already keeps it. A Deployment with a mount does not run beside its replacement any more.
func AddMounts(objects []runtime.Object, mounts []Mount) {
	if len(mounts) == 0 {
		return
	}
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok {
			neverOverlap(d)
		}
		pod := mountable(o)
		if pod == nil {
			continue
		}
		for i, m := range mounts {
			addMount(pod, fmt.Sprintf("berth-%d-%s", i, m.Identifier), m)
		}
	}
}

func addMount(pod *corev1.PodSpec, name string, m Mount) {
	kind := corev1.HostPathDirectory
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: m.HostPath, Type: &kind}}})
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			c := &containers[i]
			taken := slices.ContainsFunc(c.VolumeMounts, func(v corev1.VolumeMount) bool { return v.MountPath == m.Path })
			if !taken {
				c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: m.Path})
			}
		}
	}
}
