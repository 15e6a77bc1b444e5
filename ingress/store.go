package ingress

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/berth-dev/berth"
)

// Store is what ingress needs of the database.
type Store interface {
	// View runs fn on one snapshot.
	View(ctx context.Context, fn func(Tx) error) error
	// Subscribe hints at commits until ctx ends.
	Subscribe(ctx context.Context) <-chan berth.ID
}

// Tx reads one snapshot. LatestReleases, ServingReleases and Releases return releases without
// their elements; Release returns them.
type Tx interface {
	Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error)
	AllHosts() ([]berth.Host, error)
	AllDomains() ([]berth.Domain, error)
	AllProtections() ([]berth.Protection, error)
	ObservedAll(scope berth.Scope) (map[berth.ID]berth.Observed, error)
	LatestReleases(scope berth.Scope) (map[berth.ID]berth.Release, error)
	ServingReleases(scope berth.Scope) (map[berth.ID]berth.Release, error)
	Releases(deployment berth.ID, limit int) ([]berth.Release, error)
	Release(id berth.ID) (berth.Release, error)
}

// releasesLookedAt bounds the search for a target behind releases that are not complete.
const releasesLookedAt = 50

// state is all that decides where a deployment's names lead.
type state struct {
	deployment berth.Deployment
	hosts      []berth.Host // former labels included
	domains    []berth.Domain
	below      []berth.Domain // names that the project's domains give
	protected  []berth.Protection
	latest     *berth.Release
	serving    *release
	target     *release // what the reconciler works toward, serving or not; nil before the first is complete
	observed   berth.Observed
	broken     error // why the above is not all there is
}

// release is a release's head with the part of its elements that routing needs.
type release struct {
	berth.Release
	*shape
}

// shape is the part of a release's elements that routing needs. It never changes.
type shape struct {
	routes   []berth.Route
	services []berth.ServiceName
	replicas map[string]int // by "<element>/<workload>"
}

// shapes keeps those of the releases in use, because reading a release with all its objects costs
// more than everything else.
type shapes map[berth.ID]*shape

func (i *Ingress) read(ctx context.Context) (states []state, err error) {
	used := shapes{}
	err = i.config.Store.View(ctx, func(tx Tx) error {
		clear(used)
		r := reader{tx: tx, known: i.shapes, used: used}
		states, err = r.all()
		return err
	})
	if err == nil {
		i.shapes = used
	}
	return states, err
}

type reader struct {
	tx              Tx
	known, used     shapes
	latest, serving map[berth.ID]berth.Release
}

func (r *reader) all() ([]state, error) {
	everything := berth.Everything()
	deployments, err := r.tx.Deployments(everything, "")
	if err != nil {
		return nil, err
	}
	hosts, err := r.tx.AllHosts()
	if err != nil {
		return nil, err
	}
	domains, err := r.tx.AllDomains()
	if err != nil {
		return nil, err
	}
	protections, err := r.tx.AllProtections()
	if err != nil {
		return nil, err
	}
	observed, err := r.tx.ObservedAll(everything)
	if err != nil {
		return nil, err
	}
	if r.latest, err = r.tx.LatestReleases(everything); err != nil {
		return nil, err
	}
	if r.serving, err = r.tx.ServingReleases(everything); err != nil {
		return nil, err
	}
	byDeployment := map[berth.ID][]berth.Host{}
	for _, h := range hosts {
		byDeployment[h.Deployment] = append(byDeployment[h.Deployment], h)
	}
	domainsOf := map[berth.ID][]berth.Domain{} // by deployment or project
	for _, m := range domains {
		owner := cmp.Or(m.Deployment, m.ProjectID)
		domainsOf[owner] = append(domainsOf[owner], m)
	}
	protected := map[berth.ID][]berth.Protection{}
	for _, p := range protections {
		protected[p.Deployment] = append(protected[p.Deployment], p)
	}
	states := make([]state, 0, len(deployments))
	for _, d := range deployments {
		s := state{deployment: d, hosts: byDeployment[d.ID], domains: domainsOf[d.ID], protected: protected[d.ID], observed: observed[d.ID]}
		for _, parent := range domainsOf[d.ProjectID] {
			s.below = append(s.below, parent.NamesBelow(d, s.hosts)...)
		}
		s.broken = r.releases(&s)
		states = append(states, s)
	}
	return states, nil
}

// releases fills in what a deployment's releases say.
func (r *reader) releases(s *state) error {
	id := s.deployment.ID
	latest, ok := r.latest[id]
	if !ok {
		return nil
	}
	s.latest = &latest
	if head, ok := r.serving[id]; ok {
		serving, err := r.release(head)
		if err != nil {
			return err
		}
		s.serving = serving
	}
	head, err := r.target(latest, s.serving)
	if err != nil || head == nil {
		return err
	}
	s.target, err = r.release(*head)
	return err
}

// target is the newest complete release that has not failed, else the newest complete one that
// has: what the reconciler makes the engine run.
func (r *reader) target(latest berth.Release, serving *release) (*berth.Release, error) {
	if isTarget(latest) {
		return &latest, nil
	}
	list, err := r.tx.Releases(latest.Deployment, releasesLookedAt)
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	var failed *berth.Release
	for _, candidate := range list {
		if isTarget(candidate) {
			return &candidate, nil
		}
		if failed == nil && candidate.Complete() && candidate.State == berth.ReleaseFailed {
			failed = &candidate
		}
	}
	if serving != nil {
		return &serving.Release, nil
	}
	return failed, nil
}

func isTarget(r berth.Release) bool {
	return r.Complete() && (r.State == berth.ReleaseStarting || r.State == berth.ReleaseServing)
}

func (r *reader) release(head berth.Release) (*release, error) {
	s := cmp.Or(r.used[head.ID], r.known[head.ID])
	if s == nil {
		full, err := r.tx.Release(head.ID)
		if err != nil {
			return nil, fmt.Errorf("read release %d: %w", head.Revision, err)
		}
		if full.Elements == nil {
			return nil, errors.New("a release that is complete has no elements")
		}
		s = shapeOf(full)
	}
	r.used[head.ID] = s
	return &release{Release: head, shape: s}, nil
}

func shapeOf(r berth.Release) *shape {
	s := &shape{replicas: map[string]int{}}
	for _, e := range r.Elements {
		s.routes = append(s.routes, e.Routes...)
		s.services = append(s.services, e.Services...)
		for workload, n := range e.Workloads {
			s.replicas[e.Identifier+"/"+workload] = n
		}
	}
	return s
}

func idsOf(states []state) []berth.ID {
	ids := make([]berth.ID, 0, len(states))
	for _, s := range states {
		if s.deployment.Desire != berth.DesireDelete {
			ids = append(ids, s.deployment.ID)
		}
	}
	return ids
}
