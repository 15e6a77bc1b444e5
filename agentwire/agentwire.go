// Package agentwire is what Berth and its helper inside a deployment (cmd/berth-agent) say to
// each other: the name table file, the header of a passed-on stream, and what is asked of a helper that
// runs programs for people. It must not know who
// writes or reads them.
package agentwire

// File names under the directory that core has mounted at /run/berth.
const (
	NamesFile  = "names.json" // replaced atomically by ingress
	SocketFile = "core.sock"  // Berth listens; the socket is the deployment's identity
)

// Names is the deployment's name table. Addresses are IP addresses inside its network.
type Names struct {
	Generation int64 `json:"generation"`
	// Core is core's own address: what core.diploi, core.berth and the public hosts resolve to.
	Core string `json:"core"`
	// PublicHosts lead to core.
	PublicHosts []string `json:"publicHosts,omitempty"`
	// Ports are those in the public hosts' URLs where Berth does not listen on 443 and 80, with the
	// one of these that each stands for: a stream to 8443 is passed on as one to 443.
	Ports map[int]int `json:"ports,omitempty"`
	// Services are all names of all elements.
	Services []Service `json:"services,omitempty"`
	// Askers says by source address which element asks, and as which release's instance.
	Askers []Asker `json:"askers,omitempty"`
}

// Service answers for "<name>.<element>", and for bare "<name>" when the asker's element is Element.
type Service struct {
	Element string `json:"element"`
	Name    string `json:"name"`
	First   bool   `json:"first,omitempty"` // "<element>" alone means this one
	// Addresses are those of the serving release; Next those of the release being rolled out,
	// given to askers of that release only.
	Addresses []string `json:"addresses"`
	Next      []string `json:"next,omitempty"`
}

// Asker is an instance that may ask.
type Asker struct {
	Address string `json:"address"`
	Element string `json:"element"`
	Next    bool   `json:"next,omitempty"`
}

// Header is the first line (JSON, ended by \n) on a stream that core passes to Berth.
type Header struct {
	Port   int    `json:"port"`   // the port that was dialled: 80, 443, 2525
	Remote string `json:"remote"` // address of the container that dialled
}
