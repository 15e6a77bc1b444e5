package install

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/machine"
)

// defaultDomain is what berth serve takes where none is named.
const defaultDomain = "berth.localhost"

// survey is what was seen before anything is done.
type survey struct {
	facts     machine.Facts
	published map[int]string
	before    record
	installed bool
	pid       int // of the server, if it runs
}

// look gathers the facts, for a server as it would be with these options.
func (o Options) look(ctx context.Context) (survey, error) {
	l := o.layout()
	before, installed, err := readRecord(l)
	if err != nil {
		return survey{}, err
	}
	s := survey{before: before, installed: installed, pid: holder(l)}
	wanted := o.wanted(s.before)
	socket := cmp.Or(wanted.Docker, defaultDocker)
	about, err := docker.Ask(ctx, socket)
	if err != nil && ctx.Err() != nil {
		return survey{}, fmt.Errorf("look at the machine: %w", err)
	}
	s.published = about.Published
	s.facts = machine.Gather(ctx, machine.Question{
		Root: o.Root, Data: o.Data, Domain: cmp.Or(wanted.Domain, defaultDomain), Pid: s.pid, Published: about.Published, Now: o.Now(),
		Listen: map[string]string{"--http": wanted.HTTP, "--https": wanted.HTTPS, "--ssh": wanted.SSH},
	})
	s.facts.Installed = installed || s.pid != 0
	e := &s.facts.Engine
	e.Address, e.Answers = socket, err == nil
	if err != nil {
		e.Error = berth.MessageOf(err)
	}
	e.Version, e.API, e.TooOld, e.Rootless = about.Version, about.API, about.TooOld, about.Rootless
	e.StorageDriver, e.CgroupDriver, e.Root = about.StorageDriver, about.CgroupDriver, about.Root
	return s, nil
}

// Doctor judges the machine, and the server on it if there is one. It changes nothing.
func Doctor(ctx context.Context, o Options) ([]Finding, error) {
	o = o.withDefaults()
	line := commandOf(holder(o.layout()))
	for flag, option := range map[string]*string{"--http": &o.HTTP, "--https": &o.HTTPS, "--ssh": &o.SSH, "--domain": &o.Domain, "--docker": &o.Docker} {
		*option = cmp.Or(flagOf(line, flag), *option)
	}
	before, installed, err := readRecord(o.layout())
	if err != nil {
		return nil, err
	}
	var server *machine.Server
	if installed || line != nil {
		r := o.wanted(before)
		server = serverFacts(ctx, o.listeningSocket(line), r.HTTP, r.HTTPS, o.Now())
		o.Domain = cmp.Or(domainOf(server.ConsoleURL), o.Domain)
	}
	s, err := o.look(ctx)
	if err != nil {
		return nil, err
	}
	s.facts.Server = server
	return machine.Judge(s.facts), nil
}

// domainOf is the base domain of a server whose console is there; a server may have decided it by itself.
func domainOf(console string) string {
	u, err := url.Parse(console)
	if err != nil {
		return ""
	}
	_, domain, _ := strings.Cut(u.Hostname(), ".")
	return domain
}

// listeningSocket is where a server that runs listens, or an installed one would.
func (o Options) listeningSocket(line []string) string {
	l := o.layout()
	if line == nil {
		return l.socket()
	}
	return cmp.Or(flagOf(line, "--socket"), l.link())
}

// Breaks reports whether a finding among them keeps Berth from working.
func Breaks(findings []Finding) bool { return machine.Breaks(findings) }

// taken are the ports that somebody else has.
func (s survey) taken() (taken []machine.Port) {
	for _, p := range s.facts.Ports {
		if p.Holder != "" && !p.Ours {
			taken = append(taken, p)
		}
	}
	return taken
}

// elsewhere are addresses that are free: what is free of the wanted ones, on another port else.
func (s survey) elsewhere(wanted record) record {
	for _, p := range s.taken() {
		switch p.Flag {
		case "--http":
			wanted.HTTP = s.free(8080)
		case "--https":
			wanted.HTTPS = s.free(8443)
		case "--ssh":
			wanted.SSH = s.free(2222)
		}
	}
	return wanted
}

func (s survey) free(from int) string { return ":" + strconv.Itoa(machine.FreePort(from, s.published)) }

// onLoopback are addresses for a server behind a proxy.
func (s survey) onLoopback() (httpAddress, httpsAddress string) {
	local := func(from int) string {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(machine.FreePort(from, s.published)))
	}
	return local(8080), local(8443)
}
