package chart

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// refusal is one row of what a chart may not have. Exactly one of its functions is set; it
// reports whether that part of an object is over the line.
type refusal struct {
	field string // below the part
	why   string

	service   func(*corev1.ServiceSpec) bool
	pod       func(*corev1.PodSpec) bool
	container func(*corev1.Container) bool
	port      func(*corev1.ContainerPort) bool
	variable  func(*corev1.EnvVar) bool
	mount     func(*corev1.VolumeMount) bool
	volume    func(v *corev1.Volume, allowed []string) bool
}

const (
	controlsMachine = "a container may not control the machine"
	sharesMachine   = "a container may not share the machine's namespaces"
	usesDevices     = "a container may not use the machine's devices"
	leavesVolume    = "it leads out of the volume"
)

// refusals is the one table of what a chart may not have. Kinds outside the closed list are
// refused before, while reading.
var refusals = []refusal{
	{field: "hostNetwork", why: sharesMachine, pod: func(s *corev1.PodSpec) bool { return s.HostNetwork }},
	{field: "hostPID", why: sharesMachine, pod: func(s *corev1.PodSpec) bool { return s.HostPID }},
	{field: "hostIPC", why: sharesMachine, pod: func(s *corev1.PodSpec) bool { return s.HostIPC }},
	{field: "securityContext.sysctls", why: controlsMachine, pod: func(s *corev1.PodSpec) bool {
		return s.SecurityContext != nil && len(s.SecurityContext.Sysctls) > 0
	}},
	{field: "securityContext", why: "it turns the machine's protection off", pod: func(s *corev1.PodSpec) bool {
		c := s.SecurityContext
		return c != nil && unconfined(c.SeccompProfile, c.AppArmorProfile, c.SELinuxOptions, c.WindowsOptions)
	}},
	{field: "nodeName", why: "a package may not choose its machine", pod: func(s *corev1.PodSpec) bool { return s.NodeName != "" }},
	{field: "runtimeClassName", why: "a package may not choose its runtime", pod: func(s *corev1.PodSpec) bool { return s.RuntimeClassName != nil }},
	{field: "serviceAccountName", why: "a package has no rights on the engine", pod: func(s *corev1.PodSpec) bool { return s.ServiceAccountName != "" }},
	{field: "ephemeralContainers", why: "they are not part of a package", pod: func(s *corev1.PodSpec) bool { return len(s.EphemeralContainers) > 0 }},
	{field: "resourceClaims", why: usesDevices, pod: func(s *corev1.PodSpec) bool { return len(s.ResourceClaims) > 0 }},

	{field: "securityContext.privileged", why: controlsMachine, container: func(c *corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	}},
	{field: "securityContext.capabilities.add", why: controlsMachine, container: func(c *corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.Capabilities != nil && len(c.SecurityContext.Capabilities.Add) > 0
	}},
	{field: "securityContext.procMount", why: controlsMachine, container: func(c *corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.ProcMount != nil
	}},
	{field: "securityContext", why: "it turns the machine's protection off", container: func(c *corev1.Container) bool {
		s := c.SecurityContext
		return s != nil && unconfined(s.SeccompProfile, s.AppArmorProfile, s.SELinuxOptions, s.WindowsOptions)
	}},
	{field: "volumeDevices", why: usesDevices, container: func(c *corev1.Container) bool { return len(c.VolumeDevices) > 0 }},
	{field: "resources", why: usesDevices, container: func(c *corev1.Container) bool {
		return len(c.Resources.Claims) > 0 || asksForDevices(c.Resources.Limits) || asksForDevices(c.Resources.Requests)
	}},
	{field: "image", why: "it is empty: the chart asks for an image that the package does not declare", container: func(c *corev1.Container) bool { return c.Image == "" }},
	{field: "name", why: "it must be lower-case letters, digits and hyphens", container: func(c *corev1.Container) bool { return !validName(c.Name) }},

	{field: "hostPort", why: "nothing listens on the machine itself; use an Ingress", port: func(p *corev1.ContainerPort) bool { return p.HostPort != 0 }},
	{field: "hostIP", why: "nothing listens on the machine itself; use an Ingress", port: func(p *corev1.ContainerPort) bool { return p.HostIP != "" }},
	{field: "containerPort", why: "a port is a number from 1 to 65535", port: func(p *corev1.ContainerPort) bool { return p.ContainerPort < 1 || p.ContainerPort > 65535 }},

	{field: "name", why: "a variable's name may not be empty or hold = or a zero byte", variable: func(e *corev1.EnvVar) bool {
		return e.Name == "" || strings.ContainsAny(e.Name, "=\x00")
	}},
	{field: "value", why: "a variable's value may not hold a zero byte", variable: func(e *corev1.EnvVar) bool { return strings.Contains(e.Value, "\x00") }},

	{field: "mountPath", why: "it must be an absolute path that is not the root or a system directory", mount: func(m *corev1.VolumeMount) bool { return !validTarget(m.MountPath) }},
	{field: "subPath", why: leavesVolume, mount: func(m *corev1.VolumeMount) bool { return m.SubPath != "" && !staysBelow(m.SubPath) }},
	{field: "subPathExpr", why: "it cannot be checked before it runs; use subPath", mount: func(m *corev1.VolumeMount) bool { return m.SubPathExpr != "" }},
	{field: "mountPropagation", why: sharesMachine, mount: func(m *corev1.VolumeMount) bool {
		return m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone
	}},

	{field: "hostPath.path", why: "it is not one of the directories that the package declares under storage", volume: func(v *corev1.Volume, allowed []string) bool {
		return v.HostPath != nil && !isBelow(v.HostPath.Path, allowed)
	}},
	{field: "hostPath.type", why: usesDevices, volume: func(v *corev1.Volume, _ []string) bool {
		return v.HostPath != nil && v.HostPath.Type != nil && !slices.Contains(hostPathTypes, *v.HostPath.Type)
	}},
	{field: "items", why: leavesVolume, volume: func(v *corev1.Volume, _ []string) bool { return itemEscapes(v) }},
	{field: "", why: "a volume must be one of hostPath, configMap, secret, emptyDir and persistentVolumeClaim", volume: func(v *corev1.Volume, _ []string) bool {
		s := v.VolumeSource
		return s.HostPath == nil && s.ConfigMap == nil && s.Secret == nil && s.EmptyDir == nil && s.PersistentVolumeClaim == nil
	}},

	{field: "externalIPs", why: "a Service may not take addresses of others", service: func(s *corev1.ServiceSpec) bool { return len(s.ExternalIPs) > 0 }},
	{field: "externalName", why: "a Service must lead to the package's own pods", service: func(s *corev1.ServiceSpec) bool {
		return s.Type == corev1.ServiceTypeExternalName || s.ExternalName != ""
	}},
}

