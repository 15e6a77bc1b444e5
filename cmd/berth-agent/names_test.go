package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/agentwire"
	"github.com/miekg/dns"
)

// shop has two elements whose Services are both called app, and is asked by its element web.
func shop(options ...func(*agentwire.Names)) agentwire.Names {
	names := agentwire.Names{
		Core:        coreAddress,
		PublicHosts: []string{"Web-main-shop.berth.localhost"},
		Services: []agentwire.Service{
			{Element: "web", Name: "admin", Addresses: []string{"172.30.0.12"}},
			{Element: "web", Name: "app", First: true, Addresses: []string{"172.30.0.10", "172.30.0.11"}},
			{Element: "api", Name: "app", First: true, Addresses: []string{"172.30.0.20"}, Next: []string{"172.30.0.21"}},
			{Element: "postgres", Name: "postgres", First: true, Addresses: []string{"172.30.0.30"}},
			{Element: "web", Name: "postgres-admin", Addresses: []string{"172.30.0.13"}},
			{Element: "idle", Name: "app", First: true, Addresses: []string{}},
			{Element: "six", Name: "app", First: true, Addresses: []string{"fd00::6"}},
		},
		Askers: []agentwire.Asker{{Address: "127.0.0.1", Element: "web"}},
	}
	for _, option := range options {
		option(&names)
	}
	return names
}

func TestNamesResolve(t *testing.T) {
	w := newWorld(t, shop())
	web := []string{"172.30.0.10", "172.30.0.11"}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"app.api", []string{"172.30.0.20"}},
		{"APP.Api", []string{"172.30.0.20"}},
		{"app", web},     // the asker's own
		{"app.web", web}, // the same through its search domain
		{"web", web},     // its first Service is the one marked so
		{"api", []string{"172.30.0.20"}},
		{"postgres", []string{"172.30.0.30"}},
		{"postgres-admin", []string{"172.30.0.13"}},
		{"postgres.postgres", []string{"172.30.0.30"}},
		{"postgres.postgres.svc.cluster.local", []string{"172.30.0.30"}},
		{"postgres.postgres.svc", []string{"172.30.0.30"}},
		{"postgres.svc.cluster.local", []string{"172.30.0.30"}},
		{"app.svc.cluster.local", web},
		{"core.diploi", []string{coreAddress}},
		{"core.berth", []string{coreAddress}},
		{"web-main-shop.berth.localhost", []string{coreAddress}},
		{"app.idle", nil}, // known, and nobody there
		{outsideName, []string{outsideReply}},

		// Ours, and unknown: nobody else is asked.
		{"postgres.web", []string{"NXDOMAIN"}}, // "postgres" through the search domain of web
		{"nothing.api", []string{"NXDOMAIN"}},
		{"registry.example.org.web", []string{"NXDOMAIN"}},
		{"core.diploi.web", []string{"NXDOMAIN"}},
		{"nothing", []string{"NXDOMAIN"}},
		{"nothing.svc.cluster.local", []string{"NXDOMAIN"}},
		{"nothing.cluster.local", []string{"NXDOMAIN"}},
		{"other.diploi", []string{"NXDOMAIN"}},
		{"other.berth", []string{"NXDOMAIN"}},
		{"other-main-shop.berth.localhost", []string{"NXDOMAIN"}},
	} {
		if got := w.resolve(c.name); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if leaked := w.leaked.Load(); leaked != nil {
		t.Errorf("upstream was asked about %s", *leaked)
	}
	if got := w.resolve("nothing.example.org"); !slices.Equal(got, []string{"NXDOMAIN"}) || w.leaked.Load() == nil {
		t.Errorf("somebody else's unknown name: %v", got)
	}
}

func TestAnAskerOfARolloutGetsItsInstances(t *testing.T) {
	w := newWorld(t, shop(func(n *agentwire.Names) { n.Askers[0].Next = true }))
	if got := w.resolve("app.api"); !slices.Equal(got, []string{"172.30.0.21"}) {
		t.Errorf("got %v", got)
	}
	if got := w.resolve("postgres"); !slices.Equal(got, []string{"172.30.0.30"}) {
		t.Errorf("what is not being rolled out: %v", got)
	}
}

