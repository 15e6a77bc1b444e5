package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth/agentwire"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		main()
		return
	}
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

const (
	coreAddress  = "172.30.0.2"
	outsideName  = "registry.example.org."
	outsideReply = "203.0.113.9"
)

// world is a running core on loopback, whose upstream knows one name. Everybody asks from 127.0.0.1.
type world struct {
	t    *testing.T
	dir  string
	core *core

	upstreamAddress string
	leaked          atomic.Pointer[string] // a name that upstream does not know and was asked about
}

func newWorld(t *testing.T, names agentwire.Names) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.write(names)
	w.upstreamAddress = w.startUpstream()
	upstream := []string{"127.0.0.1:1", w.upstreamAddress} // the first is down
	ctx, cancel := context.WithCancel(context.Background())
	core := onFreePort(t, func() (*core, error) {
		return openCore(ctx, coreConfig{Dir: w.dir, DNS: "127.0.0.1:0", Upstream: upstream,
			Streams: map[int]string{80: "127.0.0.1:0", 443: "127.0.0.1:0"}})
	})
	w.core = core
	done := make(chan error, 1)
	go func() { done <- core.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Second):
			t.Error("core does not end within a second")
			<-done
		}
	})
	return w
}

// write replaces the name table as ingress does.
func (w *world) write(names agentwire.Names) {
	w.t.Helper()
	data, err := json.Marshal(names)
	if err != nil {
		w.t.Fatal(err)
	}
	w.writeRaw(string(data))
}

func (w *world) writeRaw(data string) {
	w.t.Helper()
	path := filepath.Join(w.dir, agentwire.NamesFile)
	if err := os.WriteFile(path+".new", []byte(data), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

// startUpstream serves outsideName over UDP and TCP and returns its address.
func (w *world) startUpstream() string {
	w.t.Helper()
	handler := dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch name := q.Question[0].Name; {
		case name == outsideName && q.Question[0].Qtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.ParseIP(outsideReply)})
		case name == "long.example.org.":
			for i := range 100 {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(10, 9, 9, byte(i))})
			}
			if rw.RemoteAddr().Network() == "udp" {
				m.Truncate(dns.MinMsgSize)
			}
		default:
			w.leaked.Store(&name)
			m.Rcode = dns.RcodeNameError
		}
		_ = rw.WriteMsg(m)
	})
	var packets net.PacketConn
	listener := onFreePort(w.t, func() (listener net.Listener, err error) {
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		if listener, err = net.Listen("tcp", packets.LocalAddr().String()); err != nil {
			packets.Close()
		}
		return listener, err
	})
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() { defer close(done); _ = server.ActivateAndServe() }()
		<-started
		w.t.Cleanup(func() { _ = server.Shutdown(); <-done })
	}
	return packets.LocalAddr().String()
}

// onFreePort opens something over UDP and TCP: the port that the kernel chose for the one may be
// taken for the other.
func onFreePort[T any](t *testing.T, open func() (T, error)) T {
	t.Helper()
	var opened T
	var err error
	for range 20 {
		if opened, err = open(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// ask sends a question over a network, udp or tcp.
func (w *world) ask(network, name string, kind uint16) *dns.Msg {
	w.t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	client := dns.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := client.ExchangeContext(w.t.Context(), q, w.core.names.address().String())
	if err != nil {
		w.t.Fatalf("%s %s: %v", network, name, err)
	}
	return answer
}

// resolve returns the addresses that an application would get, or the failure's name.
func (w *world) resolve(name string) []string {
	w.t.Helper()
	answer := w.ask("udp", name, dns.TypeA)
	if answer.Rcode != dns.RcodeSuccess {
		return []string{dns.RcodeToString[answer.Rcode]}
	}
	var addresses []string
	for _, rr := range answer.Answer {
		addresses = append(addresses, rr.(*dns.A).A.String())
	}
	slices.Sort(addresses)
	return addresses
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
