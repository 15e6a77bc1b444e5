package control

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/net/idna"
)

const (
	// maxDomains bounds what one deployment may have.
	maxDomains = 100
	// recheck is how often a name that serves is looked at, recheckLost one that does not lead here any more.
	recheck     = 24 * time.Hour
	recheckLost = time.Hour
	// eager is how long after it was added a name is looked at every eagerPause, later every patientPause.
	eager        = 15 * time.Minute
	eagerPause   = 2 * time.Second
	patientPause = 5 * time.Minute
	// reachedTime is how long a list waits for the server's own address.
	reachedTime = time.Second
)

// AddDomain lets a name of one's own lead to an element, or to another domain, once it is proven.
func (s *Service) AddDomain(ctx context.Context, ref string, n berth.NewDomain) (domain berth.Domain, err error) {
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, DomainChange, ref)
		if err != nil {
			return err
		}
		if domain, err = s.control.newDomain(tx, d, n); err != nil {
			return err
		}
		if err := addDomain(tx, domain); err != nil {
			return err
		}
		return s.event(tx, d, domain.Element, "domain.added", domain.Name+" shall "+purposeOf(domain))
	})
	if err != nil {
		return domain, err
	}
	return s.control.look(ctx, domain)
}

// addDomain stores a domain unless somebody else's is in its way.
func addDomain(tx Tx, domain berth.Domain) error {
	taken, err := overlaps(tx, domain)
	if err != nil {
		return err
	}
	if taken {
		return berth.Errorf(berth.EConflict, "somebody on this server has the domain %s already", domain.Name)
	}
	return tx.AddDomain(domain)
}

// overlaps reports whether another project has proven names of its own where a domain's are.
func overlaps(tx Tx, domain berth.Domain) (bool, error) {
	all, err := tx.AllDomains()
	return slices.ContainsFunc(all, func(m berth.Domain) bool {
		return m.Proven && m.ProjectID != domain.ProjectID && m.Overlaps(domain)
	}), err
}

func purposeOf(d berth.Domain) string {
	if _, parent := d.Parent(); parent {
		return "lead to new deployments of " + d.Project
	}
	if d.RedirectTo != "" {
		return "redirect to " + d.RedirectTo
	}
	return "lead to " + d.Element
}

func (c *Control) newDomain(tx Tx, d berth.Deployment, n berth.NewDomain) (domain berth.Domain, err error) {
	name, err := c.parseDomain(n.Name)
	if err != nil {
		return domain, err
	}
	there, err := tx.Domains(d.ID)
	if err != nil {
		return domain, err
	}
	if len(there) >= maxDomains {
		return domain, berth.Errorf(berth.EConflict, "%s has %d domains, which is as many as a deployment may have", d.Slug, len(there))
	}
	domain = claimOf(tx, name)
	domain.Deployment, domain.Slug, domain.ProjectID, domain.Project = d.ID, d.Slug, d.ProjectID, d.Project
	if n.RedirectTo != "" {
		to, err := redirectTarget(there, d, n)
		domain.Element, domain.Identifier, domain.RedirectTo = to.Element, to.Identifier, to.Name
		return domain, err
	}
	host, err := hostFor(tx, d, n.Element)
	domain.Element, domain.Identifier = host.Element, host.Identifier
	return domain, err
}

// claimOf is a domain that nobody has looked at yet.
func claimOf(tx Tx, name string) berth.Domain {
	return berth.Domain{Name: name, Token: string(berth.NewID() + berth.NewID()), CreatedAt: tx.Now(), Message: "the DNS has not been asked yet"}
}

// parseDomain takes a name as people write it, and returns what the DNS knows it by.
func (c *Control) parseDomain(text string) (string, error) {
	return berth.ParseDomain(punycode(text), c.Domain)
}

// punycode is a name as the DNS knows it (RFC 5891; UTS 46). What is no name stays as it is.
func punycode(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	if name, err := idna.Lookup.ToASCII(text); err == nil {
		return name
	}
	return strings.ToLower(text)
}

// unicodeOf is a name as people write it, "" where that does not differ.
func unicodeOf(name string) string {
	if text, err := idna.Display.ToUnicode(name); err == nil && text != name {
		return text
	}
	return ""
}

