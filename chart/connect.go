package chart

import (
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// connect follows each public host to the pods that answer it, and each service name to its own.
func (r *rendering) connect() error {
	r.countWorkloads()
	for _, o := range r.out.Objects {
		if s, ok := o.(*corev1.Service); ok {
			if err := r.service(s); err != nil {
				return err
			}
		}
	}
	for _, o := range r.out.Objects {
		if in, ok := o.(*networkingv1.Ingress); ok {
			if err := r.ingress(in); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rendering) countWorkloads() {
	r.out.Workloads = map[string]int{}
	for _, o := range r.out.Objects {
		switch o := o.(type) {
		case *appsv1.Deployment:
			r.out.Workloads[o.Name] = int(max(*o.Spec.Replicas, 0))
		case *appsv1.StatefulSet:
			r.out.Workloads[o.Name] = int(max(*o.Spec.Replicas, 0))
		case *batchv1.Job:
			if IsPreDeploy(o) {
				r.out.Workloads[o.Name] = 1
			}
		}
	}
}

func (r *rendering) service(s *corev1.Service) error {
	workload, template := r.selected(s)
	if workload == "" {
		r.warn(fmt.Sprintf("%s selects no pods of the package; nothing will answer there", label(s)))
		return nil
	}
	name := berth.ServiceName{Element: r.in.Element, Name: s.Name, Workload: workload}
	for _, p := range s.Spec.Ports {
		if !validPort(p.Port) {
			return berth.Errorf(berth.EInvalid, "%s: port %d is not a number from 1 to 65535", label(s), p.Port)
		}
		target, err := targetOf(s, p, template)
		if err != nil {
			return err
		}
		if p.Protocol != corev1.ProtocolTCP && target != int(p.Port) {
			r.warn(fmt.Sprintf("%s: only TCP ports are led to another target port; %s port %d is not", label(s), p.Protocol, p.Port))
		}
		name.Ports = append(name.Ports, berth.ServicePort{Port: int(p.Port), Target: target})
	}
	r.out.Services = append(r.out.Services, name)
	return nil
}

func validPort(p int32) bool { return p >= 1 && p <= 65535 }

// selected finds the controller whose pods a Service selects.
func (r *rendering) selected(s *corev1.Service) (workload string, template *corev1.PodTemplateSpec) {
	if len(s.Spec.Selector) == 0 {
		return "", nil
	}
	for _, o := range r.out.Objects {
		t, _ := podOf(o)
		if t == nil || !isLongRunning(o) || !selects(s.Spec.Selector, t.Labels) {
			continue
		}
		if workload != "" {
			r.warn(fmt.Sprintf("%s selects the pods of %s and of %s; only the first answer", label(s), workload, nameOf(o)))
			continue
		}
		workload, template = nameOf(o), t
	}
	return workload, template
}

func isLongRunning(o runtime.Object) bool {
	switch o.(type) {
	case *appsv1.Deployment, *appsv1.StatefulSet:
		return true
	}
	return false
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// targetOf resolves a Service port to the pod's, by number or by a container port's name.
func targetOf(s *corev1.Service, p corev1.ServicePort, t *corev1.PodTemplateSpec) (int, error) {
	if p.TargetPort.Type == intstr.Int {
		if !validPort(p.TargetPort.IntVal) {
			return 0, berth.Errorf(berth.EInvalid, "%s: targetPort %d is not a number from 1 to 65535", label(s), p.TargetPort.IntVal)
		}
		return int(p.TargetPort.IntVal), nil
	}
	for _, c := range t.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == p.TargetPort.StrVal {
				return int(port.ContainerPort), nil
			}
		}
	}
	return 0, berth.Errorf(berth.EInvalid, "%s: no container of its pods has a port named %q", label(s), clip(p.TargetPort.StrVal))
}

func (r *rendering) ingress(in *networkingv1.Ingress) error {
	if in.Spec.DefaultBackend != nil {
		return berth.Errorf(berth.EUnsupported, "%s: spec.defaultBackend is not supported: every host of an element needs its own rule", label(in))
	}
	for i, rule := range in.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		if !r.ours(rule.Host) {
			r.warn(fmt.Sprintf("%s: rule %d is for %q, which is no host of %s; it is ignored", label(in), i, clip(rule.Host), r.in.Element))
			continue
		}
		for _, p := range rule.HTTP.Paths {
			if p.Path != "" && p.Path != "/" {
				return berth.Errorf(berth.EUnsupported, "%s: path %s is not supported: a host leads to one Service as a whole; declare another host for it", label(in), clip(p.Path))
			}
			r.route(in, rule.Host, p.Backend)
		}
	}
	return nil
}

// ours keeps a chart from taking the host of another element or deployment.
func (r *rendering) ours(host string) bool {
	return host != "" && r.identifierOf(host) != ""
}

// identifierOf says which of the element's hosts has a name.
func (r *rendering) identifierOf(host string) string {
	for identifier, name := range r.in.Values.Hosts {
		if name == host {
			return identifier
		}
	}
	for _, e := range r.in.Values.Endpoints {
		if e.URL == host {
			return e.Identifier
		}
	}
	return ""
}

func (r *rendering) route(in *networkingv1.Ingress, host string, backend networkingv1.IngressBackend) {
	if slices.ContainsFunc(r.out.Routes, func(known berth.Route) bool { return known.Host == host }) {
		r.warn(fmt.Sprintf("%s: %s already leads somewhere; the later rule is ignored", label(in), host))
		return
	}
	if backend.Service == nil {
		r.warn(fmt.Sprintf("%s: %s does not lead to a Service", label(in), host))
		return
	}
	workload, port, ok := r.backend(backend.Service)
	if !ok {
		r.warn(fmt.Sprintf("%s: %s leads to port %s of the Service %s, which the package does not have", label(in), host, portName(backend.Service), clip(backend.Service.Name)))
		return
	}
	r.out.Routes = append(r.out.Routes, berth.Route{Host: host, Element: r.in.Element, Identifier: r.identifierOf(host), Workload: workload, Port: port})
}

func portName(s *networkingv1.IngressServiceBackend) string {
	if s.Port.Name != "" {
		return clip(s.Port.Name)
	}
	return fmt.Sprint(s.Port.Number)
}

// backend finds the pods and the port behind an Ingress backend.
func (r *rendering) backend(b *networkingv1.IngressServiceBackend) (workload string, port int, ok bool) {
	for _, o := range r.out.Objects {
		s, isService := o.(*corev1.Service)
		if !isService || s.Name != b.Name {
			continue
		}
		i := slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
			return b.Port.Name != "" && p.Name == b.Port.Name || b.Port.Name == "" && p.Port == b.Port.Number
		})
		j := slices.IndexFunc(r.out.Services, func(n berth.ServiceName) bool { return n.Name == b.Name })
		if i >= 0 && j >= 0 {
			return r.out.Services[j].Workload, r.out.Services[j].Ports[i].Target, true
		}
	}
	return "", 0, false
}
