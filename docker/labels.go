package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Labels of everything the engine makes. They are the only memory of what runs.
const (
	labelServer     = "sh.berth.server"
	labelDeployment = "sh.berth.deployment"
	labelRole       = "sh.berth.role" // of containers and networks only: no image of ours has it
	labelElement    = "sh.berth.element"
	labelWorkload   = "sh.berth.workload"
	labelHash       = "sh.berth.hash"
	labelTemplate   = "sh.berth.template" // the hash without the image ids
	labelSlot       = "sh.berth.slot"
	labelRun        = "sh.berth.run"
	labelFailures   = "sh.berth.failures"
	labelInstance   = "sh.berth.instance"
	labelContainer  = "sh.berth.container"
	labelIndex      = "sh.berth.index" // place in the pod: init containers first
	labelPod        = "sh.berth.pod"   // podRecord, on the pod's first container
	labelTask       = "sh.berth.task"
)

// Roles.
const (
	roleInit    = "init"
	roleMain    = "main"
	roleCore    = "core"
	roleTask    = "task"
	roleNetwork = "network"
)

// podRecord is what has to be known of a pod after a restart of the server, when its template may
// have gone. It holds secret tokens, never values.
type podRecord struct {
	Kind      berth.StageKind `json:"kind"`
	Inits     int             `json:"inits,omitempty"`
	Mains     int             `json:"mains"`
	Grace     time.Duration   `json:"grace"`
	Checks    []check         `json:"checks,omitempty"`
	Ports     []int           `json:"ports,omitempty"` // declared
	Redirects []redirect      `json:"redirects,omitempty"`
	PreStop   map[int]command `json:"preStop,omitempty"` // by container index
	Once      bool            `json:"once,omitempty"`
}

type command []string

// instanceLabels are those of every container of a pod.
func instanceLabels(p *pod, id identity) map[string]string {
	return map[string]string{
		labelDeployment: string(id.Deployment),
		labelElement:    p.Element,
		labelWorkload:   p.Workload,
		labelHash:       p.Hash,
		labelTemplate:   p.Template,
		labelSlot:       strconv.Itoa(id.Slot),
		labelRun:        strconv.Itoa(id.Run),
		labelFailures:   strconv.Itoa(id.Failures),
		labelInstance:   id.Instance,
	}
}

// identity is which run of a pod is being made.
type identity struct {
	Deployment berth.ID
	Slug       string
	Instance   string
	Slot       int
	Run        int
	Failures   int
}

func (p *pod) record() (string, error) {
	r := podRecord{
		Kind: p.Kind, Grace: p.Grace, Checks: p.Checks, Ports: p.Ports, Redirects: p.Redirects, Once: p.Once,
		PreStop: map[int]command{},
	}
	for i, c := range p.Containers {
		if c.Init {
			r.Inits++
			continue
		}
		r.Mains++
		if len(c.PreStop) > 0 {
			r.PreStop[i] = c.PreStop
		}
	}
	b, err := json.Marshal(r)
	return string(b), err
}

const (
	bridgePrefix = "brt"
	maxInterface = 15 // bytes in a Linux interface name
	maxNamePart  = 48
)

func networkName(id berth.ID) string { return "brt-" + string(id) }
func bridgeName(id berth.ID) string  { return bridgePrefix + string(id) }
func coreName(id berth.ID) string    { return "brt-" + string(id) + "-core" }

func taskName(id berth.ID, task string) string {
	return fmt.Sprintf("brt-%s-task-%s", id, safe(task))
}

func containerName(p *pod, id identity, container string) string {
	return fmt.Sprintf("brt-%s-%s-%s-%d-%d-%s", id.Deployment, safe(p.Element), safe(p.Workload), id.Slot, id.Run, safe(container))
}

// safe returns s where it is made of lower-case letters, digits and inner hyphens and not long, else
// a readable part of it with a hash: a chart's names become parts of container names and paths.
func safe(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		}
	}
	clean := strings.Trim(b.String(), "-")
	if clean == s && len(s) <= maxNamePart && s != "" {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	suffix := hex.EncodeToString(sum[:4])
	if clean == "" {
		return suffix
	}
	return strings.Trim(clean[:min(len(clean), maxNamePart-len(suffix)-1)], "-") + "-" + suffix
}
