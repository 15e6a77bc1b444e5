package ui

import (
	"net/url"
	"slices"

	"github.com/berth-dev/berth"
)

// releaseRow is a release with what was built for it.
type releaseRow struct {
	berth.Release
	builds []berth.Build
}

// releasesPage is what a deployment ran, runs and will run.
func releasesPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	releases, err := q.service.Releases(q.ctx, d.Slug)
	if err != nil {
		return screen{}, err
	}
	builds, err := q.service.Builds(q.ctx, d.Slug)
	if err != nil {
		return screen{}, err
	}
	rows := make([]releaseRow, len(releases))
	for i, r := range releases {
		rows[i].Release = r
		for _, b := range builds {
			if b.Release == r.ID {
				rows[i].builds = append(rows[i].builds, b)
			}
		}
	}
	others, err := q.promotable(d)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Releases of " + d.Slug, place: p, about: []berth.ID{d.ID}, soon: beingLed(releases), cli: "berth releases " + d.Slug,
		live: releaseList(q, p, d, rows), still: releaseForms(q.frame(""), p, d, others)}, nil
}

// promotable are the deployments that can be given what one serves.
func (q *query) promotable(d berth.Deployment) ([]berth.Deployment, error) {
	list, err := q.service.Deployments(q.ctx, d.Project)
	return slices.DeleteFunc(list, func(o berth.Deployment) bool {
		return d.Kind != berth.KindBuild || o.Kind != berth.KindBuild || o.Slug == d.Slug || o.Phase == berth.PhaseDeleting
	}), err
}

func promote(q *query) (string, error) {
	to := q.form("to")
	_, err := q.service.Promote(q.ctx, q.path("deployment"), to)
	return "/deployments/" + url.PathEscape(to) + "?done=promote", err
}

// build finds one of a deployment's builds.
func (q *query) build(d berth.Deployment) (berth.Build, error) {
	list, err := q.service.Builds(q.ctx, d.Slug)
	if err != nil {
		return berth.Build{}, err
	}
	for _, b := range list {
		if string(b.ID) == q.path("build") {
			return b, nil
		}
	}
	return berth.Build{}, berth.Errorf(berth.ENotFound, "%s has no such build: it may have been forgotten with its release", d.Slug)
}

// buildLogPage is a build's log while it runs, and afterwards.
func buildLogPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	b, err := q.build(d)
	if err != nil {
		return screen{}, err
	}
	p.tab = "/deployments/" + d.Slug + "/releases"
	return screen{title: "Build of " + b.Element, place: p, about: []berth.ID{d.ID}, cli: "berth builds " + d.Slug + " " + string(b.ID),
		live: buildPage(q, p, d, b), still: buildLog(d, b), scripts: []string{"logs.js"}}, nil
}

func cancelBuild(q *query) (string, error) {
	err := q.service.CancelBuild(q.ctx, q.path("deployment"), berth.ID(q.path("build")))
	return q.address[:len(q.address)-len("/cancel")] + "?done=cancel", err
}

func buildTime(b berth.Build) string {
	if b.StartedAt.IsZero() || b.EndedAt.IsZero() {
		return ""
	}
	return took(b.EndedAt.Sub(b.StartedAt))
}

// releaseTimes says how long a release took to build and to start.
func releaseTimes(r berth.Release) string {
	if r.ServingAt.IsZero() {
		return ""
	}
	return "served after " + took(r.ServingAt.Sub(r.CreatedAt))
}

// canReturn reports whether a release may be gone back to.
func canReturn(d berth.Deployment, r berth.Release) bool {
	return d.Kind == berth.KindBuild && hasServed(r)
}

func logFile(d berth.Deployment, c logChoice) string {
	return "/deployments/" + d.Slug + "/logs/download?" + c.query()
}
