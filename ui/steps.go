package ui

import (
	"time"

	"github.com/berth-dev/berth"
)

// stepsOf tells the way of a deployment's newest release: what is done, with its time, what goes on, what is left.
func stepsOf(d berth.Deployment, builds []berth.Build) []step {
	if len(d.Releases) == 0 {
		return []step{{name: "Read the repository", look: "now"}}
	}
	r := d.Releases[0]
	own := ofRelease(builds, r)
	steps := []step{readStep(d, r, own)}
	for _, b := range own {
		steps = append(steps, buildStep(d, b))
	}
	steps = append(steps, startStep(r), serveStep(d, r))
	if r.State == berth.ReleaseFailed {
		blame(steps, r)
	}
	return steps
}

func readStep(d berth.Deployment, r berth.Release, builds []berth.Build) step {
	s := step{name: "Read the repository and its project file", look: "now", note: r.Step}
	switch {
	case len(builds) > 0:
		s.time = took(builds[0].CreatedAt.Sub(r.CreatedAt))
	case r.Complete():
		s.time = took(r.StartingAt.Sub(r.CreatedAt))
	case r.State == berth.ReleaseFailed:
		s.look, s.note = "todo", ""
		return s
	default:
		return s
	}
	s.look, s.note = "done", ""
	if d.Commit != "" {
		s.note = "commit " + short(d.Commit)
	}
	return s
}

func buildStep(d berth.Deployment, b berth.Build) step {
	s := step{name: "Build " + b.Element, look: "todo", note: b.Message, link: "/deployments/" + d.Slug + "/builds/" + string(b.ID), about: "Log of the build of " + b.Element}
	switch b.State {
	case berth.BuildRunning:
		s.look = "now"
	case berth.BuildSucceeded:
		s.look, s.time = "done", buildTime(b)
	case berth.BuildFailed, berth.BuildCancelled:
		s.look, s.time = "bad", buildTime(b)
	}
	return s
}

func startStep(r berth.Release) step {
	s := step{name: "Start, until every element is ready", look: "todo"}
	switch {
	case !r.ServingAt.IsZero():
		s.look, s.time = "done", took(r.ServingAt.Sub(r.StartingAt))
	case r.State == berth.ReleaseStarting:
		s.look, s.note = "now", r.Step
	}
	return s
}

func serveStep(d berth.Deployment, r berth.Release) step {
	s := step{name: "Lead requests to it", look: "todo"}
	if r.State == berth.ReleaseServing {
		s.look, s.time = "done", took(r.ServingAt.Sub(r.CreatedAt).Round(time.Second))+" in all"
		if len(d.Hosts) > 0 {
			s.note = "Answers at " + d.Hosts[0].Name
		}
	}
	return s
}

// blame puts the reason of a failure at the first step that is not done.
func blame(steps []step, r berth.Release) {
	for i := range steps {
		switch steps[i].look {
		case "bad":
			return // it says so itself
		case "now", "todo":
			steps[i].look, steps[i].note = "bad", r.Message
			return
		}
	}
}

// stepIcons stand for what steps look like.
var stepIcons = map[string]string{"done": "check", "bad": "failed", "todo": "circle"}

func stepWord(look string) string {
	return map[string]string{"done": "done", "now": "going on", "bad": "failed", "todo": "to come"}[look]
}

func progressWords(d berth.Deployment) string {
	switch d.Phase {
	case berth.PhaseRunning:
		return "It serves."
	case berth.PhaseFailed:
		return "It did not come up. What failed is marked below; a push, or Deploy, tries again."
	}
	return "It is on its way. This page follows by itself; it goes on without it, too."
}
