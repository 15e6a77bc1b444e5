package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// releasesShown is how many releases a deployment shows of itself.
const releasesShown = 10

// present fills in what is not stored with a deployment: its phase, hosts, elements and releases.
func (c *Control) present(tx Tx, d berth.Deployment) (berth.Deployment, error) {
	seen, err := tx.Observed(d.ID)
	if err != nil {
		return d, err
	}
	releases, err := tx.Releases(d.ID, releasesShown)
	if err != nil {
		return d, err
	}
	f := facts{desire: d.Desire, seen: seen}
	if len(releases) > 0 {
		f.latest = &releases[0]
	}
	if f.serving, err = serving(tx, d.ID, releases); err != nil {
		return d, err
	}
	if d.Volumes, err = tx.Volumes(d.ID); err != nil {
		return d, err
	}
	if d.Domains, err = domainsOf(tx, d); err != nil {
		return d, err
	}
	for i := range d.Domains {
		d.Domains[i] = c.shownDomain(d.Domains[i], d.Hosts, nil)
	}
	d.Elements, d.Releases = seen.Elements, c.asServed(releases)
	d = c.summarise(d, f)
	if d.Hosts, err = c.shownHosts(tx, d); err == nil && c.Idle != nil && d.Desire == berth.DesireRun {
		d.Idle = c.Idle(d)
	}
	return d, err
}

// asServed shows a release as serving only once requests are led to it: who waits for it asks it next.
func (c *Control) asServed(releases []berth.Release) []berth.Release {
	at := slices.IndexFunc(releases, func(r berth.Release) bool { return r.State == berth.ReleaseServing })
	if c.Led == nil || at < 0 || c.Led(releases[at]) {
		return releases
	}
	shown := slices.Clone(releases)
	shown[at].State, shown[at].Step = berth.ReleaseStarting, "requests are about to be led to it"
	return shown
}

// measuring is how long whoever looks at a deployment waits for the size of its volumes.
const measuring = 300 * time.Millisecond

// measure fills in how full volumes are. One that cannot be measured in time stays at what is
// known of it: a look at a deployment never fails by it.
func (c *Control) measure(ctx context.Context, volumes []berth.Volume) {
	if c.Usage == nil || len(volumes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measuring)
	defer cancel()
	used, err := c.Usage(ctx, volumes[0].Deployment)
	if err != nil {
		return
	}
	for i, v := range volumes {
		if bytes, ok := used[v.Element+"/"+v.Identifier]; ok {
			volumes[i].UsedBytes = bytes
		}
	}
}

// serving finds the release that serves: almost always among the newest.
func serving(tx Tx, deployment berth.ID, newest []berth.Release) (*berth.Release, error) {
	for i := range newest {
		if newest[i].State == berth.ReleaseServing {
			return &newest[i], nil
		}
	}
	if len(newest) < releasesShown {
		return nil, nil
	}
	r, ok, err := tx.ServingRelease(deployment)
	if err != nil || !ok {
		return nil, err
	}
	return &r, nil
}

// summarise fills in what a list shows too.
func (c *Control) summarise(d berth.Deployment, f facts) berth.Deployment {
	if d.Phase, d.Message = phaseOf(f); d.Phase == berth.PhaseSleeping && d.Rest.Why != "" {
		d.Message = d.Rest.Why + ": " + d.Message
	}
	switch {
	case f.serving != nil:
		d.Commit = f.serving.Commit
	case f.latest != nil:
		d.Commit = f.latest.Commit
	}
	hosts := make([]berth.Host, len(d.Hosts))
	for i, h := range d.Hosts {
		h.Name, h.URL = c.Host(h.Label)
		hosts[i] = h
	}
	d.Hosts, d.SSH = hosts, c.sshServer().Commands(d.Slug, f.seen.Elements)
	return d
}

// lists keeps the list of everything as it was last made. It is asked for far more often than anything
// changes, and making it takes most of the time that an answer of a thousand deployments takes.
type lists struct {
	mu      sync.Mutex
	version string
	list    []berth.Deployment // never written to
}

// list summarises the deployments of a project, or with project "" all within scope. What it returns is
// for reading: its hosts are shared with other callers.
func (c *Control) list(tx Tx, scope berth.Scope, project berth.ID) ([]berth.Deployment, error) {
	if !scope.All || project != "" {
		stored, err := tx.Deployments(scope, project)
		if err != nil {
			return nil, err
		}
		return c.summaries(tx, scope, stored)
	}
	version, err := tx.ListVersion()
	if err != nil {
		return nil, err
	}
	if list, ok := c.lists.get(version); ok {
		return list, nil
	}
	stored, err := tx.Deployments(scope, "")
	if err != nil {
		return nil, err
	}
	list, err := c.summaries(tx, scope, stored)
	if err == nil {
		c.lists.put(version, list)
	}
	return slices.Clone(list), err
}

func (l *lists) get(version string) ([]berth.Deployment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list), l.list != nil && l.version == version
}

func (l *lists) put(version string, list []berth.Deployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version, l.list = version, list
}

// summaries is present for many, in as many reads as for one.
func (c *Control) summaries(tx Tx, scope berth.Scope, list []berth.Deployment) ([]berth.Deployment, error) {
	seen, err := tx.ObservedAll(scope)
	if err != nil {
		return nil, err
	}
	latest, err := tx.LatestReleases(scope)
	if err != nil {
		return nil, err
	}
	serving, err := tx.ServingReleases(scope)
	if err != nil {
		return nil, err
	}
	out := make([]berth.Deployment, len(list))
	for i, d := range list {
		f := facts{desire: d.Desire, seen: seen[d.ID]}
		if r, ok := latest[d.ID]; ok {
			f.latest = &r
		}
		if r, ok := serving[d.ID]; ok {
			f.serving = &r
		}
		out[i] = c.summarise(d, f)
	}
	return out, nil
}

// complete finds the newest release of which is known what it runs; ok is false before there is one.
func complete(tx Tx, deployment berth.ID) (r berth.Release, ok bool, err error) {
	heads, err := tx.Releases(deployment, 0)
	if err != nil {
		return r, false, err
	}
	for _, head := range heads {
		if r, err = tx.Release(head.ID); err != nil || r.Elements != nil {
			return r, err == nil, err
		}
	}
	return berth.Release{}, false, nil
}

// element finds one of a release's elements, or says which there are.
func element(r berth.Release, slug, identifier string) (berth.ReleaseElement, error) {
	for _, e := range r.Elements {
		if e.Identifier == identifier {
			return e, nil
		}
	}
	return berth.ReleaseElement{}, noElement(slug, identifier, identifiers(r.Elements))
}

func identifiers(elements []berth.ReleaseElement) []string {
	names := make([]string, len(elements))
	for i, e := range elements {
		names[i] = e.Identifier
	}
	return names
}

func noElement(slug, identifier string, there []string) error {
	return berth.Errorf(berth.ENotFound, "%s has no element %s; it has %s", slug, identifier, listed(there))
}
