package chart

import (
	"github.com/berth-dev/berth"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// bindClaims turns every PersistentVolumeClaim into a volume of the deployment: what a pod mounts
// is then a host directory like any other. A StatefulSet's claim templates are claims of its one pod.
func (r *rendering) bindClaims() error {
	if r.in.ClaimPath == nil {
		return nil
	}
	paths := map[string]string{}
	var kept []runtime.Object
	for _, o := range r.out.Objects {
		switch o := o.(type) {
		case *corev1.PersistentVolumeClaim:
			paths[o.Name] = r.claim(o.Name, o)
			continue
		case *appsv1.StatefulSet:
			if err := r.bindTemplates(o); err != nil {
				return err
			}
		}
		kept = append(kept, o)
	}
	r.out.Objects = kept
	for _, o := range kept {
		if t, _ := podOf(o); t != nil {
			if err := bindVolumes(o, &t.Spec, paths); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rendering) claim(name string, c *corev1.PersistentVolumeClaim) string {
	size := c.Spec.Resources.Requests[corev1.ResourceStorage]
	r.out.Claims = append(r.out.Claims, berth.Volume{Element: r.in.Element, Identifier: name, UID: -1, GID: -1, SizeBytes: size.Value()})
	return r.in.ClaimPath(name, size.Value())
}

func (r *rendering) bindTemplates(s *appsv1.StatefulSet) error {
	if len(s.Spec.VolumeClaimTemplates) == 0 {
		return nil
	}
	if s.Spec.Replicas != nil && *s.Spec.Replicas > 1 {
		return berth.Errorf(berth.EUnsupported, "%s: spec.volumeClaimTemplates with more than one replica is not supported yet", label(s))
	}
	for i := range s.Spec.VolumeClaimTemplates {
		c := &s.Spec.VolumeClaimTemplates[i]
		if !validName(c.Name) {
			return berth.Errorf(berth.EInvalid, "%s: spec.volumeClaimTemplates has the invalid name %q", label(s), clip(c.Name))
		}
		path := r.claim(c.Name+"-"+s.Name+"-0", c)
		s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, corev1.Volume{Name: c.Name, VolumeSource: hostPath(path)})
	}
	s.Spec.VolumeClaimTemplates, s.Spec.PersistentVolumeClaimRetentionPolicy = nil, nil
	return nil
}

func hostPath(path string) corev1.VolumeSource {
	return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}
}

func bindVolumes(o runtime.Object, s *corev1.PodSpec, paths map[string]string) error {
	for i := range s.Volumes {
		v := &s.Volumes[i]
		claim := v.PersistentVolumeClaim
		if claim == nil {
			continue
		}
		path, ok := paths[claim.ClaimName]
		if !ok {
			return berth.Errorf(berth.EInvalid, "%s: volume %s uses the claim %s, which the package does not have", label(o), v.Name, clip(claim.ClaimName))
		}
		v.VolumeSource = hostPath(path)
		if claim.ReadOnly {
			mountReadOnly(s, v.Name)
		}
	}
	return nil
}

func mountReadOnly(s *corev1.PodSpec, volume string) {
	containersOf(s, func(c *corev1.Container, _ string) {
		for i := range c.VolumeMounts {
			if c.VolumeMounts[i].Name == volume {
				c.VolumeMounts[i].ReadOnly = true
			}
		}
	})
}