// redirectTarget finds the domain that another one shall redirect to.
func redirectTarget(there []berth.Domain, d berth.Deployment, n berth.NewDomain) (to berth.Domain, err error) {
	if n.Element != "" {
		return to, invalid("element", "a domain leads to an element or redirects to another domain: say one of both")
	}
	at := slices.IndexFunc(there, func(m berth.Domain) bool { return m.Name == punycode(n.RedirectTo) })
	if at < 0 {
		return to, invalid("redirectTo", fmt.Sprintf("%s has no domain %s to redirect to: add that first", d.Slug, n.RedirectTo))
	}
	if to = there[at]; to.RedirectTo != "" {
		return to, invalid("redirectTo", to.Name+" redirects itself: redirect to "+to.RedirectTo)
	}
	return to, nil
}

// hostFor finds the public host that a domain leads to.
func hostFor(tx Tx, d berth.Deployment, element string) (berth.Host, error) {
	hosts, err := tx.Hosts(d.ID)
	if err != nil {
		return berth.Host{}, err
	}
	var elements []string
	for _, h := range hosts {
		if !slices.Contains(elements, h.Element) {
			elements = append(elements, h.Element)
		}
	}
	switch {
	case element == "" && len(elements) > 1:
		return berth.Host{}, invalid("element", fmt.Sprintf("%s has several elements with a public host; say which with --element: %s", d.Slug, listed(elements)))
	case len(hosts) == 0:
		return berth.Host{}, berth.Errorf(berth.EConflict, "%s has no public host yet: it has one once its first release is prepared", d.Slug)
	case element == "":
		return hosts[0], nil
	}
	at := slices.IndexFunc(hosts, func(h berth.Host) bool { return h.Element == element })
	if at < 0 {
		return berth.Host{}, invalid("element", fmt.Sprintf("%s has no public host: %s has", element, listed(elements)))
	}
	return hosts[at], nil
}

// Domains lists those of a deployment, with the records to create.
func (s *Service) Domains(ctx context.Context, ref string) (list []berth.Domain, err error) {
	var d berth.Deployment
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.deployment(tx, DomainRead, ref); err != nil {
			return err
		}
		list, err = domainsOf(tx, d)
		return err
	})
	if err != nil || len(list) == 0 {
		return list, err
	}
	here := s.control.reached(ctx)
	for i := range list {
		list[i] = s.control.shownDomain(list[i], d.Hosts, here)
	}
	return list, nil
}

// domainsOf are those of a deployment, and behind them the names that its project's domains give it.
func domainsOf(tx Tx, d berth.Deployment) ([]berth.Domain, error) {
	list, err := tx.Domains(d.ID)
	if err != nil {
		return nil, err
	}
	parents, err := tx.ProjectDomains(d.ProjectID)
	for _, m := range parents {
		list = append(list, m.NamesBelow(d, d.Hosts)...)
	}
	return list, err
}

// reached are the server's own addresses, as far as they are known in time.
func (c *Control) reached(ctx context.Context) []netip.Addr {
	if c.Reached == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachedTime)
	defer cancel()
	return c.Reached(ctx)
}

// CheckDomain looks what the DNS says now.
func (s *Service) CheckDomain(ctx context.Context, ref, name string) (domain berth.Domain, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, DomainChange, ref)
		if err != nil {
			return err
		}
		domain, err = domainOf(tx, d, name)
		return err
	})
	if err != nil {
		return domain, err
	}
	return s.control.look(ctx, domain)
}

func domainOf(tx Tx, d berth.Deployment, name string) (berth.Domain, error) {
	list, err := domainsOf(tx, d)
	if err != nil {
		return berth.Domain{}, err
	}
	at := slices.IndexFunc(list, func(m berth.Domain) bool { return m.Name == punycode(name) })
	switch {
	case at < 0:
		return berth.Domain{}, berth.Errorf(berth.ENotFound, "%s has no domain %s: berth domain ls %s lists them", d.Slug, name, d.Slug)
	case list[at].Below != "":
		return berth.Domain{}, berth.Errorf(berth.EConflict, "%s comes from the project's domain %s: see berth domain ls --project %s", list[at].Name, list[at].Below, d.Project)
	}
	return list[at], nil
}

