package berth

import (
	"context"
	"net/netip"
	"strings"
	"time"
)

// DomainService is about names of a team's own that lead to elements of deployments.
type DomainService interface {
	// AddDomain lets a name lead to an element, or to another domain of the deployment. It serves once it is proven.
	// EConflict when a deployment has it already.
	AddDomain(ctx context.Context, ref string, n NewDomain) (Domain, error)
	// Domains lists those of a deployment.
	Domains(ctx context.Context, ref string) ([]Domain, error)
	// CheckDomain looks again what the DNS says. Blocks for seconds at most.
	CheckDomain(ctx context.Context, ref, name string) (Domain, error)
	// DeleteDomain ends it at once. EConflict while another domain redirects to it.
	DeleteDomain(ctx context.Context, ref, name string) error

	// AddProjectDomain lets all names one label below a name lead to the project's deployments that are made from now
	// on: each of their hosts has its label there, too. It serves once a TXT record proves it. EConflict where somebody
	// else has it, or names below it.
	AddProjectDomain(ctx context.Context, project, name string) (Domain, error)
	// ProjectDomains lists those of a whole project.
	ProjectDomains(ctx context.Context, project string) ([]Domain, error)
	// CheckProjectDomain is CheckDomain for one of them.
	CheckProjectDomain(ctx context.Context, project, name string) (Domain, error)
	// DeleteProjectDomain ends it, and all names below it, at once.
	DeleteProjectDomain(ctx context.Context, project, name string) error
}

// NewDomain asks for a domain.
type NewDomain struct {
	Name       string
	Element    string // with a public host; empty: the only one that has any
	RedirectTo string // a domain of the deployment to which requests are sent instead (308)
}

// DomainState says what the DNS says of a domain.
type DomainState string

const (
	DomainWaits  DomainState = "waits"  // it was never seen to lead here
	DomainServes DomainState = "serves" // it leads here
	DomainLost   DomainState = "lost"   // it led here, and does not any more; it goes on serving
)

// ClaimTime is how long a name that is not proven stays a deployment's.
const ClaimTime = 72 * time.Hour

// Domain is a name of a team's own. It belongs to one deployment or, with a star in front, to a whole project: then all
// names one label below lead to hosts of the project's deployments.
type Domain struct {
	Name       string `json:"name"`              // in Punycode where it has other letters (RFC 5891)
	Unicode    string `json:"unicode,omitempty"` // as people write it, where that differs
	Deployment ID     `json:"-"`                 // empty: the whole project's
	Slug       string `json:"deployment"`
	ProjectID  ID     `json:"-"`
	Project    string `json:"project"`
	Below      string `json:"below,omitempty"` // the project's domain that gives a deployment this name
	Element    string `json:"element"`
	Identifier string `json:"-"` // of the element's host
	RedirectTo string `json:"redirectTo,omitempty"`
	URL        string `json:"url"` // empty of a project's domain
	Token      string `json:"-"`   // what a TXT record proves it with
	// Records lead the name here or prove it; filled in where domains are listed.
	Records []DNSRecord `json:"records"`

	State DomainState `json:"state"`
	// Proven says that the DNS was seen to say that it is this deployment's: from then on it serves.
	Proven      bool        `json:"proven"`
	Message     string      `json:"message,omitempty"` // what is missing, in a sentence
	CheckedAt   time.Time   `json:"checkedAt,omitzero"`
	CreatedAt   time.Time   `json:"createdAt"`
	ExpiresAt   time.Time   `json:"expiresAt,omitzero"` // when the claim ends, unless it is proven before
	Certificate Certificate `json:"certificate,omitzero"`
}

// star is in front of a project's domains, as the DNS writes it for all names below one.
const star = "*."

// Parent is the name below which a project's domain leads all names here; ok is false for a deployment's domain.
func (d Domain) Parent() (name string, ok bool) { return strings.CutPrefix(d.Name, star) }

// ParentDomain is how a project's domain is written.
func ParentDomain(name string) string { return star + strings.TrimPrefix(name, star) }