func TestAStrangerHasNoBareNames(t *testing.T) {
	w := newWorld(t, shop(func(n *agentwire.Names) { n.Askers = nil }))
	for name, want := range map[string]string{"app": "NXDOMAIN", "app.api": "172.30.0.20", "api": "172.30.0.20"} {
		if got := w.resolve(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

func TestAnswersSayWhatClientsNeed(t *testing.T) {
	w := newWorld(t, shop())
	for _, network := range []string{"udp", "tcp"} {
		a := w.ask(network, "App.Api", dns.TypeA)
		if len(a.Answer) != 1 || a.Answer[0].Header().Ttl != 1 || a.Answer[0].Header().Name != "App.Api." {
			t.Errorf("%s: %v", network, a)
		}
		if !a.RecursionAvailable {
			t.Errorf("%s: not recursive", network)
		}
		// An application that asks for IPv6 first must not be told that the name does not exist.
		for _, kind := range []uint16{dns.TypeAAAA, dns.TypeMX, dns.TypeTXT} {
			if a := w.ask(network, "app.api", kind); a.Rcode != dns.RcodeSuccess || len(a.Answer) != 0 {
				t.Errorf("%s %s: %v", network, dns.TypeToString[kind], a)
			}
		}
		if a := w.ask(network, "app.six", dns.TypeAAAA); len(a.Answer) != 1 {
			t.Errorf("%s: IPv6: %v", network, a)
		}
	}
	q := new(dns.Msg).SetQuestion("app.api.", dns.TypeA)
	q.SetEdns0(1232, true)
	answer, err := dns.Exchange(q, w.core.names.address().String())
	if err != nil || answer.IsEdns0() == nil {
		t.Errorf("EDNS is not answered with EDNS: %v %v", answer, err)
	}
}

func TestLongAnswersAreLeftToTCP(t *testing.T) {
	many := agentwire.Service{Element: "many", Name: "app", First: true}
	for i := range 100 {
		many.Addresses = append(many.Addresses, netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}).String())
	}
	w := newWorld(t, shop(func(n *agentwire.Names) { n.Services = append(n.Services, many) }))
	for _, name := range []string{"app.many", "long.example.org"} {
		a := w.ask("udp", name, dns.TypeA)
		a.Compress = true // as it was sent
		if !a.Truncated || a.Len() > dns.MinMsgSize {
			t.Errorf("%s over UDP: truncated %v, %d bytes", name, a.Truncated, a.Len())
		}
		if a := w.ask("tcp", name, dns.TypeA); a.Truncated || len(a.Answer) != 100 {
			t.Errorf("%s over TCP: truncated %v, %d answers", name, a.Truncated, len(a.Answer))
		}
	}
}

func TestInstancesAreTakenInTurn(t *testing.T) {
	w := newWorld(t, shop())
	first := map[string]bool{}
	for range 64 {
		first[w.ask("udp", "app.web", dns.TypeA).Answer[0].(*dns.A).A.String()] = true
	}
	if len(first) != 2 {
		t.Errorf("always %v first", first)
	}
}

func TestANewTableIsSeenSoon(t *testing.T) {
	w := newWorld(t, shop())
	at := func(address string) func() bool {
		return func() bool { return slices.Equal(w.resolve("api"), []string{address}) }
	}
	if !at("172.30.0.20")() {
		t.Fatal("the first table does not answer")
	}
	before := time.Now()
	w.write(shop(func(n *agentwire.Names) { n.Services[2].Addresses = []string{"172.30.0.99"} }))
	eventually(t, "the new table", at("172.30.0.99"))
	if took := time.Since(before); took > time.Second {
		t.Errorf("seen after %s", took)
	}
}

// Nobody may have asked for minutes: a question that comes while the file is read must not be answered
// from the table before it.
func TestQuestionsSideBySideSeeTheNewTable(t *testing.T) {
	w := newWorld(t, shop())
	reading, goOn := make(chan struct{}), make(chan struct{})
	first := true
	file := openNameFile(filepath.Join(w.dir, agentwire.NamesFile), func(*nameTable) {
		if !first {
			close(reading)
			<-goOn
		}
		first = false
	})
	old := file.current()
	w.write(shop(func(n *agentwire.Names) { n.Services[2].Addresses = []string{"172.30.0.99"} }))
	answers := make(chan *nameTable, 2)
	eventually(t, "the table is old", file.isOld)
	go func() { answers <- file.current() }()
	<-reading
	go func() { answers <- file.current() }()
	select {
	case <-answers:
		t.Error("a question was answered while the table was read")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	for range 2 {
		if <-answers == old {
			t.Error("a question was answered from the table before")
		}
	}
}

func TestABadTableLeavesTheLastGoodOne(t *testing.T) {
	w := newWorld(t, shop())
	var followed int
	file := openNameFile(filepath.Join(w.dir, agentwire.NamesFile), func(*nameTable) { followed++ })
	good := file.current()
	for _, bad := range []string{"", "{", `{"core":"nonsense"}`, `{"services":[{"element":"api","name":"app","addresses":["1.2.3"]}]}`,
		`{"services":[{"element":"api","name":"app","next":["x"]}]}`, `{"askers":[{"address":"x"}]}`, `{"core":"` + strings.Repeat("x", nameFileLimit) + `"}`} {
		w.writeRaw(bad)
		file.refresh()
		if file.current() != good || followed != 1 {
			t.Errorf("%.40q replaced a good table", bad)
		}
	}
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	file.refresh()
	if file.current() != good {
		t.Error("no file replaced a good table")
	}
	w.write(shop())
	file.refresh()
	if file.current() == good || followed != 2 {
		t.Error("a good table after bad ones was not taken")
	}
	again := file.current()
	file.refresh()
	if file.current() != again {
		t.Error("the same file was read again")
	}
}

func TestWithoutATableOnlyBareNamesFail(t *testing.T) {
	w := newWorld(t, agentwire.Names{})
	none := &resolver{ctx: t.Context(), table: func() *nameTable { return nil }, upstream: newUpstream([]string{w.upstreamAddress})}
	ask := func(name string) *dns.Msg {
		return none.answer(new(dns.Msg).SetQuestion(name, dns.TypeA), addressOf(w.core.names.address()), "udp")
	}
	if got := ask("app."); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("a bare name: %v", got)
	}
	if got := ask(outsideName); len(got.Answer) != 1 {
		t.Errorf("a public name: %v", got)
	}
}

func TestOddQuestions(t *testing.T) {
	w := newWorld(t, shop())
	r := &resolver{ctx: t.Context(), table: func() *nameTable { return nil }, upstream: newUpstream(nil)}
	update := new(dns.Msg).SetUpdate("web.")
	if got := r.answer(update, addressOf(w.core.names.address()), "udp"); got.Rcode != dns.RcodeNotImplemented {
		t.Errorf("an update: %v", got)
	}
	if got := r.answer(new(dns.Msg), addressOf(w.core.names.address()), "udp"); got.Rcode != dns.RcodeFormatError {
		t.Errorf("no question: %v", got)
	}
	if got := r.answer(new(dns.Msg).SetQuestion(outsideName, dns.TypeA), addressOf(w.core.names.address()), "udp"); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("nobody to ask: %v", got)
	}
}

