package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/berth-dev/berth/agentwire"
	"github.com/miekg/dns"
)

const (
	answerTTL          = 1 // seconds: instances come and go
	maxNameConnections = 64
	nameConnectionIdle = 5 * time.Second
	maxQuestions       = 256 // being forwarded at once
)

// The suffixes under which Kubernetes knows a Service; some applications spell them out.
var clusterSuffixes = []string{".svc.cluster.local", ".cluster.local", ".svc"}

// resolver answers questions from the table, and asks upstream what is none of ours.
type resolver struct {
	ctx      context.Context // ends what is being asked upstream; dns.Handler has none
	table    func() *nameTable
	upstream *upstream
}

func (r *resolver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	reply := r.answer(q, addressOf(w.RemoteAddr()), w.RemoteAddr().Network())
	if w.RemoteAddr().Network() == "udp" {
		reply.Truncate(udpSize(q))
	}
	_ = w.WriteMsg(reply) // whoever asked is gone
}

// answer never returns nil.
func (r *resolver) answer(q *dns.Msg, from netip.Addr, network string) *dns.Msg {
	if q.Opcode != dns.OpcodeQuery {
		return failure(q, dns.RcodeNotImplemented)
	}
	if len(q.Question) != 1 {
		return failure(q, dns.RcodeFormatError)
	}
	question := q.Question[0]
	table := r.table()
	if table == nil {
		// What is ours is not known yet; what has several labels may be anybody's.
		if dns.CountLabel(question.Name) < 2 {
			return failure(q, dns.RcodeServerFailure)
		}
		return r.upstream.ask(r.ctx, q, network)
	}
	switch found := table.find(canonical(question.Name), from); {
	case found.known:
		return reply(q, found.addresses)
	case found.ours, isBareAddressQuestion(question):
		return failure(q, dns.RcodeNameError)
	default:
		return r.upstream.ask(r.ctx, q, network)
	}
}

// A name of one label that is none of ours would only tell the world what our names are.
func isBareAddressQuestion(q dns.Question) bool {
	return dns.CountLabel(q.Name) == 1 && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA)
}

// found is what the table says about a name.
type found struct {
	known     bool // it exists, with these addresses
	addresses []netip.Addr
	ours      bool // known or not, nobody else may be asked
}

func (t *nameTable) find(name string, from netip.Addr) found {
	switch name {
	case "core.diploi", "core.berth":
		return found{known: true, addresses: t.core, ours: true}
	case "":
		return found{}
	}
	if t.public[name] {
		return found{known: true, addresses: t.core, ours: true}
	}
	asker := t.askers[from]
	short, inCluster := withoutClusterSuffix(name)
	if service := t.service(short, asker); service != nil {
		return found{known: true, addresses: service.addresses(asker), ours: true}
	}
	return found{ours: inCluster || t.reserves(name)}
}

// service finds "<service>.<element>", the asker's own "<service>", or an "<element>"'s first.
// A Service called like another element is the asker's own: so Kubernetes has it.
func (t *nameTable) service(name string, asker agentwire.Asker) *nameService {
	if strings.Contains(name, ".") {
		return t.services[name]
	}
	if own := t.services[name+"."+asker.Element]; own != nil {
		return own
	}
	return t.first[name]
}

// reserves reports whether nobody but us may say something about a name: what ends in an
// element's identifier, whatever the search domain put together included.
func (t *nameTable) reserves(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch last {
	case "diploi", "berth", "localhost":
		return true
	}
	return t.elements[last]
}

func withoutClusterSuffix(name string) (short string, inCluster bool) {
	for _, suffix := range clusterSuffixes {
		if short, ok := strings.CutSuffix(name, suffix); ok {
			return short, true
		}
	}
	return name, false
}

// reply answers with the IPv4 addresses; any other kind of question about a name of ours has an
// empty answer, which unlike "no such name" does not hide the addresses.
func reply(q *dns.Msg, addresses []netip.Addr) *dns.Msg {
	m := withOptions(new(dns.Msg).SetReply(q), q)
	question := q.Question[0]
	for _, address := range addresses {
		header := dns.RR_Header{Name: question.Name, Class: dns.ClassINET, Ttl: answerTTL}
		switch {
		case question.Qclass != dns.ClassINET && question.Qclass != dns.ClassANY:
		case address.Is4() && (question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY):
			header.Rrtype = dns.TypeA
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: address.AsSlice()})
		case address.Is6() && (question.Qtype == dns.TypeAAAA || question.Qtype == dns.TypeANY):
			header.Rrtype = dns.TypeAAAA
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: address.AsSlice()})
		}
	}
	// Clients take the first address; this spreads them over the instances.
	rand.Shuffle(len(m.Answer), func(i, j int) { m.Answer[i], m.Answer[j] = m.Answer[j], m.Answer[i] })
	return m
}

func failure(q *dns.Msg, rcode int) *dns.Msg {
	return withOptions(new(dns.Msg).SetRcode(q, rcode), q)
}

// withOptions answers EDNS with EDNS, as RFC 6891 wants it.
func withOptions(m, q *dns.Msg) *dns.Msg {
	m.RecursionAvailable = true
	if options := q.IsEdns0(); options != nil {
		m.SetEdns0(upstreamUDPSize, options.Do())
	}
	return m
}

func udpSize(q *dns.Msg) int {
	if options := q.IsEdns0(); options != nil && options.UDPSize() > dns.MinMsgSize {
		return int(options.UDPSize())
	}
	return dns.MinMsgSize
}

func addressOf(a net.Addr) netip.Addr {
	address, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}

// nameServer is a dns.Server with its open listener.
type nameServer struct {
	server *dns.Server
	closed chan struct{}
}

func listenUDPNames(ctx context.Context, address string, r *resolver) (listening, error) {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &nameServer{server: &dns.Server{PacketConn: packets, Handler: r}, closed: make(chan struct{})}, nil
}

func listenTCPNames(ctx context.Context, address string, r *resolver) (listening, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &nameServer{
		server: &dns.Server{
			Listener:     limitListener(listener, maxNameConnections),
			Handler:      r,
			ReadTimeout:  nameConnectionIdle,
			WriteTimeout: nameConnectionIdle,
			IdleTimeout:  func() time.Duration { return nameConnectionIdle },
		},
		closed: make(chan struct{}),
	}, nil
}

func (s *nameServer) address() net.Addr {
	if s.server.PacketConn != nil {
		return s.server.PacketConn.LocalAddr()
	}
	return s.server.Listener.Addr()
}

func (s *nameServer) serve() error {
	err := s.server.ActivateAndServe()
	select {
	case <-s.closed:
		return nil
	default:
		return err
	}
}

// close makes serve end; the library's own Shutdown refuses a server that has not begun to serve.
func (s *nameServer) close() error {
	close(s.closed)
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.server.ShutdownContext(expired) // unblocks idle connections; says only that it did not wait
	if s.server.PacketConn != nil {
		return s.server.PacketConn.Close()
	}
	return s.server.Listener.Close()
}
