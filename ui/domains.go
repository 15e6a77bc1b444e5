package ui

import (
	"slices"

	"github.com/berth-dev/berth"
)

var domainStates = map[berth.DomainState]state{
	berth.DomainWaits:  {"Waits for the DNS", "clock", "blue", false},
	berth.DomainServes: {"Serves", "check", "green", false},
	berth.DomainLost:   {"Leads elsewhere", "alert", "yellow", false},
}

// domainsPage is names of a team's own. What the DNS says is looked for by itself, and shows here when it is found.
func domainsPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Domains(q.ctx, d.Slug)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Domains of " + d.Slug, place: p, about: []berth.ID{d.ID}, cli: "berth domain ls " + d.Slug,
		live: domainList(q, p, d, list), still: belowDomains(q.frame(""), p, d)}, nil
}

func (q *query) domainsAt(word string) string {
	return "/deployments/" + q.path("deployment") + "/domains?done=" + word
}

func addDomain(q *query) (string, error) {
	_, err := q.service.AddDomain(q.ctx, q.path("deployment"), berth.NewDomain{Name: q.form("name"), Element: q.form("element"), RedirectTo: q.form("redirect")})
	return q.domainsAt("domain"), err
}

func checkDomain(q *query) (string, error) {
	_, err := q.service.CheckDomain(q.ctx, q.path("deployment"), q.form("name"))
	return q.domainsAt("checked"), err
}

func removeDomain(q *query) (string, error) {
	return q.domainsAt("undomain"), q.service.DeleteDomain(q.ctx, q.path("deployment"), q.form("name"))
}

// hostElements are the elements that have a public host.
func hostElements(d berth.Deployment) (list []string) {
	for _, h := range d.Hosts {
		if !slices.Contains(list, h.Element) {
			list = append(list, h.Element)
		}
	}
	return list
}

// purpose says what a record is for.
func purpose(r berth.DNSRecord) string {
	if r.Purpose == berth.RecordProves {
		return "Proves that the name is yours, where nothing else can"
	}
	return "Leads the name here"
}