// DeleteDomain ends a domain at once.
func (s *Service) DeleteDomain(ctx context.Context, ref, name string) error {
	return s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, DomainChange, ref)
		if err != nil {
			return err
		}
		domain, err := domainOf(tx, d, name)
		if err != nil {
			return err
		}
		list, err := tx.Domains(d.ID)
		if err != nil {
			return err
		}
		if at := slices.IndexFunc(list, func(m berth.Domain) bool { return m.RedirectTo == domain.Name }); at >= 0 {
			return berth.Errorf(berth.EConflict, "%s redirects to %s: remove that first", list[at].Name, domain.Name)
		}
		if err := tx.DeleteDomain(domain); err != nil {
			return err
		}
		return s.event(tx, d, domain.Element, "domain.removed", domain.Name+" does not "+purposeOf(domain)+" any more")
	})
}

// look asks the DNS about a domain and stores what it says. Once proven it stays so: a name server that is out of
// order for a while takes no site down, and one that says something else is told of.
func (c *Control) look(ctx context.Context, domain berth.Domain) (berth.Domain, error) {
	dns, here, err := c.Leads(ctx, askedFor(domain))
	var hosts []berth.Host
	update := c.Store.Update(ctx, func(tx Tx) error {
		d, findErr := ownerOf(tx, domain)
		if findErr != nil {
			return findErr
		}
		hosts = d.Hosts
		claim, claimErr := c.domainClaim(tx, d, domain, here)
		if claimErr != nil {
			return claimErr
		}
		before := domain
		seen := judge(claim, dns, here, err)
		if !domain.Proven && seen.message == "" {
			if taken, err := overlaps(tx, domain); err != nil {
				return err
			} else if taken {
				seen.message = "somebody on this server has this name or names below it already"
			}
		}
		if seen.unknown && domain.Proven {
			return nil // nothing has been learnt
		}
		domain.Message = seen.message
		domain.Proven = domain.Proven || seen.message == ""
		if domain.StateOf() == before.StateOf() && domain.Message == before.Message && (!domain.Proven || c.Now().Sub(before.CheckedAt) < recheckLost) {
			return nil // nothing to write: who waits is looked at every two seconds
		}
		domain.CheckedAt = c.Now()
		if err := tx.UpdateDomain(domain); err != nil {
			return err
		}
		return c.tellOfDomain(tx, d, before, domain)
	})
	return c.shownDomain(domain, hosts, here), update
}

// askedFor is the name that the DNS is asked about: of a project's domain any below it.
func askedFor(domain berth.Domain) string {
	if name, parent := domain.Parent(); parent {
		return "any." + name
	}
	return domain.Name
}

// ownerOf is the deployment that a domain leads to; of a project's domain it is one without hosts.
func ownerOf(tx Tx, domain berth.Domain) (berth.Deployment, error) {
	if domain.Deployment != "" {
		return tx.DeploymentByID(berth.Everything(), domain.Deployment)
	}
	p, err := tx.ProjectByID(berth.Everything(), domain.ProjectID)
	return berth.Deployment{ProjectID: p.ID, Project: p.Name}, err
}

// domainClaim is what a deployment claims with a domain.
func (c *Control) domainClaim(tx Tx, d berth.Deployment, domain berth.Domain, here []netip.Addr) (claim, error) {
	own, err := tx.Domains(d.ID)
	if err != nil {
		return claim{}, err
	}
	all, err := tx.AllDomains()
	if err != nil {
		return claim{}, err
	}
	is := func(list []berth.Domain, name string) bool {
		return slices.ContainsFunc(list, func(m berth.Domain) bool { return m.Name == name && m.Proven })
	}
	_, parent := domain.Parent()
	return claim{
		name: domain.Name, token: domain.Token, proven: domain.Proven, parent: parent,
		own: func(name string) bool {
			return is(own, name) || slices.ContainsFunc(d.Hosts, func(h berth.Host) bool { full, _ := c.Host(h.Label); return full == name })
		},
		ours: func(name string) bool {
			return is(all, name) || name == c.Domain || strings.HasSuffix(name, "."+c.Domain)
		},
		records: berth.DomainRecords(domain.Name, domain.Token, c.aliasFor(domain, d.Hosts), here),
	}, nil
}

// tellOfDomain makes an event of what became of a domain.
func (c *Control) tellOfDomain(tx Tx, d berth.Deployment, before, now berth.Domain) error {
	from, to := before.StateOf(), now.StateOf()
	if from == to {
		return nil
	}
	event := berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Element: now.Element}
	switch {
	case to == berth.DomainLost:
		event.Kind, event.Message = "domain.lost", now.Message+"; it goes on serving"
	case from == berth.DomainLost:
		event.Kind, event.Message = "domain.found", now.Name+" leads here again"
	default:
		event.Kind, event.Message = "domain.proven", now.Name+" is proven: it shall "+purposeOf(now)
	}
	return tx.AppendEvent(event)
}