var hostPathTypes = []corev1.HostPathType{corev1.HostPathUnset, corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate, corev1.HostPathFile, corev1.HostPathFileOrCreate}

// refuse holds every object against the table and names all that is over the line.
func (r *rendering) refuse() error {
	i := inspection{allowed: r.allowed()}
	for _, o := range r.out.Objects {
		i.object(o)
	}
	if len(i.found) == 0 {
		return nil
	}
	const shown = 10
	if more := len(i.found) - shown; more > 0 {
		i.found = append(i.found[:shown], fmt.Sprintf("and %d more", more))
	}
	return &berth.Error{Code: berth.EInvalid, Message: "the package's chart asks for what it may not have: " + strings.Join(i.found, "; ")}
}

// allowed are the directories that hostPath volumes may use: those the Values gave, and their like.
func (r *rendering) allowed() []string {
	dirs := slices.Clone(r.in.AllowedHostPaths)
	for _, dir := range r.in.Values.Storage {
		dirs = append(dirs, dir)
	}
	dirs = append(dirs, r.in.codePath())
	for _, c := range r.out.Claims {
		dirs = append(dirs, r.in.ClaimPath(c.Identifier, c.SizeBytes))
	}
	return slices.DeleteFunc(dirs, func(dir string) bool { return !path.IsAbs(dir) || path.Clean(dir) == "/" })
}

// inspection collects what is over the line.
type inspection struct {
	allowed []string
	found   []string
}

func (i *inspection) add(o runtime.Object, at string, row refusal) {
	field := strings.TrimSuffix(at+row.field, ".")
	i.found = append(i.found, fmt.Sprintf("%s, %s (%s)", label(o), field, row.why))
}

func (i *inspection) object(o runtime.Object) {
	if s, ok := o.(*corev1.Service); ok {
		for _, row := range refusals {
			if row.service != nil && row.service(&s.Spec) {
				i.add(o, "spec.", row)
			}
		}
	}
	t, at := podOf(o)
	if t == nil {
		return
	}
	for _, row := range refusals {
		if row.pod != nil && row.pod(&t.Spec) {
			i.add(o, at, row)
		}
		for n := range t.Spec.Volumes {
			v := &t.Spec.Volumes[n]
			if row.volume != nil && row.volume(v, i.allowed) {
				i.add(o, at+"volumes["+v.Name+"].", row)
			}
		}
	}
	containersOf(&t.Spec, func(c *corev1.Container, below string) { i.inContainer(o, c, at+below) })
}

