package docker

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	defaultGrace  = 30 * time.Second
	runLongEnough = 5 * time.Second // what an element without a port has to run to be ready
)

// translate turns a workload into pods. It is pure; image ids are added by resolve. An object, field or
// value that this engine cannot honour is an *engine.Unsupported.
func translate(w engine.Workload) ([]*pod, error) {
	var pods []*pod
	if w.Stopped {
		return nil, nil
	}
	for _, el := range w.Elements {
		ps, err := translateElement(w, el)
		if err != nil {
			return nil, fmt.Errorf("element %s: %w", el.Identifier, err)
		}
		pods = append(pods, ps...)
	}
	return pods, nil
}

// element is one element's objects by kind.
type element struct {
	engine.Element
	stage    berth.StageKind
	configs  map[string]*corev1.ConfigMap
	secrets  map[string]*corev1.Secret
	services []*corev1.Service
}

func translateElement(w engine.Workload, e engine.Element) ([]*pod, error) {
	el := &element{Element: e, stage: w.Kind, configs: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}}
	for _, o := range e.Objects {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			el.configs[o.Name] = o
		case *corev1.Secret:
			el.secrets[o.Name] = o
		case *corev1.Service:
			el.services = append(el.services, o)
		}
	}
	var pods []*pod
	seen := map[string]bool{}
	for _, o := range e.Objects {
		p, err := el.controller(o)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		if seen[p.Workload] {
			return nil, unsupported("a second controller named %s", p.Workload)
		}
		seen[p.Workload] = true
		pods = append(pods, p)
	}
	return pods, nil
}

func unsupported(format string, args ...any) error {
	return &engine.Unsupported{What: fmt.Sprintf(format, args...)}
}

// controller translates an object that runs pods; other objects give nil.
func (el *element) controller(o runtime.Object) (*pod, error) {
	p := &pod{Element: el.Identifier, Kind: el.stage, Tier: 1, Restarts: el.Restarts, Replicas: 1, Held: el.Held}
	if el.Kind == berth.KindAddon {
		p.Tier = 0
	}
	var template corev1.PodTemplateSpec
	switch o := o.(type) {
	case *appsv1.Deployment:
		p.Workload, template = o.Name, o.Spec.Template
		p.Replicas = replicas(o.Spec.Replicas)
		p.Overlap = el.stage == berth.KindBuild && o.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType
	case *appsv1.StatefulSet:
		if len(o.Spec.VolumeClaimTemplates) > 0 {
			return nil, unsupported("volumeClaimTemplates of StatefulSet %s", o.Name)
		}
		p.Workload, template = o.Name, o.Spec.Template
		p.Replicas = replicas(o.Spec.Replicas)
	case *batchv1.Job:
		p.Workload, template, p.Once = o.Name, o.Spec.Template, true
		p.Gate = o.Name == berth.PreDeploy
	case *corev1.ConfigMap, *corev1.Secret, *corev1.Service, *networkingv1.Ingress, *corev1.PersistentVolumeClaim:
		return nil, nil
	case *batchv1.CronJob:
		return nil, unsupported("CronJob %s", o.Name)
	default:
		return nil, unsupported("%s", nameOf(o))
	}
	if p.Replicas == 0 {
		return nil, nil
	}
	if err := el.template(p, template); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Workload, err)
	}
	p.Template = hashOf(p)
	return p, nil
}

// nameOf says which object it is: its kind, by its Go type where it does not say so itself, and its name.
func nameOf(o runtime.Object) string {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	if kind == "" {
		kind = fmt.Sprintf("%T", o)
		kind = kind[strings.LastIndexByte(kind, '.')+1:]
	}
	if m, err := meta.Accessor(o); err == nil {
		return kind + " " + m.GetName()
	}
	return kind
}

func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return max(0, int(*n))
}

func (el *element) template(p *pod, t corev1.PodTemplateSpec) error {
	spec := t.Spec
	if err := refuse(spec); err != nil {
		return err
	}
	p.Grace = defaultGrace
	if s := spec.TerminationGracePeriodSeconds; s != nil {
		p.Grace = time.Duration(*s) * time.Second
	}
	p.Hostname = spec.Hostname
	for _, a := range spec.HostAliases {
		for _, name := range a.Hostnames {
			p.HostAlias = append(p.HostAlias, name+":"+a.IP)
		}
	}
	if err := el.volumes(p, spec); err != nil {
		return err
	}
	inits, mains := sidecarsFirst(spec)
	if len(mains) == 0 {
		return unsupported("a pod without containers")
	}
	for _, c := range inits {
		if err := el.container(p, t, c, true); err != nil {
			return fmt.Errorf("init container %s: %w", c.Name, err)
		}
	}
	for _, c := range mains {
		if err := el.container(p, t, c, false); err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
	}
	if err := el.redirects(p, t, mains); err != nil {
		return err
	}
	p.Ports = declaredPorts(mains)
	return el.checks(p, mains, len(inits))
}

