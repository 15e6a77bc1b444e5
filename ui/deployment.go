package ui

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// recentEvents is how much of what happened stands beside something else.
const recentEvents = 8

// deployment finds the one that a page is about, and where that is.
func (q *query) deployment() (berth.Deployment, place, error) {
	d, err := q.service.Deployment(q.ctx, q.path("deployment"))
	if err != nil {
		return d, place{}, err
	}
	role, err := q.role(d.Project)
	return d, place{project: d.Project, deployment: d.Slug, name: d.Name, role: role}, err
}

// past returns the newest events of a deployment, or with "" of all, the newest first.
func (q *query) past(ref string, limit int) ([]berth.Event, error) {
	ctx, cancel := context.WithCancel(q.ctx)
	defer cancel()
	var list []berth.Event
	for e, err := range q.service.Events(ctx, berth.EventQuery{Deployment: ref, Limit: limit}) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	slices.Reverse(list)
	return list, nil
}

// overviewPage is how a deployment is, and what can be done about it.
func overviewPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	events, err := q.past(d.Slug, recentEvents)
	if err != nil {
		return screen{}, err
	}
	return screen{title: d.Slug, place: p, about: []berth.ID{d.ID}, soon: beingLed(d.Releases), cli: "berth status " + d.Slug + " --watch",
		live: overview(q, p, d, q.planOf(d), events), still: overviewDialogs(q.frame(""), p, d)}, nil
}

// saved is what the working tree of a development deployment would change.
type saved struct {
	plan    berth.Plan
	problem string // what is wrong with its project file
}

// planOf looks into a working tree; one that cannot be read just now has no plan.
func (q *query) planOf(d berth.Deployment) (s saved) {
	if d.Kind != berth.KindDevelopment || d.Phase != berth.PhaseRunning && d.Phase != berth.PhaseDegraded {
		return s
	}
	plan, err := q.service.Plan(q.ctx, d.Slug)
	if berth.CodeOf(err) == berth.EInvalid {
		s.problem = berth.MessageOf(err)
	} else if err == nil {
		s.plan = plan
	}
	return s
}

// eventsPage is what happened to a deployment, when and by whom.
func eventsPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	const shown = 200
	events, err := q.past(d.Slug, shown)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Events of " + d.Slug, place: p, about: []berth.ID{d.ID}, cli: "berth events " + d.Slug, live: eventList(q, events)}, nil
}

// beingLed reports whether a release serves and requests are only about to be led to it.
func beingLed(list []berth.Release) bool {
	return len(list) > 0 && list[0].State == berth.ReleaseStarting && !list[0].ServingAt.IsZero()
}

// coming is the release on its way, or the last one where that failed.
func coming(d berth.Deployment) (r berth.Release, ok bool) {
	if len(d.Releases) == 0 {
		return r, false
	}
	r = d.Releases[0]
	return r, r.State != berth.ReleaseServing && r.State != berth.ReleaseSuperseded
}

// back is the release that a rollback would lead to; ok is false where none has served before.
func back(d berth.Deployment) (r berth.Release, ok bool) {
	for _, r := range d.Releases {
		if hasServed(r) {
			return r, true
		}
	}
	return r, false
}

// hasServed reports whether a release served before another one took over.
func hasServed(r berth.Release) bool {
	return r.State == berth.ReleaseSuperseded && !r.ServingAt.IsZero()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func sourceOf(p berth.Project) string {
	if p.GitURL == "" {
		return "Repository on this server"
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(p.GitURL, "https://"), "http://"), ".git")
}

func stageName(s berth.Stage) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Identifier
}

func volumeName(v berth.Volume) string {
	if v.Element == "" {
		return v.Identifier
	}
	return v.Element + "/" + v.Identifier
}

// cause puts what a release was made for into words.
func cause(c string) string {
	if c == "" {
		return ""
	}
	return strings.ToUpper(c[:1]) + c[1:]
}

func revision(n int) string { return "Release " + strconv.Itoa(n) }

func stepWords(r berth.Release) string {
	if r.Step != "" {
		return r.Step
	}
	return strings.ToLower(releaseStates[r.State].word)
}

func instanceWords(i berth.InstanceStatus) string {
	switch {
	case i.Message != "":
		return i.Message
	case i.State == berth.InstanceExited:
		return "ended with exit code " + strconv.Itoa(i.ExitCode)
	case i.State == berth.InstanceRunning && i.Ready:
		return "ready"
	case i.State == berth.InstanceRunning:
		return "running, not ready yet"
	}
	return "being prepared"
}

func instanceSince(i berth.InstanceStatus) time.Time {
	if !i.EndedAt.IsZero() {
		return i.EndedAt
	}
	return i.StartedAt
}

func usage(v berth.Volume) string {
	if v.SizeBytes == 0 {
		return size(v.UsedBytes)
	}
	return size(v.UsedBytes) + " of " + size(v.SizeBytes)
}

func usedBytes(list []berth.Volume) (n int64) {
	for _, v := range list {
		n += v.UsedBytes
	}
	return n
}

func domainName(d berth.Domain) string {
	if d.Unicode != "" {
		return d.Unicode
	}
	return d.Name
}

func by(e berth.Event) string {
	if e.Person == "" {
		return "Berth"
	}
	return e.Person
}
