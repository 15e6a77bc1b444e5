package control

import (
	"context"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

const (
	// maxProjectDomains bounds what one project may have: each is a name and a certificate for every host.
	maxProjectDomains = 5
	// maxParent leaves room for a label in front (RFC 1035, 2.3.4).
	maxParent = 253 - berth.MaxLabel - 1
)

// AddProjectDomain lets all names one label below a name lead to the project's deployments of from now on.
func (s *Service) AddProjectDomain(ctx context.Context, project, name string) (domain berth.Domain, err error) {
	err = s.update(ctx, func(tx Tx) error {
		p, err := s.project(tx, DomainChange, project)
		if err != nil {
			return err
		}
		parent, err := s.control.parseDomain(strings.TrimPrefix(name, "*."))
		if err != nil {
			return err
		}
		if len(parent) > maxParent {
			return invalid("domain", "the name is too long for other names below it")
		}
		there, err := tx.ProjectDomains(p.ID)
		if err != nil {
			return err
		}
		if len(there) >= maxProjectDomains {
			return berth.Errorf(berth.EConflict, "project %s has %d domains, which is as many as a project may have", p.Name, len(there))
		}
		domain = claimOf(tx, berth.ParentDomain(parent))
		domain.ProjectID, domain.Project = p.ID, p.Name
		if err := addDomain(tx, domain); err != nil {
			return err
		}
		return s.projectEvent(tx, p, "domain.added", domain.Name+" shall "+purposeOf(domain))
	})
	if err != nil {
		return domain, err
	}
	return s.control.look(ctx, domain)
}

func (s *Service) projectEvent(tx Tx, p berth.Project, kind, message string) error {
	return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: kind, Message: message})
}

// ProjectDomains lists those of a whole project, with the records to create.
func (s *Service) ProjectDomains(ctx context.Context, project string) (list []berth.Domain, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, DomainRead, project)
		if err != nil {
			return err
		}
		list, err = tx.ProjectDomains(p.ID)
		return err
	})
	if err != nil || len(list) == 0 {
		return list, err
	}
	here := s.control.reached(ctx)
	for i := range list {
		list[i] = s.control.shownDomain(list[i], nil, here)
	}
	return list, nil
}

// CheckProjectDomain looks what the DNS says now.
func (s *Service) CheckProjectDomain(ctx context.Context, project, name string) (domain berth.Domain, err error) {
	err = s.view(ctx, func(tx Tx) error {
		_, domain, err = s.projectDomain(tx, project, name)
		return err
	})
	if err != nil {
		return domain, err
	}
	return s.control.look(ctx, domain)
}

// DeleteProjectDomain ends one, and the names below it, at once.
func (s *Service) DeleteProjectDomain(ctx context.Context, project, name string) error {
	return s.update(ctx, func(tx Tx) error {
		p, domain, err := s.projectDomain(tx, project, name)
		if err != nil {
			return err
		}
		if err := tx.DeleteDomain(domain); err != nil {
			return err
		}
		return s.projectEvent(tx, p, "domain.removed", domain.Name+" does not "+purposeOf(domain)+" any more")
	})
}

func (s *Service) projectDomain(tx Tx, project, name string) (p berth.Project, domain berth.Domain, err error) {
	if p, err = s.project(tx, DomainChange, project); err != nil {
		return p, domain, err
	}
	list, err := tx.ProjectDomains(p.ID)
	if err != nil {
		return p, domain, err
	}
	wanted := berth.ParentDomain(punycode(strings.TrimPrefix(name, "*.")))
	at := slices.IndexFunc(list, func(m berth.Domain) bool { return m.Name == wanted })
	if at < 0 {
		return p, domain, berth.Errorf(berth.ENotFound, "project %s has no domain %s: berth domain ls --project %s lists them", p.Name, name, p.Name)
	}
	return p, list[at], nil
}
