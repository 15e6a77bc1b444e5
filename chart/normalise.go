package chart

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// empty reports objects that charts render when an element has no host: an Ingress without
// rules, a Service without ports. A cluster would reject them; they mean nothing.
func empty(o runtime.Object) bool {
	switch o := o.(type) {
	case *corev1.Service:
		return len(o.Spec.Ports) == 0
	case *networkingv1.Ingress:
		return len(o.Spec.Rules) == 0 && o.Spec.DefaultBackend == nil
	}
	return false
}

// normalise drops what means nothing here and writes out what was left to defaults, so that
// charts which mean the same give the same bytes and a template's whim restarts nothing.
func (r *rendering) normalise() error {
	for _, o := range r.out.Objects {
		r.normaliseMeta(o)
		switch o := o.(type) {
		case *corev1.Service:
			normaliseService(o)
		case *corev1.Secret:
			normaliseSecret(o)
		case *appsv1.Deployment:
			o.Status = appsv1.DeploymentStatus{}
			o.Spec.Replicas = cmp.Or(o.Spec.Replicas, ptr(int32(1)))
			o.Spec.RevisionHistoryLimit, o.Spec.ProgressDeadlineSeconds = nil, nil
			normaliseStrategy(&o.Spec.Strategy)
		case *appsv1.StatefulSet:
			o.Status = appsv1.StatefulSetStatus{}
			o.Spec.Replicas = cmp.Or(o.Spec.Replicas, ptr(int32(1)))
			o.Spec.RevisionHistoryLimit = nil
		case *batchv1.Job:
			o.Status = batchv1.JobStatus{}
		case *batchv1.CronJob:
			o.Status = batchv1.CronJobStatus{}
		case *networkingv1.Ingress:
			o.Status = networkingv1.IngressStatus{}
		}
		if t, _ := podOf(o); t != nil {
			normalisePod(t)
		}
	}
	return nil
}

func ptr[T any](v T) *T { return &v }

func (r *rendering) normaliseMeta(o runtime.Object) {
	m := metaOf(o)
	if m.Namespace != "" && m.Namespace != r.in.Element {
		r.warn(label(o) + " asks for the namespace " + clip(m.Namespace) + "; every object of an element is in its own, " + r.in.Element)
	}
	*m = v1.ObjectMeta{Name: m.Name, Labels: m.Labels, Annotations: m.Annotations}
}

// normaliseService makes every Service reachable inside the deployment only: a database on a
// machine's port is nobody's intent.
func normaliseService(s *corev1.Service) {
	s.Status = corev1.ServiceStatus{}
	s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil
	s.Spec.IPFamilies, s.Spec.IPFamilyPolicy = nil, nil
	s.Spec.ExternalTrafficPolicy, s.Spec.InternalTrafficPolicy = "", nil
	s.Spec.SessionAffinity, s.Spec.SessionAffinityConfig = "", nil
	s.Spec.HealthCheckNodePort, s.Spec.AllocateLoadBalancerNodePorts, s.Spec.LoadBalancerClass = 0, nil, nil
	switch s.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
		s.Spec.Type = ""
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		p.NodePort, p.AppProtocol = 0, nil
		p.Protocol = cmp.Or(p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}

// normaliseSecret keeps one of the two ways to write a value, the one a cluster keeps too.
func normaliseSecret(s *corev1.Secret) {
	for key, value := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}

func normaliseStrategy(s *appsv1.DeploymentStrategy) {
	if s.Type = cmp.Or(s.Type, appsv1.RollingUpdateDeploymentStrategyType); s.Type == appsv1.RollingUpdateDeploymentStrategyType {
		s.RollingUpdate = nil // Berth always starts the new beside the old
	}
}

func normalisePod(t *corev1.PodTemplateSpec) {
	t.ObjectMeta = v1.ObjectMeta{Labels: t.Labels, Annotations: t.Annotations}
	s := &t.Spec
	s.ImagePullSecrets = nil // images are local by the time they run
	s.DNSPolicy, s.SchedulerName, s.NodeSelector, s.Affinity, s.Tolerations, s.TopologySpreadConstraints = "", "", nil, nil, nil, nil
	s.PriorityClassName, s.EnableServiceLinks, s.AutomountServiceAccountToken = "", nil, nil
	if s.ServiceAccountName == "default" {
		s.ServiceAccountName = ""
	}
	s.DeprecatedServiceAccount = ""
	if s.RestartPolicy == corev1.RestartPolicyAlways {
		s.RestartPolicy = ""
	}
	if reflect.DeepEqual(s.SecurityContext, &corev1.PodSecurityContext{}) {
		s.SecurityContext = nil
	}
	slices.SortFunc(s.Volumes, func(a, b corev1.Volume) int { return cmp.Compare(a.Name, b.Name) })
	containersOf(s, func(c *corev1.Container, _ string) { normaliseContainer(c) })
}

func normaliseContainer(c *corev1.Container) {
	c.ImagePullPolicy = ""
	c.TerminationMessagePath, c.TerminationMessagePolicy = "", ""
	c.Env = lastWins(c.Env)
	for i := range c.Ports {
		c.Ports[i].Protocol = cmp.Or(c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	slices.SortStableFunc(c.VolumeMounts, func(a, b corev1.VolumeMount) int { return cmp.Compare(a.MountPath, b.MountPath) })
	c.SecurityContext = normaliseSecurity(c.SecurityContext)
}

// lastWins drops every variable that a later one of the same name overrides.
func lastWins(env []corev1.EnvVar) []corev1.EnvVar {
	last := map[string]int{}
	for i, e := range env {
		last[e.Name] = i
	}
	var out []corev1.EnvVar
	for i, e := range env {
		if last[e.Name] == i {
			out = append(out, e)
		}
	}
	return out
}

// normaliseSecurity drops what only repeats the default. allowPrivilegeEscalation: true does.
func normaliseSecurity(s *corev1.SecurityContext) *corev1.SecurityContext {
	if s == nil {
		return nil
	}
	if s.Privileged != nil && !*s.Privileged {
		s.Privileged = nil
	}
	if s.AllowPrivilegeEscalation != nil && *s.AllowPrivilegeEscalation {
		s.AllowPrivilegeEscalation = nil
	}
	if s.Capabilities != nil && len(s.Capabilities.Add)+len(s.Capabilities.Drop) == 0 {
		s.Capabilities = nil
	}
	if s.ProcMount != nil && strings.EqualFold(string(*s.ProcMount), string(corev1.DefaultProcMount)) {
		s.ProcMount = nil
	}
	if reflect.DeepEqual(s, &corev1.SecurityContext{}) {
		return nil
	}
	return s
}
