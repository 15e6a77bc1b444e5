package control

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func addresses(texts ...string) (list []netip.Addr) {
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

func TestJudgeSaysWhatANameLacks(t *testing.T) {
	here := addresses("203.0.113.9", "2001:db8::9")
	const name, own, foreign = "shop.example.com", "web-main-shop.base.test", "web-main-other.base.test"
	usual := claim{name: name, token: "t0ken",
		own:     func(n string) bool { return n == own },
		ours:    func(n string) bool { return n == own || n == foreign },
		records: berth.DomainRecords(name, "t0ken", own, here)}
	proven := usual
	proven.proven = true
	parent := usual
	parent.name, parent.parent, parent.records = "*."+name, true, berth.DomainRecords("*."+name, "t0ken", "", here)
	provenParent := parent
	provenParent.proven = true
	for doing, c := range map[string]struct {
		claim   claim
		dns     DNS
		here    []netip.Addr
		err     error
		want    []string // parts of the message; none: nothing is missing
		unknown bool
	}{
		"all below, with the proof":        {claim: parent, dns: DNS{Seen: here, Texts: []string{"berth=t0ken"}}},
		"all below, by a record alone":     {claim: parent, dns: DNS{Seen: here}, want: []string{"TXT _berth.shop.example.com berth=t0ken", "A *.shop.example.com 203.0.113.9"}},
		"all below, by an alias alone":     {claim: parent, dns: DNS{Seen: here, Alias: own}, want: []string{"TXT _berth.shop.example.com"}},
		"all below, that lead nowhere":     {claim: parent, dns: DNS{Texts: []string{"berth=t0ken"}}, want: []string{"does not know *.shop.example.com yet", "A *.shop.example.com 203.0.113.9"}},
		"all below, no answer about texts": {claim: parent, dns: DNS{Seen: here, TextsFailed: true}, want: []string{"TXT"}, unknown: true},
		"all below, proven":                {claim: provenParent, dns: DNS{Seen: here}},
		"all below, proven, elsewhere":     {claim: provenParent, dns: DNS{Seen: addresses("198.51.100.1")}, want: []string{"*.shop.example.com leads to 198.51.100.1"}},
		"a record of its own":              {claim: usual, dns: DNS{Seen: here}},
		"one of two addresses":             {claim: usual, dns: DNS{Seen: here[:1]}},
		"an alias of its own host":         {claim: usual, dns: DNS{Seen: here, Alias: own}},
		"an alias of its own by a star":    {claim: usual, dns: DNS{Seen: here, Alias: own, Beside: here}},
		"an alias of somebody outside":     {claim: usual, dns: DNS{Seen: here, Alias: "machine.example.net"}},
		"a star that leads elsewhere":      {claim: usual, dns: DNS{Seen: here, Beside: addresses("198.51.100.1")}},
		"behind a CDN, with the proof":     {claim: usual, dns: DNS{Seen: addresses("198.51.100.1"), Texts: []string{"v=spf1", "berth=t0ken"}}},
		"the proof alone":                  {claim: usual, dns: DNS{Texts: []string{"berth=t0ken"}}},
		"a star, with the proof":           {claim: usual, dns: DNS{Seen: here, Beside: here, Texts: []string{"berth=t0ken"}}},
		"proven, now by a star":            {claim: proven, dns: DNS{Seen: here, Beside: here}},
		"proven, now somebody's alias":     {claim: proven, dns: DNS{Seen: here, Alias: foreign}},
		"unknown":                          {claim: usual, want: []string{"does not know shop.example.com yet", "A shop.example.com 203.0.113.9 or AAAA shop.example.com 2001:db8::9 or CNAME shop.example.com " + own}},
		"elsewhere":                        {claim: usual, dns: DNS{Seen: addresses("198.51.100.1")}, want: []string{"leads to 198.51.100.1, which is not this server", "TXT _berth.shop.example.com berth=t0ken"}},
		"here and elsewhere":               {claim: usual, dns: DNS{Seen: addresses("203.0.113.9", "198.51.100.1")}, want: []string{"leads to 198.51.100.1"}},
		"another's proof":                  {claim: usual, dns: DNS{Seen: addresses("198.51.100.1"), Texts: []string{"berth=other", "berth="}}, want: []string{"not this server"}},
		"an alias of another's":            {claim: usual, dns: DNS{Seen: here, Alias: foreign}, want: []string{"somebody else's", "TXT _berth.shop.example.com berth=t0ken"}},
		"a star":                           {claim: usual, dns: DNS{Seen: here, Beside: here[:1]}, want: []string{"*.example.com", "TXT _berth.example.com berth=t0ken"}},
		"proven, gone":                     {claim: proven, want: []string{"does not know"}},
		"proven, elsewhere":                {claim: proven, dns: DNS{Seen: addresses("198.51.100.1")}, want: []string{"198.51.100.1"}},
		"a server without address":         {claim: usual, dns: DNS{Seen: here}, here: []netip.Addr{}, want: []string{"--public-ip"}},
		"no answer":                        {claim: usual, err: errors.New("i/o timeout"), want: []string{"give no answer about shop.example.com"}, unknown: true},
		"no answer about texts":            {claim: usual, dns: DNS{Seen: addresses("198.51.100.1"), TextsFailed: true}, want: []string{"TXT"}, unknown: true},
		"no answer about texts, but here":  {claim: usual, dns: DNS{Seen: here, TextsFailed: true}},
	} {
		at := here
		if c.here != nil {
			at = c.here
		}
		got := judge(c.claim, c.dns, at, c.err)
		if got.unknown != c.unknown || (got.message == "") != (len(c.want) == 0) {
			t.Errorf("%s: %+v", doing, got)
		}
		for _, part := range c.want {
			if !strings.Contains(got.message, part) {
				t.Errorf("%s: %q says nothing of %q", doing, got.message, part)
			}
		}
	}
}

func TestNamesAreTakenInAnyScript(t *testing.T) {
	for text, want := range map[string]string{"Bücher.Example.": "xn--bcher-kva.example", "shop.example": "shop.example", "xn--bcher-kva.example": "xn--bcher-kva.example", "FAẞ.example": "fass.example"} {
		if got := punycode(text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if got := unicodeOf("xn--bcher-kva.example"); got != "bücher.example" {
		t.Errorf("shown as %q", got)
	}
	if got := unicodeOf("shop.example"); got != "" {
		t.Errorf("shown as %q", got)
	}
}

func TestAZonesOwnNameIsOfferedNoAlias(t *testing.T) {
	for name, want := range map[string]bool{"example.com": false, "shop.example.com": true} {
		found := false
		for _, r := range berth.DomainRecords(name, "t", "web.base.test", addresses("203.0.113.9")) {
			found = found || r.Type == "CNAME"
		}
		if found != want {
			t.Errorf("%s: %v", name, found)
		}
	}
}