// sidecarsFirst splits a pod's containers: an init container that is restarted always runs beside the
// main ones, and starts before them.
func sidecarsFirst(spec corev1.PodSpec) (inits, mains []corev1.Container) {
	for _, c := range spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			mains = append(mains, c)
		} else {
			inits = append(inits, c)
		}
	}
	return inits, append(mains, spec.Containers...)
}

// refuse names what a pod may not have. Charts are checked when they are rendered; this is the second lock.
func refuse(spec corev1.PodSpec) error {
	switch {
	case spec.HostNetwork:
		return unsupported("hostNetwork")
	case spec.HostPID:
		return unsupported("hostPID")
	case spec.HostIPC:
		return unsupported("hostIPC")
	case spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace:
		return unsupported("shareProcessNamespace")
	case len(spec.EphemeralContainers) > 0:
		return unsupported("ephemeralContainers")
	case spec.SecurityContext != nil && len(spec.SecurityContext.Sysctls) > 0:
		return unsupported("securityContext.sysctls")
	}
	return nil
}

func (el *element) container(p *pod, t corev1.PodTemplateSpec, c corev1.Container, init bool) error {
	out := containerSpec{
		Name: c.Name, Init: init, Image: c.Image, WorkingDir: c.WorkingDir, TTY: c.TTY, Stdin: c.Stdin,
		Memory:  c.Resources.Limits.Memory().Value(),
		NanoCPU: c.Resources.Limits.Cpu().MilliValue() * 1_000_000,
	}
	if c.Image == "" {
		return unsupported("a container without an image")
	}
	for _, port := range c.Ports {
		if port.HostPort != 0 {
			return unsupported("hostPort %d", port.HostPort)
		}
	}
	if len(c.VolumeDevices) > 0 {
		return unsupported("volumeDevices")
	}
	var err error
	if out.Env, err = el.environment(t, c); err != nil {
		return err
	}
	out.Entrypoint = expandAll(c.Command, out.Env)
	out.Args = expandAll(c.Args, out.Env)
	if err := secure(&out, t.Spec.SecurityContext, c.SecurityContext); err != nil {
		return err
	}
	for _, m := range c.VolumeMounts {
		if _, ok := p.Volumes[m.Name]; !ok {
			return unsupported("a mount of volume %s, which the pod does not have,", m.Name)
		}
		if !path.IsAbs(m.MountPath) {
			return unsupported("the relative mountPath %q", m.MountPath)
		}
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, out.Env)
		}
		if path.IsAbs(sub) || slices.Contains(strings.Split(sub, "/"), "..") {
			return unsupported("the subPath %q", sub)
		}
		out.Mounts = append(out.Mounts, mountSpec{m.Name, sub, path.Clean(m.MountPath), m.ReadOnly})
	}
	if l := c.Lifecycle; l != nil {
		if l.PostStart != nil {
			return unsupported("lifecycle.postStart")
		}
		if l.PreStop != nil {
			if l.PreStop.Exec == nil {
				return unsupported("lifecycle.preStop other than exec")
			}
			out.PreStop = expandAll(l.PreStop.Exec.Command, out.Env)
		}
	}
	p.Containers = append(p.Containers, out)
	return nil
}

// capabilities that a container may be given back after it dropped all: Docker's default set without
// NET_RAW (forging packets on the deployment's network) and MKNOD.
var capabilities = []corev1.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func secure(out *containerSpec, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) error {
	if pod != nil {
		out.RunAsUser, out.RunAsGroup = pod.RunAsUser, pod.RunAsGroup
		for _, g := range pod.SupplementalGroups {
			out.Groups = append(out.Groups, fmt.Sprint(g))
		}
		if pod.FSGroup != nil {
			out.Groups = append(out.Groups, fmt.Sprint(*pod.FSGroup))
		}
	}
	if c == nil {
		return nil
	}
	if c.Privileged != nil && *c.Privileged {
		return unsupported("privileged")
	}
	out.RunAsUser = cmp.Or(c.RunAsUser, out.RunAsUser)
	out.RunAsGroup = cmp.Or(c.RunAsGroup, out.RunAsGroup)
	out.ReadOnlyRoot = c.ReadOnlyRootFilesystem != nil && *c.ReadOnlyRootFilesystem
	if c.AllowPrivilegeEscalation != nil {
		no := !*c.AllowPrivilegeEscalation
		out.NoEscalation = &no
	}
	if c.Capabilities == nil {
		return nil
	}
	for _, name := range c.Capabilities.Drop {
		out.DropCaps = append(out.DropCaps, string(name))
	}
	for _, name := range c.Capabilities.Add {
		if !slices.Contains(capabilities, name) {
			return unsupported("the added capability %s", name)
		}
		out.AddCaps = append(out.AddCaps, string(name))
	}
	return nil
}

