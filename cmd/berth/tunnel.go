package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// tunnel makes a server whose names lead only to its own machine open where an SSH client sits.
type tunnel struct {
	command string // to be run there
	port    string // at which the server's URLs open there
}

// tunnelTo is the tunnel that somebody needs who came over SSH, by the connection's SSH_CONNECTION, to the server of
// a URL; ok is false where none is needed.
func tunnelTo(server, connection, user string) (t tunnel, ok bool) {
	u, err := url.Parse(server)
	fields := strings.Fields(connection)
	if err != nil || len(fields) != 4 || !strings.HasSuffix(u.Hostname(), ".localhost") {
		return tunnel{}, false
	}
	address, err := netip.ParseAddr(fields[2])
	if err != nil {
		return tunnel{}, false
	}
	sshPort, err := strconv.ParseUint(fields[3], 10, 16)
	if err != nil {
		return tunnel{}, false
	}
	there := cmp.Or(u.Port(), "443")
	here := there
	if n, err := strconv.Atoi(there); err != nil || n < 1024 {
		here = "8443" // lower ones are root's
	}
	command := fmt.Sprintf("ssh -L %s:127.0.0.1:%s", here, there)
	if sshPort != 22 {
		command += fmt.Sprintf(" -p %d", sshPort)
	}
	if user != "" {
		user += "@"
	}
	return tunnel{command: command + " " + user + address.String(), port: here}, true
}

// through is a URL of the server as it opens at the near end.
func (t tunnel) through(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Host = net.JoinHostPort(u.Hostname(), t.port)
	return u.String()
}

// tunnel is that to a server's URL, for the person who runs this.
func (a *app) tunnel(server string) (tunnel, bool) {
	return tunnelTo(server, a.env("SSH_CONNECTION"), cmp.Or(a.env("SUDO_USER"), a.env("USER")))
}

// opens returns a URL as it opens where the person sits, and says what that takes.
func (a *app) opens(server string) string {
	t, needed := a.tunnel(server)
	if !needed {
		return server
	}
	a.say("These names lead only to this machine. Where you sit, keep this running:\n  %s", t.command)
	return t.through(server)
}
