package machine

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listener is a TCP socket that listens.
type listener struct {
	address netip.AddrPort
	inode   string
}

// portsOf says of every address that is wanted who has it.
func portsOf(q Question) []Port {
	var out []Port
	all := listeners()
	flags := make([]string, 0, len(q.Listen))
	for flag := range q.Listen {
		flags = append(flags, flag)
	}
	slices.Sort(flags)
	for _, flag := range flags {
		p := Port{Flag: flag, Address: q.Listen[flag]}
		host, port, err := splitAddress(p.Address)
		if err == nil && port != 0 {
			p.Holder, p.Ours = holderOf(host, port, all, q)
		}
		out = append(out, p)
	}
	return out
}

// splitAddress reads what net.Listen takes. No host is every address, the invalid netip.Addr.
func splitAddress(address string) (netip.Addr, int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil || host == "" {
		return netip.Addr{}, n, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}, n, err
	}
	return a, n, nil
}

// holderOf names who listens where an address wants to. A port that a container has is taken even where
// nothing listens: the firewall leads it there.
func holderOf(host netip.Addr, port int, all []listener, q Question) (holder string, ours bool) {
	if container := q.Published[port]; container != "" {
		return "the container " + container, false
	}
	for _, l := range all {
		if !clash(host, port, l.address) {
			continue
		}
		pid := ownerOf(l.inode)
		if pid == 0 {
			return "a program that cannot be seen from here", false
		}
		if pid == q.Pid {
			ours = true
			continue
		}
		return fmt.Sprintf("%s (process %d)", programOf(pid), pid), false
	}
	return "", ours
}

// clash reports whether listening on host:port fails while somebody listens on other.
func clash(host netip.Addr, port int, other netip.AddrPort) bool {
	if int(other.Port()) != port {
		return false
	}
	return !host.IsValid() || other.Addr().IsUnspecified() || other.Addr().Unmap() == host.Unmap()
}

// listeners are those of this network namespace.
func listeners() (all []listener) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(text)) {
			if l, ok := parseListener(line); ok {
				all = append(all, l)
			}
		}
	}
	return all
}

// listening is the state of a socket that does, in /proc/net/tcp.
const listening = "0A"

// parseListener reads a line of /proc/net/tcp or tcp6: sl, local address, remote address, state, …, and
// the inode tenth.
func parseListener(line string) (listener, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listening {
		return listener{}, false
	}
	address, port, found := strings.Cut(fields[1], ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, err2 := hex.DecodeString(address)
	if !found || err != nil || err2 != nil {
		return listener{}, false
	}
	for i := 0; i+4 <= len(raw); i += 4 { // each 32 bits are in the machine's order: little endian
		slices.Reverse(raw[i : i+4])
	}
	a, ok := netip.AddrFromSlice(raw)
	return listener{netip.AddrPortFrom(a, uint16(n)), fields[9]}, ok
}

// ownerOf finds a process that has a socket open; 0 where none can be seen.
func ownerOf(inode string) int {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err == nil && holds(pid, "socket:["+inode+"]") {
			return pid
		}
	}
	return 0
}

func holds(pid int, socket string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	files, err := os.ReadDir(dir)
	if err != nil {
		return false // ended, or not ours to look at
	}
	return slices.ContainsFunc(files, func(e fs.DirEntry) bool {
		leads, err := os.Readlink(filepath.Join(dir, e.Name()))
		return err == nil && leads == socket
	})
}

// programOf is a process's name, as ps(1) has it.
func programOf(pid int) string {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return "a program"
	}
	return strings.TrimSpace(string(name))
}

// FreePort returns the first port that nobody has, from one on.
func FreePort(from int, published map[int]string) int {
	all := listeners()
	for port := from; port < 1<<16; port++ {
		taken := slices.ContainsFunc(all, func(l listener) bool { return int(l.address.Port()) == port })
		if !taken && published[port] == "" {
			return port
		}
	}
	return 0
}
