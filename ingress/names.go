package ingress

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
)

// namesOf is a deployment's name table, and the instances that somebody who does not belong to a
// rollout may know by it. It is pure.
func namesOf(s state, hostName func(label string) string) (names agentwire.Names, known []string) {
	names.Core = s.observed.Core
	for _, h := range s.hosts {
		names.PublicHosts = append(names.PublicHosts, strings.ToLower(hostName(h.Label)))
	}
	for _, d := range slices.Concat(s.domains, s.below) {
		if d.Proven { // the machine's own address, where the DNS leads, is closed to containers
			names.PublicHosts = append(names.PublicHosts, d.Name)
		}
	}
	slices.Sort(names.PublicHosts)
	first := map[string]bool{}
	for _, service := range s.services() {
		serving := s.named(service.Element, service.Workload)
		entry := agentwire.Service{
			Element: service.Element, Name: service.Name, First: !first[service.Element],
			Addresses: addressesOf(serving),
		}
		first[service.Element] = true
		if s.next() != nil {
			if next := addressesOf(s.namedNext(service.Element, service.Workload)); !slices.Equal(next, entry.Addresses) {
				entry.Next = next
			}
		}
		names.Services = append(names.Services, entry)
		for _, i := range serving {
			known = append(known, i.ID)
		}
	}
	for _, i := range s.observed.Instances {
		if isAlive(i) {
			names.Askers = append(names.Askers, agentwire.Asker{
				Address: i.Address, Element: i.Element, Next: s.next() != nil && i.Wanted && !s.serves(i),
			})
		}
	}
	return names, known
}

// services are those of the current release, and behind them those that only the next one has.
func (s state) services() (out []berth.ServiceName) {
	seen := map[string]bool{}
	for _, r := range []*release{s.current(), s.next()} {
		if r == nil {
			continue
		}
		for _, service := range r.services {
			if key := service.Name + "." + service.Element; !seen[key] {
				seen[key] = true
				out = append(out, service)
			}
		}
	}
	return out
}

func addressesOf(instances []berth.InstanceStatus) []string {
	addresses := make([]string, 0, len(instances))
	for _, i := range instances {
		addresses = append(addresses, i.Address)
	}
	slices.Sort(addresses)
	return addresses
}

// writeNames brings every deployment's name file up to date, and adds to named what is known by
// name. Where the last file has to stay, all that it may lead to is still known.
func (i *Ingress) writeNames(states []state, named map[string]bool) error {
	var failed error
	present := map[berth.ID]bool{}
	for _, s := range states {
		if s.deployment.Desire == berth.DesireDelete {
			continue // the engine is taking the directory away
		}
		present[s.deployment.ID] = true
		known, err := i.writeNamesOf(s)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("names of %s: %w", s.deployment.Slug, err))
			for _, instance := range s.observed.Instances {
				known = append(known, instance.ID)
			}
		}
		for _, instance := range known {
			named[instance] = true
		}
	}
	i.files.forgetAllBut(present)
	return failed
}

func (i *Ingress) writeNamesOf(s state) (known []string, err error) {
	if s.broken != nil {
		return nil, s.broken
	}
	names, known := namesOf(s, i.config.HostName)
	names.Ports = i.config.Ports
	return known, i.files.put(s.deployment.ID, names)
}
