package docker

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// listening are the sockets that an instance listens on, read from its own network namespace.
func (e *Engine) listening(ctx context.Context, instance string) ([]netip.AddrPort, error) {
	to, err := e.endpoint(ctx, instance)
	if err != nil {
		return nil, err
	}
	p, err := openProcess(to.Pid, to.Container)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var out []netip.AddrPort
	for _, name := range [...]string{"tcp", "tcp6"} {
		table, err := p.read(filepath.Join("net", name))
		if err != nil {
			continue // a kernel without IPv6 has no tcp6
		}
		out = append(out, parseListening(table)...)
	}
	return slices.DeleteFunc(out, func(a netip.AddrPort) bool { return a.Addr() == dockersResolver }), nil
}

// dockersResolver listens in every container on a network.
var dockersResolver = netip.AddrFrom4([4]byte{127, 0, 0, 11})

const stateListen = "0A"

// parseListening reads /proc/<pid>/net/tcp or tcp6. Addresses stand there as 32-bit words in the
// machine's byte order, hexadecimal.
func parseListening(table string) (out []netip.AddrPort) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != stateListen {
			continue
		}
		address, port, _ := strings.Cut(fields[1], ":")
		b, err := hex.DecodeString(address)
		n, err2 := strconv.ParseUint(port, 16, 16)
		if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
			continue
		}
		for word := range slices.Chunk(b, 4) {
			slices.Reverse(word)
		}
		a, _ := netip.AddrFromSlice(b)
		out = append(out, netip.AddrPortFrom(a.Unmap(), uint16(n)))
	}
	return out
}

// ports returns the port numbers, ascending, each once; never nil.
func ports(sockets []netip.AddrPort) []int {
	out := []int{}
	for _, s := range sockets {
		out = append(out, int(s.Port()))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// wrongPort says why nothing answers on a port, if that can be seen from where the instance does listen.
func wrongPort(sockets []netip.AddrPort, expected int, kind berth.StageKind) string {
	if len(sockets) == 0 {
		return ""
	}
	onLoopback := false
	for _, s := range sockets {
		if int(s.Port()) != expected {
			continue
		}
		if !s.Addr().IsLoopback() || kind == berth.KindDevelopment {
			return "" // it listens where it should, and yet does not answer
		}
		onLoopback = true
	}
	if onLoopback {
		return fmt.Sprintf("listens on port %d for itself only (on localhost); let it listen on 0.0.0.0", expected)
	}
	return fmt.Sprintf("listens on %s, but the project declares %d", list(ports(sockets)), expected)
}

func list(numbers []int) string {
	var words []string
	for _, n := range numbers {
		words = append(words, strconv.Itoa(n))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
