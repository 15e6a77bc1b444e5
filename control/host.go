package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Hosts lists a deployment's, with their protection.
func (s *Service) Hosts(ctx context.Context, ref string) (hosts []berth.Host, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, HostRead, ref)
		if err != nil {
			return err
		}
		hosts, err = s.control.shownHosts(tx, d)
		return err
	})
	return hosts, err
}

// formerFor is how long a former label redirects to the new one.
const formerFor = 30 * 24 * time.Hour

// RenameHost gives a host another label, and has a release tell it to those who have the name as a parameter.
func (s *Service) RenameHost(ctx context.Context, ref, host, label string) (berth.Deployment, error) {
	return s.change(ctx, HostChange, ref, func(tx Tx, d *berth.Deployment) error {
		if err := berth.ValidateLabel("label", label); err != nil {
			return err
		}
		if host == "" {
			return invalid("host", "say which host: "+listed(labelsOf(d.Hosts)))
		}
		h, err := s.control.findHost(*d, host)
		if err != nil || h.Label == label {
			return err
		}
		until := tx.Now().Add(formerFor)
		if err := tx.RenameHost(h.Label, label, until); err != nil {
			return err
		}
		for i := range d.Hosts {
			if d.Hosts[i].Label == h.Label {
				d.Hosts[i].Label = label
			}
		}
		if _, err := rerelease(tx, *d, "host renamed"); err != nil {
			return err
		}
		return s.event(tx, *d, h.Element, "host.renamed", fmt.Sprintf("the host %s is %s now; the former name redirects there until %s", h.Label, label, until.Format(time.DateOnly)))
	})
}

func labelsOf(hosts []berth.Host) (labels []string) {
	for _, h := range hosts {
		labels = append(labels, h.Label)
	}
	return labels
}

// ProtectHosts has hosts ask for a password or answer certain networks only.
func (s *Service) ProtectHosts(ctx context.Context, ref string, w berth.ProtectHosts) (hosts []berth.Host, err error) {
	if err := s.view(ctx, func(tx Tx) error { _, err := s.changeable(tx, HostChange, ref); return err }); err != nil {
		return nil, err // before the work of hashing is done for a stranger
	}
	if w.Password.Empty() && len(w.Allow) == 0 {
		return nil, invalid("password", "say what to ask for: a password, networks that may ask (allow), or both")
	}
	networks, err := berth.ParseNetworks(w.Allow)
	if err != nil {
		return nil, err
	}
	hash := ""
	if !w.Password.Empty() {
		if err := berth.ValidatePassword(w.Password); err != nil {
			return nil, err
		}
		if hash, err = berth.HashPassword(w.Password); err != nil {
			return nil, err
		}
	}
	return s.guard(ctx, ref, w.Host, "host.protected", func(p *berth.Protection) {
		if hash != "" {
			p.Hash = hash
		}
		if len(networks) > 0 {
			p.Allow = networks
		}
	})
}

// OpenHosts takes protection away.
func (s *Service) OpenHosts(ctx context.Context, ref string, w berth.OpenHosts) ([]berth.Host, error) {
	if !w.Password && !w.Allow {
		w.Password, w.Allow = true, true
	}
	return s.guard(ctx, ref, w.Host, "host.opened", func(p *berth.Protection) {
		if w.Password {
			p.Hash = ""
		}
		if w.Allow {
			p.Allow = nil
		}
	})
}

// guard changes the protection of a host, or with "" of all.
func (s *Service) guard(ctx context.Context, ref, host, kind string, change func(*berth.Protection)) (hosts []berth.Host, err error) {
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, HostChange, ref)
		if err != nil {
			return err
		}
		var target berth.Host
		if host != "" {
			if target, err = s.control.findHost(d, host); err != nil {
				return err
			}
		}
		list, err := tx.Protections(d.ID)
		if err != nil {
			return err
		}
		list = guarded(list, target, change)
		if err := tx.PutProtections(d.ID, list); err != nil {
			return err
		}
		if err := s.event(tx, d, target.Element, kind, told(target, berth.ProtectionOf(list, target.Element, target.Identifier))); err != nil {
			return err
		}
		hosts, err = s.control.shownHosts(tx, d)
		return err
	})
	return hosts, err
}

// guarded is pure: what a deployment has after a change to a host, or with the zero target to all. A change to all
// holds for hosts with a protection of their own too. What says nothing is left out.
func guarded(list []berth.Protection, target berth.Host, change func(*berth.Protection)) (out []berth.Protection) {
	at := func(p berth.Protection) bool { return p.Element == target.Element && p.Identifier == target.Identifier }
	list = slices.Clone(list)
	if !slices.ContainsFunc(list, at) {
		own := berth.ProtectionOf(list, target.Element, target.Identifier)
		own.Element, own.Identifier = target.Element, target.Identifier
		list = append(list, own)
	}
	for i := range list {
		if target.Element == "" || at(list[i]) {
			change(&list[i])
		}
	}
	whole := berth.ProtectionOf(list, "", "")
	for _, p := range list {
		if exception := p.Element != "" && !whole.Open(); exception || !p.Open() {
			out = append(out, p)
		}
	}
	return out
}

// told says in an event what holds now.
func told(h berth.Host, p berth.Protection) string {
	who := "all hosts"
	if h.Label != "" {
		who = "the host " + h.Label
	}
	var rules []string
	if p.Hash != "" {
		rules = append(rules, "a password is asked for")
	}
	if len(p.Allow) > 0 {
		rules = append(rules, "only "+strings.Join(p.Allow, ", ")+" may ask")
	}
	if len(rules) == 0 {
		return who + ": everybody may ask"
	}
	return who + ": " + strings.Join(rules, ", and ")
}

// findHost finds a deployment's host by its name, label or element.
func (c *Control) findHost(d berth.Deployment, text string) (berth.Host, error) {
	text = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/"))
	var of []berth.Host
	for _, h := range d.Hosts {
		name, _ := c.Host(h.Label)
		if text == h.Label || text == strings.ToLower(name) {
			return h, nil
		}
		if h.Element == text {
			of = append(of, h)
		}
	}
	switch {
	case len(of) == 1:
		return of[0], nil
	case len(of) > 1:
		return berth.Host{}, invalid("host", fmt.Sprintf("%s has several hosts; say which: %s", text, listed(labelsOf(of))))
	case len(d.Hosts) == 0:
		return berth.Host{}, berth.Errorf(berth.EConflict, "%s has no host yet: it has some once its first release is prepared", d.Slug)
	}
	return berth.Host{}, berth.Errorf(berth.ENotFound, "%s has no host %s; it has %s", d.Slug, text, listed(labelsOf(d.Hosts)))
}

// shownHosts are a deployment's hosts with names, certificates and protection.
func (c *Control) shownHosts(tx Tx, d berth.Deployment) ([]berth.Host, error) {
	list, err := tx.Protections(d.ID)
	if err != nil {
		return nil, err
	}
	hosts := make([]berth.Host, len(d.Hosts))
	for i, h := range d.Hosts {
		h.Name, h.URL = c.Host(h.Label)
		if c.Certificate != nil {
			h.Certificate = c.Certificate(h.Name)
		}
		if p := berth.ProtectionOf(list, h.Element, h.Identifier); !p.Open() {
			p.Allow = append([]string{}, p.Allow...) // shown as a list, also where it is empty
			h.Protection = &p
		}
		hosts[i] = h
	}
	return hosts, nil
}