func (i *inspection) inContainer(o runtime.Object, c *corev1.Container, at string) {
	for _, row := range refusals {
		if row.container != nil && row.container(c) {
			i.add(o, at, row)
		}
		for n := range c.Ports {
			if row.port != nil && row.port(&c.Ports[n]) {
				i.add(o, fmt.Sprintf("%sports[%d].", at, n), row)
			}
		}
		for n := range c.Env {
			if row.variable != nil && row.variable(&c.Env[n]) {
				i.add(o, fmt.Sprintf("%senv[%d].", at, n), row)
			}
		}
		for n := range c.VolumeMounts {
			if row.mount != nil && row.mount(&c.VolumeMounts[n]) {
				i.add(o, at+"volumeMounts["+c.VolumeMounts[n].Name+"].", row)
			}
		}
	}
}

func unconfined(seccomp *corev1.SeccompProfile, apparmor *corev1.AppArmorProfile, selinux *corev1.SELinuxOptions, windows *corev1.WindowsSecurityContextOptions) bool {
	return seccomp != nil && seccomp.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		apparmor != nil && apparmor.Type != corev1.AppArmorProfileTypeRuntimeDefault ||
		selinux != nil || windows != nil
}

func asksForDevices(list corev1.ResourceList) bool {
	for name := range list {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		default:
			return true
		}
	}
	return false
}

// isBelow reports whether p is one of dirs or lies in one, by its text. What links inside a volume
// point to is for the engine to check when it mounts.
func isBelow(p string, dirs []string) bool {
	if !path.IsAbs(p) || hasDots(p) || strings.ContainsAny(p, "\x00:") {
		return false
	}
	p = path.Clean(p)
	return slices.ContainsFunc(dirs, func(dir string) bool {
		dir = path.Clean(dir)
		return p == dir || strings.HasPrefix(p, dir+"/")
	})
}

func hasDots(p string) bool { return slices.Contains(strings.Split(p, "/"), "..") }

// staysBelow reports whether a relative path stays in the directory it starts from.
func staysBelow(p string) bool {
	return p != "" && !path.IsAbs(p) && !hasDots(p) && !strings.Contains(p, "\x00")
}

// systemDirs are those that no volume may hide: the kernel's, and what Berth itself mounts.
var systemDirs = []string{"/proc", "/sys", "/dev", "/.berth"}

func validTarget(p string) bool {
	if !path.IsAbs(p) || hasDots(p) || path.Clean(p) == "/" || strings.ContainsAny(p, "\x00:") {
		return false
	}
	return path.Clean(p) == "/dev/shm" || !isBelow(p, systemDirs)
}

func itemEscapes(v *corev1.Volume) bool {
	var items []corev1.KeyToPath
	if v.ConfigMap != nil {
		items = append(items, v.ConfigMap.Items...)
	}
	if v.Secret != nil {
		items = append(items, v.Secret.Items...)
	}
	return slices.ContainsFunc(items, func(item corev1.KeyToPath) bool { return !staysBelow(item.Path) })
}

var (
	namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	keyPattern  = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)
)

// validName is Kubernetes' own rule; it keeps names usable as file names and in paths.
func validName(s string) bool {
	return len(s) <= 253 && namePattern.MatchString(s) && !strings.Contains(s, "..")
}

// checkNames refuses names and keys that could be mistaken for paths, and two objects of one name.
func (r *rendering) checkNames() error {
	seen := map[string]bool{}
	for _, o := range r.out.Objects {
		if !validName(nameOf(o)) {
			return berth.Errorf(berth.EInvalid, "%s: metadata.name must be lower-case letters, digits and hyphens", clip(label(o)))
		}
		key := o.GetObjectKind().GroupVersionKind().Kind + " " + nameOf(o)
		if t, _ := podOf(o); t != nil {
			key = "controller " + nameOf(o) // one instance list per name, whatever the kind
		}
		if seen[key] {
			return berth.Errorf(berth.EInvalid, "%s: the package's chart has two objects of this name", label(o))
		}
		seen[key] = true
		for _, k := range dataKeys(o) {
			if !keyPattern.MatchString(k) || k == "." || strings.HasPrefix(k, "..") {
				return berth.Errorf(berth.EInvalid, "%s: data has the invalid key %q", label(o), clip(k))
			}
		}
	}
	return nil
}

func dataKeys(o runtime.Object) (keys []string) {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		for k := range o.Data {
			keys = append(keys, k)
		}
		for k := range o.BinaryData {
			keys = append(keys, k)
		}
	case *corev1.Secret:
		for k := range o.Data {
			keys = append(keys, k)
		}
		for k := range o.StringData {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
