//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The cable between this machine and its neighbour. The addresses are of those for documentation (RFC 5737).
const (
	cableHere  = "198.51.100.1"
	cableThere = "198.51.100.2"
	cableBits  = "/30"
)

// neighbour puts another machine beside this one: a network namespace with one cable to here, and a name
// server that knows just the names that hold this machine's address. $NEIGHBOUR names it, $ADDRESS is what
// it reaches this machine by.
func neighbour(ts *testscript.TestScript, _ bool, _ []string) {
	random := make([]byte, 3)
	_, _ = rand.Read(random) // never fails
	name := "berth-" + hex.EncodeToString(random)
	settings := filepath.Join("/etc/netns", name)
	ts.Defer(func() {
		// The cable goes with the namespace.
		if out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput(); err != nil {
			ts.Logf("delete the neighbour: %v\n%s", err, out)
		}
		ts.Check(os.RemoveAll(settings))
	})
	for _, args := range [][]string{
		{"netns", "add", name},
		{"link", "add", name, "type", "veth", "peer", "name", "cable", "netns", name},
		{"address", "add", cableHere + cableBits, "dev", name},
		{"link", "set", name, "up"},
		{"-netns", name, "address", "add", cableThere + cableBits, "dev", "cable"},
		{"-netns", name, "link", "set", "cable", "up"},
		{"-netns", name, "link", "set", "lo", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			ts.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	ts.Check(os.MkdirAll(settings, 0o755))
	ts.Check(os.WriteFile(filepath.Join(settings, "resolv.conf"), []byte("nameserver "+cableHere+"\n"), 0o644))
	names := &dns.Server{Addr: net.JoinHostPort(cableHere, "53"), Net: "udp", Handler: dns.HandlerFunc(answerForAddress)}
	started := make(chan error, 1)
	names.NotifyStartedFunc = func() { started <- nil }
	go func() { started <- names.ListenAndServe() }()
	ts.Check(<-started)
	ts.Defer(func() { ts.Check(names.Shutdown()) })
	ts.Setenv("NEIGHBOUR", name)
	ts.Setenv("ADDRESS", cableHere)
}

var addressInName = regexp.MustCompile(`(?:^|[.-])(\d+-\d+-\d+-\d+)\.`)

// answerForAddress leads a name to the address in it, as sslip.io does.
func answerForAddress(w dns.ResponseWriter, question *dns.Msg) {
	answer := new(dns.Msg).SetReply(question)
	q := question.Question[0]
	found := addressInName.FindStringSubmatch(q.Name)
	if found == nil {
		answer.Rcode = dns.RcodeNameError
	} else if ip, err := netip.ParseAddr(strings.ReplaceAll(found[1], "-", ".")); err == nil && q.Qtype == dns.TypeA {
		answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: ip.AsSlice()}}
	}
	_ = w.WriteMsg(answer) // who asked asks again
}

// ports prints every TCP port at which this machine answers its neighbour, a line each, in order. Those
// that this test process itself listens on are left out.
func ports(ts *testscript.TestScript, _ bool, _ []string) {
	var found []int
	ts.Check(within(ts.Getenv("NEIGHBOUR"), func() error {
		for port := 1; port <= 65535; port++ {
			c, err := net.DialTimeout("tcp4", net.JoinHostPort(cableHere, strconv.Itoa(port)), time.Second)
			switch {
			case err == nil:
				found = append(found, port)
				_ = c.Close()
			case !errors.Is(err, unix.ECONNREFUSED):
				return err
			}
		}
		return nil
	}))
	own, err := ownPorts()
	ts.Check(err)
	text := ""
	for _, port := range found {
		if !slices.Contains(own, port) {
			text += strconv.Itoa(port) + "\n"
		}
	}
	_, err = fmt.Fprint(ts.Stdout(), text)
	ts.Check(err)
}

// within runs fn with the network of a namespace. What fn starts on other threads is not in it.
func within(namespace string, fn func() error) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		f, err := os.Open(filepath.Join("/run/netns", namespace))
		if err == nil {
			err = errors.Join(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), f.Close())
		}
		if err == nil {
			err = fn()
		}
		ended <- err
	}()
	return <-ended
}

// ownPorts are the TCP ports at which this process listens.
func ownPorts() (ports []int, err error) {
	ours := map[string]bool{}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", f.Name())); err == nil {
			ours[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != "0A" || !ours[fields[9]] {
				continue
			}
			_, hexadecimal, _ := strings.Cut(fields[1], ":")
			port, err := strconv.ParseUint(hexadecimal, 16, 16)
			if err != nil {
				return nil, err
			}
			ports = append(ports, int(port))
		}
	}
	return ports, nil
}