func FuzzNames(f *testing.F) {
	f.Add([]byte(`{"core":"172.30.0.2","publicHosts":["a.b"],"services":[{"element":"web","name":"app","first":true,"addresses":["10.0.0.1"]}],"askers":[{"address":"10.0.0.9","element":"web"}]}`), "app.web.")
	f.Add([]byte(`{"services":[{"element":"","name":"","addresses":null}]}`), ".")
	f.Add([]byte(`{}`), "a.svc.cluster.local.")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		table, err := parseNames(data)
		if err != nil {
			return
		}
		r := &resolver{ctx: t.Context(), table: func() *nameTable { return table }, upstream: newUpstream(nil)}
		for asker := range table.askers {
			q := new(dns.Msg)
			q.Question = []dns.Question{{Name: name, Qtype: dns.TypeA, Qclass: dns.ClassINET}}
			if got := r.answer(q, asker, "udp"); got == nil || !got.Response {
				t.Fatalf("no answer to %q", name)
			}
		}
	})
}

func FuzzQuestion(f *testing.F) {
	table, err := newNameTable(shop())
	if err != nil {
		f.Fatal(err)
	}
	r := &resolver{ctx: f.Context(), table: func() *nameTable { return table }, upstream: newUpstream(nil)}
	for _, name := range []string{"app.", "app.web.", ".", "x.svc.cluster.local."} {
		packed, err := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return
		}
		got := r.answer(q, netip.MustParseAddr("127.0.0.1"), "udp")
		if got == nil || got.Id != q.Id {
			t.Fatalf("answer %v to %v", got, q)
		}
		got.Truncate(udpSize(q))
		if _, err := got.Pack(); err != nil {
			t.Fatalf("cannot be sent: %v", err)
		}
	})
}