// aliasFor is the generated host that a domain may be an alias of.
func (c *Control) aliasFor(domain berth.Domain, hosts []berth.Host) string {
	for _, h := range hosts {
		if h.Element == domain.Element && h.Identifier == domain.Identifier {
			name, _ := c.Host(h.Label)
			return name
		}
	}
	return ""
}

func (c *Control) shownDomain(d berth.Domain, hosts []berth.Host, here []netip.Addr) berth.Domain {
	d.Unicode, d.State = unicodeOf(d.Name), d.StateOf()
	_, parent := d.Parent()
	if !parent {
		d.URL = c.URLOf(d.Name)
	}
	if d.Records = []berth.DNSRecord{}; d.Below == "" {
		d.Records = berth.DomainRecords(d.Name, d.Token, c.aliasFor(d, hosts), here)
	}
	if !d.Proven {
		d.ExpiresAt = d.CreatedAt.Add(berth.ClaimTime)
	}
	if !parent && c.Certificate != nil && d.Proven {
		d.Certificate = c.Certificate(d.Name)
	}
	return d
}

// WatchedDomains lists the deployments and projects that have domains.
func (c *Control) WatchedDomains(ctx context.Context) (ids []berth.ID, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		all, err := tx.AllDomains()
		for _, d := range all {
			if owner := cmp.Or(d.Deployment, d.ProjectID); !slices.Contains(ids, owner) {
				ids = append(ids, owner)
			}
		}
		return err
	})
	return ids, err
}

// WatchDomains asks the DNS about the domains of a deployment or project that are due, ends claims that were not proven
// in time, and says when to ask again.
func (c *Control) WatchDomains(ctx context.Context, owner berth.ID) (again time.Duration, err error) {
	var list []berth.Domain
	err = c.Store.View(ctx, func(tx Tx) error {
		of, err := tx.Domains(owner)
		if err != nil {
			return err
		}
		list, err = tx.ProjectDomains(owner)
		list = append(list, of...)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		if !d.Proven && c.Now().Sub(d.CreatedAt) > berth.ClaimTime {
			if err := c.expire(ctx, d); err != nil {
				return 0, err
			}
			continue
		}
		pause, due := c.pauseOf(d)
		if again == 0 || pause < again {
			again = pause
		}
		if !due {
			continue
		}
		if _, err := c.look(ctx, d); err != nil && berth.CodeOf(err) != berth.ENotFound {
			return 0, err
		}
	}
	return again, nil
}

// pauseOf says how long after a look the next one is due, and whether it is.
func (c *Control) pauseOf(d berth.Domain) (pause time.Duration, due bool) {
	since := c.Now().Sub(d.CheckedAt)
	switch {
	case d.StateOf() == berth.DomainServes:
		return max(recheck-since, eagerPause), since >= recheck
	case d.StateOf() == berth.DomainLost:
		return max(recheckLost-since, eagerPause), since >= recheckLost
	case c.Now().Sub(d.CreatedAt) < eager:
		pause = eagerPause
	default:
		pause = patientPause
	}
	return pause, since >= eagerPause/2 // answers that change with every look must not make looks
}

// expire ends a claim that nobody proved, so that a name is not kept from its owner.
func (c *Control) expire(ctx context.Context, domain berth.Domain) error {
	return c.Store.Update(ctx, func(tx Tx) error {
		d, err := ownerOf(tx, domain)
		if err != nil {
			return err
		}
		if err := tx.DeleteDomain(domain); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Element: domain.Element, Kind: "domain.expired",
			Message: fmt.Sprintf("%s was not proven within %d hours, and is anybody's again", domain.Name, int(berth.ClaimTime.Hours()))})
	})
}

// DoubtDomain has a domain looked at soon, or the project's that gives a deployment the name: something else said that
// it may not lead here. No domain is no error.
func DoubtDomain(tx Tx, name string) error {
	domain, err := tx.Domain(name)
	if _, above, _ := strings.Cut(name, "."); berth.CodeOf(err) == berth.ENotFound {
		domain, err = tx.Domain(berth.ParentDomain(above))
	}
	if berth.CodeOf(err) == berth.ENotFound || (err == nil && !domain.Proven) {
		return nil
	}
	if err != nil {
		return err
	}
	domain.CheckedAt = time.Time{}
	return tx.UpdateDomain(domain)
}