// redirects are the Service ports of a pod that differ from the ports it listens on.
func (el *element) redirects(p *pod, t corev1.PodTemplateSpec, mains []corev1.Container) error {
	taken := map[string]bool{}
	for _, s := range el.services {
		if len(s.Spec.Selector) == 0 || !selects(s.Spec.Selector, t.Labels) {
			continue
		}
		for _, port := range s.Spec.Ports {
			target, err := targetPort(port, mains)
			if err != nil {
				return fmt.Errorf("service %s: %w", s.Name, err)
			}
			r := redirect{Protocol: strings.ToLower(cmp.Or(string(port.Protocol), "TCP")), Port: int(port.Port), Target: target}
			if r.Protocol != "tcp" && r.Protocol != "udp" {
				return unsupported("the protocol %s of Service %s", port.Protocol, s.Name)
			}
			id := fmt.Sprintf("%s/%d", r.Protocol, r.Port)
			if r.Port == r.Target || taken[id] {
				continue
			}
			taken[id] = true
			p.Redirects = append(p.Redirects, r)
		}
	}
	slices.SortFunc(p.Redirects, func(a, b redirect) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	return nil
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func targetPort(p corev1.ServicePort, mains []corev1.Container) (int, error) {
	switch {
	case p.TargetPort.Type == intstr.String:
		return namedPort(p.TargetPort.StrVal, mains)
	case p.TargetPort.IntVal != 0:
		return int(p.TargetPort.IntVal), nil
	}
	return int(p.Port), nil
}

func namedPort(name string, containers []corev1.Container) (int, error) {
	for _, c := range containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return int(port.ContainerPort), nil
			}
		}
	}
	return 0, unsupported("the port name %q, which no container declares,", name)
}

func declaredPorts(containers []corev1.Container) (ports []int) {
	for _, c := range containers {
		for _, p := range c.Ports {
			if p.Protocol != corev1.ProtocolUDP && p.Protocol != corev1.ProtocolSCTP && !slices.Contains(ports, int(p.ContainerPort)) {
				ports = append(ports, int(p.ContainerPort))
			}
		}
	}
	return ports
}

// checks decides how the pod is seen to be ready: its probes, else the project's berth.health, else a
// connection to its first declared port, else having run for a while.
func (el *element) checks(p *pod, mains []corev1.Container, inits int) error {
	if p.Once {
		return nil
	}
	for i, c := range mains {
		for _, probe := range []struct {
			*corev1.Probe
			again bool
		}{{c.StartupProbe, false}, {c.ReadinessProbe, true}} {
			if probe.Probe == nil {
				continue
			}
			k, err := checkOf(probe.Probe, c)
			if err != nil {
				return fmt.Errorf("probe of %s: %w", c.Name, err)
			}
			k.Container, k.Again = inits+i, probe.again
			p.Checks = append(p.Checks, k)
		}
	}
	if len(p.Checks) == 0 {
		p.Checks = []check{el.defaultCheck(p, inits)}
	}
	return nil
}

func (el *element) defaultCheck(p *pod, first int) check {
	k := check{Container: first, Period: 10 * time.Second, Timeout: 5 * time.Second, Success: 1, Failure: 3, Again: true}
	h := el.Health
	switch {
	case h != nil && h.Path != "":
		k.HTTP = &httpCheck{Scheme: "http", Port: firstOr(p.Ports, 80), Path: h.Path}
	case h != nil && len(h.Command) > 0:
		k.Exec, k.Timeout = h.Command, 10*time.Second
	case h != nil && h.Port != 0:
		k.TCP = h.Port
	case len(p.Ports) > 0:
		k.TCP, k.Period = p.Ports[0], 30*time.Second
	default:
		return check{Container: first, RunFor: runLongEnough}
	}
	return k
}

func firstOr(ports []int, otherwise int) int {
	if len(ports) > 0 {
		return ports[0]
	}
	return otherwise
}

func checkOf(p *corev1.Probe, c corev1.Container) (check, error) {
	k := check{
		Period:  time.Duration(cmp.Or(p.PeriodSeconds, 10)) * time.Second,
		Timeout: time.Duration(cmp.Or(p.TimeoutSeconds, 1)) * time.Second,
		Success: int(cmp.Or(p.SuccessThreshold, 1)),
		Failure: int(cmp.Or(p.FailureThreshold, 3)),
	}
	var err error
	switch {
	case p.HTTPGet != nil:
		k.HTTP = &httpCheck{Scheme: strings.ToLower(cmp.Or(string(p.HTTPGet.Scheme), "http")), Path: cmp.Or(p.HTTPGet.Path, "/")}
		k.HTTP.Port, err = probePort(p.HTTPGet.Port, c)
		for _, h := range p.HTTPGet.HTTPHeaders {
			if k.HTTP.Headers == nil {
				k.HTTP.Headers = map[string]string{}
			}
			k.HTTP.Headers[h.Name] = h.Value
		}
	case p.TCPSocket != nil:
		k.TCP, err = probePort(p.TCPSocket.Port, c)
	case p.Exec != nil:
		k.Exec = slices.Clone(p.Exec.Command)
		// Starting a command in a container takes a tenth of a second by itself.
		k.Timeout = max(k.Timeout, 2*time.Second)
	default:
		return check{}, unsupported("a probe other than httpGet, tcpSocket and exec")
	}
	return k, err
}

func probePort(p intstr.IntOrString, c corev1.Container) (int, error) {
	if p.Type == intstr.String {
		return namedPort(p.StrVal, []corev1.Container{c})
	}
	return int(p.IntVal), nil
}

// sortedKeys makes the order of a map's walk the same every time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
