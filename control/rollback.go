package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
)

// Rollback makes a release that runs exactly what an earlier one ran: its images, objects and values. Zero:
// what served before what serves now. Nothing is built, so that it serves as fast as containers start.
func (s *Service) Rollback(ctx context.Context, ref string, revision int) (r berth.Release, err error) {
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.deployable(tx, ref)
		if err != nil {
			return err
		}
		if d.Desire != berth.DesireRun {
			return berth.Errorf(berth.EConflict, "%s is stopped: berth start %s first", d.Slug, d.Slug)
		}
		to, err := earlier(tx, d, revision)
		if err != nil {
			return err
		}
		if err := keptVolumes(tx, d, to); err != nil {
			return err
		}
		again := newRelease(d, to.Commit, berth.CauseRollback)
		again.State, again.StartingAt, again.Elements = berth.ReleaseStarting, tx.Now(), to.Elements
		if r, err = tx.CreateRelease(again); err != nil {
			return err
		}
		return s.event(tx, d, "", "release.created", fmt.Sprintf("release %d rolls back to release %d (%s)", r.Revision, to.Revision, short(to.Commit)))
	})
	return r, err
}

// earlier finds the release to go back to, with what it ran.
func earlier(tx Tx, d berth.Deployment, revision int) (berth.Release, error) {
	heads, err := tx.Releases(d.ID, 0)
	if err != nil {
		return berth.Release{}, err
	}
	at := slices.IndexFunc(heads, func(r berth.Release) bool { return r.Revision == revision })
	if revision == 0 {
		at = servedBefore(heads)
	}
	switch {
	case at < 0 && revision == 0:
		return berth.Release{}, berth.Errorf(berth.EConflict, "nothing served before what serves now: %s has no release to go back to", d.Slug)
	case at < 0:
		return berth.Release{}, berth.Errorf(berth.ENotFound, "%s has no release %d: berth releases %s lists them", d.Slug, revision, d.Slug)
	case heads[at].State == berth.ReleaseServing:
		return berth.Release{}, berth.Errorf(berth.EConflict, "release %d serves already", revision)
	case heads[at].ServingAt.IsZero():
		return berth.Release{}, berth.Errorf(berth.EConflict, "release %d never served (%s), so there is nothing to go back to: berth deploy --commit %s tries its commit again", heads[at].Revision, heads[at].State, short(heads[at].Commit))
	}
	to, err := tx.Release(heads[at].ID)
	if err == nil && len(to.Elements) == 0 {
		err = fmt.Errorf("read release %d: it has no elements", to.Revision)
	}
	return to, err
}

// servedBefore finds, newest first, the release that served before the one that serves: after a rollback, what
// that took back.
func servedBefore(heads []berth.Release) int {
	serving := slices.IndexFunc(heads, func(r berth.Release) bool { return r.State == berth.ReleaseServing })
	if serving < 0 {
		return slices.IndexFunc(heads, func(r berth.Release) bool { return !r.ServingAt.IsZero() })
	}
	older := slices.IndexFunc(heads[serving+1:], func(r berth.Release) bool { return !r.ServingAt.IsZero() })
	if older < 0 {
		return -1
	}
	return serving + 1 + older
}

// keptVolumes refuses to start something without data that it had.
func keptVolumes(tx Tx, d berth.Deployment, to berth.Release) error {
	volumes, err := tx.Volumes(d.ID)
	if err != nil {
		return err
	}
	for _, e := range to.Elements {
		for _, v := range e.Volumes {
			if !slices.ContainsFunc(volumes, func(k berth.Volume) bool { return k.Element == v.Element && k.Identifier == v.Identifier }) {
				return berth.Errorf(berth.EConflict, "release %d had the volume %s/%s, which was deleted since: deploy its commit instead, berth deploy %s --commit %s", to.Revision, v.Element, v.Identifier, d.Slug, short(to.Commit))
			}
		}
	}
	return nil
}

// Promote has a deployment run the commit that another one of its project serves. Its images are there
// already, so that nothing is built; hosts, parameters and sizes are its own.
func (s *Service) Promote(ctx context.Context, from, to string) (r berth.Release, err error) {
	var source, d berth.Deployment
	var p berth.Project
	var serves berth.Release
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.deployable(tx, to); err != nil {
			return err
		}
		if source, err = s.deployment(tx, DeploymentRead, from); err != nil {
			return err
		}
		if p, err = tx.ProjectByID(s.caller.Scope(), d.ProjectID); err != nil {
			return err
		}
		serves, err = promotable(tx, source, d)
		return err
	})
	if err != nil {
		return r, err
	}
	p.Stages = s.control.stages(ctx, p)
	if err := s.control.admit(ctx, p, d, serves.Commit); err != nil {
		return r, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if d, err = s.deployable(tx, d.Slug); err != nil {
			return err
		}
		if r, err = tx.CreateRelease(newRelease(d, serves.Commit, "promote")); err != nil {
			return err
		}
		return s.event(tx, d, "", "release.created", fmt.Sprintf("release %d has what %s serves (%s)", r.Revision, source.Slug, short(serves.Commit)))
	})
	return r, err
}

// promotable finds what a deployment serves that another can take over.
func promotable(tx Tx, source, d berth.Deployment) (berth.Release, error) {
	switch {
	case source.ProjectID != d.ProjectID:
		return berth.Release{}, berth.Errorf(berth.EInvalid, "%s and %s are of different projects", source.Slug, d.Slug)
	case source.ID == d.ID:
		return berth.Release{}, berth.Errorf(berth.EInvalid, "%s has what it serves already", d.Slug)
	case source.Kind != berth.KindBuild:
		return berth.Release{}, berth.Errorf(berth.EInvalid, "%s is a development deployment, which has no image to promote", source.Slug)
	}
	r, ok, err := tx.ServingRelease(source.ID)
	if err == nil && !ok {
		err = berth.Errorf(berth.EConflict, "%s serves nothing yet", source.Slug)
	}
	return r, err
}
