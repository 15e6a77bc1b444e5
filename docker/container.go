package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
)

// Where every container finds what is Berth's.
const (
	caTarget    = "/.berth/ca.crt"
	agentTarget = "/.berth/agent"
)

// surroundings are what a container is put into; all of it is known before the call.
type surroundings struct {
	Network string
	Core    netip.Addr // name server
	Address netip.Addr // fixed; the zero Addr leaves the choice to Docker
	// Join is the id of the container whose network the new one joins; empty: it gets its own.
	Join   string
	Cgroup string
	CAFile string
	Agent  string
	Env    map[string]string // Config.Env
	Image  imageConfig
	Paths  []string // of the container's mounts, in order
	// Reveal replaces secret tokens by their values.
	Reveal func(string) (string, error)
}

// request is one create call. It holds revealed secrets and must not be logged.
type request struct {
	Config  *container.Config
	Host    *container.HostConfig
	Network *network.NetworkingConfig
}

// containerRequest makes the create call for the i-th container of a pod. It is pure but for Reveal.
func containerRequest(p *pod, i int, id identity, s surroundings) (request, error) {
	c := p.Containers[i]
	env, err := containerEnv(p, c, id, s)
	if err != nil {
		return request{}, err
	}
	entrypoint, err := revealAll(c.Entrypoint, s.Reveal)
	if err != nil {
		return request{}, err
	}
	args, err := revealAll(c.Args, s.Reveal)
	if err != nil {
		return request{}, err
	}
	labels, err := containerLabels(p, i, id)
	if err != nil {
		return request{}, err
	}
	grace := int(p.Grace.Seconds())
	r := request{
		Config: &container.Config{
			Image: s.Image.ID, Labels: labels, Env: env, User: userOf(c, s.Image),
			Entrypoint: entrypoint, Cmd: args, WorkingDir: c.WorkingDir,
			Tty: c.TTY, OpenStdin: c.Stdin, StopTimeout: &grace,
		},
		Host: &container.HostConfig{
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:      jsonFile(),
			ReadonlyRootfs: c.ReadOnlyRoot,
			GroupAdd:       c.Groups,
			SecurityOpt:    securityOptions(p.Kind, c),
			CapDrop:        droppedCaps(c),
			CapAdd:         c.AddCaps,
			Mounts:         mounts(p, c, s),
		},
	}
	r.Host.CgroupParent = s.Cgroup
	r.Host.Memory, r.Host.MemorySwap, r.Host.NanoCPUs = c.Memory, c.Memory, c.NanoCPU
	// Kubernetes: a command replaces the image's entrypoint and, without args, its arguments as well.
	if len(c.Entrypoint) > 0 && len(c.Args) == 0 {
		r.Config.Cmd = []string{}
	}
	if s.Join != "" {
		r.Host.NetworkMode = container.NetworkMode("container:" + s.Join)
		return r, nil
	}
	r.ownNetwork(p, id, s)
	return r, nil
}

// ownNetwork gives a container its own network namespace, host name and name server.
func (r *request) ownNetwork(p *pod, id identity, s surroundings) {
	r.Config.Hostname = hostname(p, id)
	r.Host.NetworkMode = container.NetworkMode(s.Network)
	r.Host.DNS = []netip.Addr{s.Core}
	r.Host.DNSSearch = []string{p.Element}
	r.Host.ExtraHosts = p.HostAlias
	r.Host.Sysctls = openSysctls()
	endpoint := &network.EndpointSettings{}
	if s.Address.IsValid() {
		endpoint.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: s.Address}
	}
	r.Network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.Network: endpoint}}
}

// openSysctls lets any user listen on port 80 and ping, as Kubernetes' own runtimes do.
func openSysctls() map[string]string {
	return map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "0",
		"net.ipv4.ping_group_range":           "0 2147483647",
	}
}

// jsonFile is the only log driver: Berth reads the files itself.
func jsonFile() container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "64m", "max-file": "4"}}
}