// NamesBelow are the names that a project's domain gives to a deployment's hosts, former labels included: to those of
// deployments that were made after the domain was added.
func (d Domain) NamesBelow(of Deployment, hosts []Host) (list []Domain) {
	parent, ok := d.Parent()
	if !ok || d.ProjectID != of.ProjectID || of.CreatedAt.Before(d.CreatedAt) {
		return nil
	}
	for _, h := range hosts {
		named := d
		named.Name, named.Below, named.Deployment, named.Slug, named.Element, named.Identifier = h.Label+"."+parent, d.Name, of.ID, of.Slug, h.Element, h.Identifier
		if h.RedirectTo != "" {
			named.RedirectTo = h.RedirectTo + "." + parent
		}
		list = append(list, named)
	}
	return list
}

// Overlaps reports whether a name of the two lies at or below a project's domain that is the other.
func (d Domain) Overlaps(other Domain) bool {
	parent, isParent := d.Parent()
	above, otherIs := other.Parent()
	return isParent && within(above, parent) || otherIs && within(parent, above)
}

func within(name, parent string) bool { return name == parent || strings.HasSuffix(name, "."+parent) }

// DNSRecord is a record that somebody has to create.
type DNSRecord struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
	// Purpose is "lead" (all of these A and AAAA, or the CNAME) or "prove" (where that does not, or cannot be).
	Purpose string `json:"purpose"`
}

func (r DNSRecord) String() string { return r.Type + " " + r.Name + " " + r.Value }

// What records are for.
const (
	RecordLeads  = "lead"
	RecordProves = "prove"
)

// ProofLabel is the label below which a TXT record proves a name, in a zone where nobody else can write.
const ProofLabel = "_berth."

// StateOf says in a word what a look at the DNS found.
func (d Domain) StateOf() DomainState {
	switch {
	case !d.Proven:
		return DomainWaits
	case d.Message != "":
		return DomainLost
	}
	return DomainServes
}

// DomainRecords are the records that lead a name to a server at some addresses, or to an alias of it (empty: none), and
// the one that proves it.
func DomainRecords(name, token, alias string, here []netip.Addr) []DNSRecord {
	records := []DNSRecord{}
	for _, a := range here {
		kind := "A"
		if a.Is6() {
			kind = "AAAA"
		}
		records = append(records, DNSRecord{kind, name, a.String(), RecordLeads})
	}
	if alias != "" && strings.Count(name, ".") > 1 { // a zone's own name cannot be an alias (RFC 1912, 2.4)
		records = append(records, DNSRecord{"CNAME", name, alias, RecordLeads})
	}
	if token != "" {
		records = append(records, DNSRecord{"TXT", ProofLabel + strings.TrimPrefix(name, star), ProofText(token), RecordProves})
	}
	return records
}

// ProofText is what the TXT record says.
func ProofText(token string) string { return "berth=" + token }

// Counterpart is the name with www for one without, and the other way round.
func Counterpart(name string) string {
	if bare, found := strings.CutPrefix(name, "www."); found {
		return bare
	}
	return "www." + name
}

// ParseDomain checks a name in Punycode that somebody wants to lead here, and returns it in lower case. base is the base
// domain of generated hosts, which is not for sale.
func ParseDomain(name, base string) (string, error) {
	name = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
	wrong := func(why string) (string, error) {
		return "", &Error{Code: EInvalid, Field: "domain", Message: why}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return wrong("an address cannot be a domain: write a name like shop.example.com")
	}
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 {
		return wrong("write a name like shop.example.com")
	}
	for _, label := range labels {
		if !isLabel(label) {
			return wrong("write a name like shop.example.com, without a scheme, port or star")
		}
	}
	if name == base || strings.HasSuffix(name, "."+base) {
		return wrong("names below " + base + " are made by Berth itself: berth show lists those of a deployment")
	}
	if strings.HasSuffix(base, "."+name) {
		return wrong(name + " is above this server's own domain " + base + ": pages of an application there could set cookies for the console")
	}
	if labels[len(labels)-1] == "localhost" {
		return wrong("names below localhost lead to every machine itself")
	}
	return name, nil
}

// isLabel follows RFC 1123, 2.1.
func isLabel(label string) bool {
	if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		return false
	}
	for _, r := range label {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
