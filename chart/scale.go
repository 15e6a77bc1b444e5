package chart

import (
	"github.com/berth-dev/berth"
	appsv1 "k8s.io/api/apps/v1"
)

// scale gives Deployments the number of instances that the project wants. What may not run beside itself
// cannot have more than one.
func (r *rendering) scale() error {
	if r.in.Replicas == 0 {
		return nil
	}
	scaled := 0
	for _, o := range r.out.Objects {
		d, ok := o.(*appsv1.Deployment)
		if !ok {
			continue
		}
		if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType && r.in.Replicas > 1 {
			return berth.Errorf(berth.EUnsupported, "berth.replicas: %s may not run twice at once, because its package says Recreate or it has a volume of its own; remove replicas, or the volume", label(d))
		}
		d.Spec.Replicas = ptr(int32(r.in.Replicas))
		scaled++
	}
	if scaled == 0 && r.in.Replicas > 1 {
		return berth.Errorf(berth.EUnsupported, "berth.replicas: the package has no Deployment, so nothing of it can run more than once")
	}
	return nil
}