func hostname(p *pod, id identity) string {
	if p.Hostname != "" {
		return p.Hostname
	}
	name := p.Element
	if id.Slug != "" {
		name += "-" + id.Slug
	}
	if p.Replicas > 1 || id.Slot > 0 {
		name += "-" + strconv.Itoa(id.Slot)
	}
	return berth.Shorten(name, berth.MaxLabel)
}

// podName is what metadata.name says inside.
func podName(p *pod, id identity) string {
	return berth.Shorten(fmt.Sprintf("%s-%d-%s", p.Workload, id.Slot, id.Instance), berth.MaxLabel)
}

func containerLabels(p *pod, i int, id identity) (map[string]string, error) {
	c := p.Containers[i]
	labels := instanceLabels(p, id)
	labels[labelContainer] = c.Name
	labels[labelIndex] = strconv.Itoa(i)
	labels[labelRole] = roleMain
	if c.Init {
		labels[labelRole] = roleInit
	}
	if i == 0 {
		record, err := p.record()
		if err != nil {
			return nil, err
		}
		labels[labelPod] = record
	}
	return labels, nil
}

// containerEnv is Config.Env where neither image nor pod say otherwise, then the pod's own variables.
func containerEnv(p *pod, c containerSpec, id identity, s surroundings) ([]string, error) {
	ours := maps.Clone(s.Env)
	for _, set := range s.Image.Env {
		name, _, _ := strings.Cut(set, "=")
		delete(ours, name)
	}
	for _, v := range c.Env {
		delete(ours, v.Name)
	}
	var env []string
	for _, name := range sortedKeys(ours) {
		env = append(env, name+"="+ours[name])
	}
	for _, v := range c.Env {
		value, err := s.Reveal(v.Value)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Name, err)
		}
		switch v.Field {
		case fieldName:
			value = podName(p, id)
		case fieldUID:
			value = id.Instance
		case fieldPodIP:
			value = s.Address.String()
		}
		env = append(env, v.Name+"="+value)
	}
	return env, nil
}

// wantsAddress reports whether the pod asks for its own address, which then has to be chosen before it
// is made.
func (p *pod) wantsAddress() bool {
	for _, c := range p.Containers {
		for _, v := range c.Env {
			if v.Field == fieldPodIP {
				return true
			}
		}
	}
	return false
}

func revealAll(list []string, reveal func(string) (string, error)) ([]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		var err error
		if out[i], err = reveal(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func userOf(c containerSpec, image imageConfig) string {
	user := ""
	if c.RunAsUser != nil {
		user = strconv.FormatInt(*c.RunAsUser, 10)
	}
	if c.RunAsGroup != nil {
		if user == "" {
			user, _, _ = strings.Cut(image.User, ":")
		}
		if user == "" {
			user = "0"
		}
		user += ":" + strconv.FormatInt(*c.RunAsGroup, 10)
	}
	return user
}

// securityOptions forbids gaining privileges where the chart says so, and in build stages unless it says
// otherwise; a development container may have a sudo that its user relies on.
func securityOptions(kind berth.StageKind, c containerSpec) []string {
	forbid := kind == berth.KindBuild
	if c.NoEscalation != nil {
		forbid = *c.NoEscalation
	}
	if forbid {
		return []string{"no-new-privileges"}
	}
	return nil
}

// droppedCaps are the chart's and the two of Docker's default set that let a container forge packets on
// its deployment's network or make devices.
func droppedCaps(c containerSpec) []string {
	return append([]string{"NET_RAW", "MKNOD"}, c.DropCaps...)
}

func mounts(p *pod, c containerSpec, s surroundings) []mount.Mount {
	var out []mount.Mount
	for i, m := range c.Mounts {
		out = append(out, bind(s.Paths[i], m.Target, m.ReadOnly || p.Volumes[m.Volume].Files != nil))
	}
	if s.CAFile != "" {
		out = append(out, bind(s.CAFile, caTarget, true))
	}
	if s.Agent != "" && !c.Init {
		out = append(out, bind(s.Agent, agentTarget, true))
	}
	return out
}

func bind(source, target string, readOnly bool) mount.Mount {
	return mount.Mount{Type: mount.TypeBind, Source: source, Target: target, ReadOnly: readOnly}
}
