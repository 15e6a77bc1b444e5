// Package machine says whether a machine can run Berth: facts are gathered in one place, judged in
// another, and what is wrong comes with how to mend it.
//
// It changes nothing, and must not know Docker's client, the server or how Berth is installed: what those
// know of the machine is handed in as facts.
package machine

import (
	"net/netip"
	"time"
)

// Facts are what was seen of a machine. What could not be seen is zero.
type Facts struct {
	Root          bool
	Installed     bool   // Berth is here already
	Arch          string // as Go names it
	KernelRelease string
	Cores         int
	MemoryBytes   int64
	Disk          Disk
	Cgroup        Cgroup
	Inotify       Inotify
	Missing       []string // programs that Berth runs, of Programs
	Apt           bool     // packages can be installed with apt-get
	Systemd       bool
	CABundle      bool
	Engine        Engine
	Network       Network
	Ports         []Port
	Clock         Clock
	Server        *Server // nil: none was asked
}

// Disk is the file system of the data directory.
type Disk struct {
	Path       string
	Kind       string // ext4, btrfs, tmpfs, …
	FreeBytes  int64
	TotalBytes int64
}

// Cgroup is how the kernel groups processes.
type Cgroup struct {
	Version int      // 0: not mounted
	Missing []string // controllers that sizes need
}

// Inotify are the kernel's limits on watching files.
type Inotify struct{ Instances, Watches int }

// Engine is the Docker Engine.
type Engine struct {
	Address       string
	Answers       bool
	Installed     bool // dockerd is there, whether or not it runs
	Error         string
	Version       string
	API           string
	TooOld        bool
	Rootless      bool
	StorageDriver string
	CgroupDriver  string
	Root          string // its data directory
}

// Network is how the machine reaches others and they it.
type Network struct {
	IPv6        bool
	Nameservers []netip.Addr
	Addresses   []netip.Addr // of the machine's own interfaces
	Domain      string       // base domain of the hosts
	DomainLeads []netip.Addr // where a name below the domain leads
	DomainError string
}

// Port is an address that the server listens on, or would.
type Port struct {
	Flag    string // --http or --https
	Address string
	Holder  string // who has it, in words; empty: it is free
	Ours    bool   // this server has it
}

// Clock is what time it is, and what speaks against it.
type Clock struct {
	Now          time.Time
	Synchronised bool
	Built        time.Time // when the source of this binary was committed; zero: unknown
	Newest       time.Time // the newest change of a file that the machine itself writes
	NewestFile   string
}

// Server is a Berth server that was asked.
type Server struct {
	Answers     bool
	Error       string
	Version     string
	ConsoleURL  string
	Unreachable []string // listeners that do not answer, and why
	Certificate Certificate
	// Bytes of the engine's build cache, and of its budget; zero: unknown.
	CacheBytes, CacheBudget int64
}

// Certificate is what the console's host shows.
type Certificate struct {
	Seen                bool
	NotBefore, NotAfter time.Time
	Error               string // why a client would refuse it
}

// Level is how bad a finding is.
type Level string

// Levels.
const (
	Fine    Level = "fine"
	Warning Level = "warning" // works, with less than a person would expect
	Broken  Level = "broken"  // does not work
)

// Finding is one judgement.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Mend    string `json:"mend,omitempty"`
}
