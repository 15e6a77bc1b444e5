package berth

import (
	"context"
	"net/netip"
	"strings"
	"time"
)

// DomainService is about names of a team's own that lead to elements of deployments.
type DomainService interface {
	// AddDomain lets a name lead to the public host of an element (empty: the only one that has any). It serves
	// once the DNS leads here. EConflict when a deployment has it already.
	AddDomain(ctx context.Context, ref, name, element string) (Domain, error)
	// Domains lists those of a deployment.
	Domains(ctx context.Context, ref string) ([]Domain, error)
	// CheckDomain looks again where the DNS leads. Blocks for seconds at most.
	CheckDomain(ctx context.Context, ref, name string) (Domain, error)
	// DeleteDomain ends it at once.
	DeleteDomain(ctx context.Context, ref, name string) error
}

// Domain is a name of a team's own. It belongs to one deployment.
type Domain struct {
	Name       string   `json:"name"`
	Deployment ID       `json:"-"`
	Slug       string   `json:"deployment"`
	Element    string   `json:"element"`
	Identifier string   `json:"-"` // of the element's host
	URL        string   `json:"url"`
	Records    []string `json:"records"` // DNS records of which one has to exist, as in "A shop.example.com 203.0.113.9"
	// Proven says that the DNS was seen to lead here: from then on it serves.
	Proven      bool        `json:"proven"`
	Message     string      `json:"message,omitempty"` // what is missing, in a sentence
	CheckedAt   time.Time   `json:"checkedAt,omitzero"`
	CreatedAt   time.Time   `json:"createdAt"`
	Certificate Certificate `json:"certificate,omitzero"`
}

// ParseDomain checks a name that somebody wants to lead here, and returns it in lower case. base is the base
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
			return wrong("write a name like shop.example.com, without a scheme, port or star; letters of other scripts in Punycode (xn--…)")
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
