package docker

import (
	"time"

	"github.com/berth-dev/berth"
)

// pod is one controller's template, understood and ready to be made. Its strings may hold secret tokens.
type pod struct {
	Element    string
	Workload   string
	Kind       berth.StageKind
	Replicas   int
	Overlap    bool
	Tier       int
	Once       bool
	Gate       bool            `json:"-"` // no part of the hash
	Held       bool            `json:"-"` // the same
	Containers []containerSpec // init containers first
	Volumes    map[string]volume
	Redirects  []redirect
	Checks     []check
	Ports      []int // declared TCP ports, in order
	Grace      time.Duration
	Hostname   string // the chart's wish; empty: ours
	HostAlias  []string
	Restarts   int

	Template string // hash of everything above
	Hash     string // of Template and the image ids; set once those are known
	Missing  string // an image reference that is not on this machine
}

func (p *pod) key() string { return p.Element + "/" + p.Workload }

// containerSpec is one container of a pod.
type containerSpec struct {
	Name         string
	Init         bool
	Image        string
	ImageID      string // set once it is known, beside the template's hash
	Entrypoint   []string
	Args         []string
	Env          []envVar
	RunAsUser    *int64
	RunAsGroup   *int64
	Groups       []string
	WorkingDir   string
	Mounts       []mountSpec
	Memory       int64
	NanoCPU      int64
	ReadOnlyRoot bool
	NoEscalation *bool
	DropCaps     []string
	AddCaps      []string
	PreStop      []string
	TTY          bool
	Stdin        bool
}

// envVar is a variable; Field names a value that only the instance knows.
type envVar struct {
	Name  string
	Value string
	Field string `json:",omitempty"`
}

// volume is a directory that containers of a pod may mount. Exactly one of its ways is used.
type volume struct {
	HostPath string                // absolute
	PathType string                // of HostPath, as Kubernetes names it
	Files    map[string]volumeFile // of a ConfigMap or Secret; nil: an empty directory
	Group    int64                 // fsGroup; 0: root
}

type volumeFile struct {
	Content string
	Mode    int64
}

type mountSpec struct {
	Volume   string
	SubPath  string
	Target   string
	ReadOnly bool
}

// redirect makes a Service's port lead to the port its pods listen on.
type redirect struct {
	Protocol string `json:"protocol"` // tcp or udp
	Port     int    `json:"port"`
	Target   int    `json:"target"`
}

// check is one way to see that a pod is ready. With none of HTTP, TCP and Exec it is the time of having run.
type check struct {
	Container int           `json:"container"` // index in the pod
	HTTP      *httpCheck    `json:"http,omitempty"`
	TCP       int           `json:"tcp,omitempty"`
	Exec      command       `json:"exec,omitempty"`
	RunFor    time.Duration `json:"runFor,omitempty"`
	Period    time.Duration `json:"period,omitempty"`
	Timeout   time.Duration `json:"timeout,omitempty"`
	Success   int           `json:"success,omitempty"`
	Failure   int           `json:"failure,omitempty"`
	// Again: goes on being asked once it has succeeded.
	Again bool `json:"again,omitempty"`
}

type httpCheck struct {
	Scheme  string            `json:"scheme"`
	Port    int               `json:"port"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
}
