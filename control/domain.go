package control

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// maxDomains bounds what one deployment may have.
const maxDomains = 100

// AddDomain lets a name of one's own lead to an element, once the DNS leads here.
func (s *Service) AddDomain(ctx context.Context, ref, name, element string) (domain berth.Domain, err error) {
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, DomainChange, ref)
		if err != nil {
			return err
		}
		name, err := berth.ParseDomain(name, s.control.Domain)
		if err != nil {
			return err
		}
		host, err := hostFor(tx, d, element)
		if err != nil {
			return err
		}
		there, err := tx.Domains(d.ID)
		if err != nil {
			return err
		}
		if len(there) >= maxDomains {
			return berth.Errorf(berth.EConflict, "%s has %d domains, which is as many as a deployment may have", d.Slug, len(there))
		}
		domain = berth.Domain{Name: name, Deployment: d.ID, Slug: d.Slug, Element: host.Element, Identifier: host.Identifier, Message: "the DNS has not been asked yet"}
		if err := tx.AddDomain(domain); err != nil {
			return err
		}
		return s.event(tx, d, host.Element, "domain.added", name+" shall lead to "+host.Element)
	})
	if err != nil {
		return domain, err
	}
	return s.control.look(ctx, domain)
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

// Domains lists those of a deployment.
func (s *Service) Domains(ctx context.Context, ref string) (list []berth.Domain, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DomainRead, ref)
		if err != nil {
			return err
		}
		list, err = tx.Domains(d.ID)
		return err
	})
	for i := range list {
		list[i] = s.control.shownDomain(list[i], nil)
	}
	return list, err
}

// CheckDomain looks where the DNS leads now.
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
	list, err := tx.Domains(d.ID)
	if err != nil {
		return berth.Domain{}, err
	}
	at := slices.IndexFunc(list, func(m berth.Domain) bool { return m.Name == strings.ToLower(strings.TrimSuffix(name, ".")) })
	if at < 0 {
		return berth.Domain{}, berth.Errorf(berth.ENotFound, "%s has no domain %s: berth domain ls %s lists them", d.Slug, name, d.Slug)
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
		if err := tx.DeleteDomain(d.ID, domain.Name); err != nil {
			return err
		}
		return s.event(tx, d, domain.Element, "domain.removed", domain.Name+" does not lead to "+domain.Element+" any more")
	})
}

// look asks the DNS about a domain and stores what it says. Once proven it stays so: a name server that is
// out of order for a while takes no site down.
func (c *Control) look(ctx context.Context, domain berth.Domain) (berth.Domain, error) {
	seen, here, err := c.Leads(ctx, domain.Name)
	before := domain
	domain.Message = judgeDomain(domain.Name, seen, here, err)
	domain.Proven = domain.Proven || domain.Message == ""
	domain.CheckedAt = c.Now()
	if domain.Proven == before.Proven && domain.Message == before.Message {
		return c.shownDomain(domain, here), nil // nothing to write: who waits is looked at every two seconds
	}
	err = c.Store.Update(ctx, func(tx Tx) error {
		if err := tx.UpdateDomain(domain); err != nil || domain.Proven == before.Proven {
			return err
		}
		d, err := tx.DeploymentByID(berth.Everything(), domain.Deployment)
		if err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Element: domain.Element,
			Kind: "domain.proven", Message: domain.Name + " leads here and serves " + domain.Element})
	})
	return c.shownDomain(domain, here), err
}

// judgeDomain says what is missing until a name leads here; empty: nothing.
func judgeDomain(name string, seen, here []netip.Addr, err error) string {
	records := strings.Join(recordsFor(name, here), " or ")
	switch {
	case err != nil || len(seen) == 0:
		return "the DNS does not know " + name + " yet: create the record " + records
	case len(here) == 0:
		return "this server does not know its own public address: start it with --public-ip"
	}
	for _, a := range seen {
		if !slices.Contains(here, a) {
			return fmt.Sprintf("%s leads to %s, which is not this server: create the record %s, and no other", name, a, records)
		}
	}
	return ""
}

// recordsFor are the DNS records that lead a name here.
func recordsFor(name string, here []netip.Addr) (records []string) {
	for _, a := range here {
		kind := "A"
		if a.Is6() {
			kind = "AAAA"
		}
		records = append(records, fmt.Sprintf("%s %s %s", kind, name, a))
	}
	return records
}

func (c *Control) shownDomain(d berth.Domain, here []netip.Addr) berth.Domain {
	d.URL, d.Records = c.URLOf(d.Name), recordsFor(d.Name, here)
	if d.Records == nil {
		d.Records = []string{}
	}
	if c.Certificate != nil && d.Proven {
		d.Certificate = c.Certificate(d.Name)
	}
	return d
}

// UnprovenDomains lists the deployments that have any.
func (c *Control) UnprovenDomains(ctx context.Context) (ids []berth.ID, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		all, err := tx.AllDomains()
		for _, d := range all {
			if !d.Proven && !slices.Contains(ids, d.Deployment) {
				ids = append(ids, d.Deployment)
			}
		}
		return err
	})
	return ids, err
}

// ProveDomains asks the DNS about what a deployment waits for, and says when to ask again: soon after somebody
// added a domain, later every few minutes.
func (c *Control) ProveDomains(ctx context.Context, deployment berth.ID) (again time.Duration, err error) {
	var list []berth.Domain
	if err := c.Store.View(ctx, func(tx Tx) (err error) { list, err = tx.Domains(deployment); return err }); err != nil {
		return 0, err
	}
	for _, d := range list {
		if d.Proven {
			continue
		}
		pause := 5 * time.Minute
		if c.Now().Sub(d.CreatedAt) < 15*time.Minute {
			pause = 2 * time.Second
		}
		if again == 0 || pause < again {
			again = pause
		}
		if _, err := c.look(ctx, d); err != nil && berth.CodeOf(err) != berth.ENotFound {
			return 0, err
		}
	}
	return again, nil
}
