// Package install puts Berth on a machine, keeps it there and takes it away again: install, upgrade,
// uninstall, doctor. Each looks first, says what it would do, and only then changes anything.
//
// It works beside the server, which may be broken, and so must not need it: what runs is found by the
// lock of the data directory and by labels. It never shows or asks anything itself.
package install

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/machine"
)

// Options are what a person says.
type Options struct {
	Root   string // of the files that lie under /: tests have one of their own
	Data   string
	Domain string // these five: empty is as before, else the default
	HTTP   string
	HTTPS  string
	SSH    string
	Docker string
	// BehindProxy: what answers on the standard ports passes on to Berth, which listens on loopback.
	BehindProxy bool
	Serve       []string // further flags of berth serve; nil: as before
	Dist        string   // where the other files of the release lie; empty: beside this binary
	Version     string
	Environ     func(name string) (string, bool)
	Now         func() time.Time
	Log         io.Writer // what programs say, and a line per step
}

// Finding is a judgement on the machine.
type Finding = machine.Finding

// The defaults of berth serve.
const (
	defaultHTTP   = ":80"
	defaultHTTPS  = ":443"
	defaultSSH    = ":2222"
	defaultDocker = "unix:///var/run/docker.sock"
)

func (o Options) withDefaults() Options {
	o.Root = cmp.Or(o.Root, "/")
	o.Data = cmp.Or(o.Data, filepath.Join(o.Root, "/var/lib/berth"))
	for _, path := range []*string{&o.Root, &o.Data} { // the server runs in another directory
		if whole, err := filepath.Abs(*path); err == nil {
			*path = whole
		}
	}
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	if host, ok := o.Environ("DOCKER_HOST"); ok && o.Docker == "" && host != defaultDocker {
		o.Docker = host
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// asRoot refuses whoever could not do it, before it is half done.
func asRoot(verb string) error {
	if os.Geteuid() != 0 {
		return berth.Errorf(berth.EForbidden, "berth %s changes what belongs to root: say it as root, or with sudo", verb)
	}
	return nil
}

// layout is where everything lies.
type layout struct{ root, data string }

func (o Options) layout() layout { return layout{o.Root, o.Data} }

func (l layout) binary() string      { return filepath.Join(l.root, "usr/local/bin/berth") }
func (l layout) library() string     { return filepath.Join(l.root, "usr/local/lib/berth") }
func (l layout) agent() string       { return filepath.Join(l.library(), agentName) }
func (l layout) previous() string    { return filepath.Join(l.library(), "previous") }
func (l layout) unit() string        { return filepath.Join(l.root, "etc/systemd/system", unitName) }
func (l layout) socket() string      { return filepath.Join(l.root, "run/berth.sock") }
func (l layout) link() string        { return filepath.Join(l.data, "run/berth.sock") }
func (l layout) record() string      { return filepath.Join(l.data, "install.json") }
func (l layout) environment() string { return filepath.Join(l.data, "environment") }
func (l layout) log() string         { return filepath.Join(l.data, "serve.log") }
func (l layout) lock() string        { return filepath.Join(l.data, "lock") }
func (l layout) database() string    { return filepath.Join(l.data, "berth.db") }
func (l layout) backup() string      { return filepath.Join(l.data, "backup") }
func (l layout) cli() string         { return filepath.Join(l.data, "cli") }

const (
	agentName = "berth-agent"
	unitName  = "berth.service"
)
