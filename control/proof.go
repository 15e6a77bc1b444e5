package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// DNS is what the DNS says of a name.
type DNS struct {
	Seen  []netip.Addr // where it leads; none: there is no such name, or it has no address
	Alias string       // what it is another name of at last (CNAME); empty: nothing
	Texts []string     // what the TXT records say that can prove it, its own and those of the name above
	// TextsFailed says that the name servers did not answer for these.
	TextsFailed bool
	// Beside is where a name beside it leads that nobody has made: there, if anywhere, a wildcard leads all names.
	Beside []netip.Addr
}

// claim is a name that a deployment wants, or a project with all names below it.
type claim struct {
	name   string // as people know it
	token  string
	proven bool // before
	parent bool // a project wants it
	// own reports whether a name is another one of who claims, ours whether it is anybody's on this server.
	own, ours func(name string) bool
	records   []berth.DNSRecord
}

// verdict is what is missing; an empty message: nothing.
type verdict struct {
	message string
	unknown bool // the name servers did not answer: nothing has been learnt
}

// judge is pure: what the DNS has to say before a name serves. That it leads here is enough where only one can have
// meant it so: a record of its own, or an alias of a name that is the claimer's. What a wildcard leads here, or an
// alias of somebody else's name, could be claimed by anybody on this server, and needs the TXT record. Of a name
// that was proven before, only whether it leads here still. Nothing but the TXT record proves all names below one: who
// leads them here for names of their own leads them here for everybody.
func judge(c claim, dns DNS, here []netip.Addr, err error) verdict {
	if err != nil {
		return verdict{"the name servers give no answer about " + c.name + " at the moment; it is looked at again by itself", true}
	}
	proof := c.token != "" && slices.Contains(dns.Texts, berth.ProofText(c.token))
	if proof && (!c.parent || len(dns.Seen) > 0) {
		return verdict{}
	}
	missing := c.missing(dns, here)
	if c.parent && !c.proven && !proof {
		missing = fmt.Sprintf("create %s to prove that it is yours, and %s to lead the names here", c.proving(c.name), c.leading())
	}
	if missing != "" && dns.TextsFailed {
		return verdict{"the name servers give no answer about the TXT record of " + c.name + " at the moment; it is looked at again by itself", true}
	}
	return verdict{message: missing}
}

func (c claim) missing(dns DNS, here []netip.Addr) string {
	switch {
	case len(dns.Seen) == 0:
		return "the DNS does not know " + c.name + " yet: create the record " + c.leading()
	case len(here) == 0:
		return "this server does not know its own public address: start it with --public-ip"
	}
	for _, a := range dns.Seen {
		if !slices.Contains(here, a) {
			return fmt.Sprintf("%s leads to %s, which is not this server: create the record %s, and no other; or, if something in front leads here, %s",
				c.name, a, c.leading(), c.proving(c.name))
		}
	}
	switch above := c.name[strings.Index(c.name, ".")+1:]; {
	case c.proven:
		return ""
	case dns.Alias != "" && c.own(dns.Alias):
		return ""
	case dns.Alias != "" && c.ours(dns.Alias):
		return fmt.Sprintf("%s is an alias of %s, which is somebody else's on this server: create %s to prove that it is yours", c.name, dns.Alias, c.proving(c.name))
	case len(dns.Beside) > 0 && !slices.ContainsFunc(dns.Beside, func(a netip.Addr) bool { return !slices.Contains(here, a) }):
		return fmt.Sprintf("*.%s leads here with all names below it, %s included, so anybody on this server could claim it: create %s to prove that it is yours", above, c.name, c.proving(above))
	}
	return ""
}

// leading are the records that lead the name here.
func (c claim) leading() string {
	var texts []string
	for _, r := range c.records {
		if r.Purpose == berth.RecordLeads {
			texts = append(texts, r.String())
		}
	}
	return strings.Join(texts, " or ")
}

// proving is the record that proves the name. Where a wildcard leads the name here it has to stand above: a record
// below the name would take it out of the wildcard (RFC 4592, 2.2.2).
func (c claim) proving(name string) string {
	return fmt.Sprintf("the record TXT %s%s %s", berth.ProofLabel, strings.TrimPrefix(name, "*."), berth.ProofText(c.token))
}
