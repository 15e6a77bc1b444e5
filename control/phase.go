package control

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
)

// facts are what a deployment's phase follows from.
type facts struct {
	desire  berth.Desire
	latest  *berth.Release // the newest; nil before there is one
	serving *berth.Release // the newest that serves; nil before one did
	seen    berth.Observed
}

// phaseOf says what a deployment is now, and why, in a sentence, where there is something to say.
//
//	wish    newest release      serving one   elements seen            phase
//	delete  any                 any           any                      deleting
//	stop    any                 any           any                      stopped
//	sleep   any                 any           any                      sleeping
//	run     none or pending     none          any                      pending
//	run     building, starting  none          any                      starting
//	run     failed              none          any                      failed
//	run     any                 there is one  all up, or none wanted   running
//	run     starting            there is one  the rest only starting   starting (restarted without overlap)
//	run     any                 there is one  some up                  degraded
//	run     any                 there is one  none up, one red         failed
//	run     any                 there is one  none up, none red        starting (woken, or after a reboot)
//
// An element is up while any instance of it is ready, old or new: that is what serves. One that only
// the release being rolled out has does not count yet.
func phaseOf(f facts) (berth.Phase, string) {
	switch {
	case f.desire == berth.DesireDelete:
		return berth.PhaseDeleting, "its containers, network, images and volumes are being removed"
	case f.desire == berth.DesireStop:
		return berth.PhaseStopped, restMessage(f.seen, "stopped by a person: berth start starts it again")
	case f.desire == berth.DesireSleep:
		return berth.PhaseSleeping, restMessage(f.seen, "the next request, shell or command wakes it")
	case f.serving == nil:
		return firstPhase(f)
	}
	return servingPhase(f)
}

func restMessage(seen berth.Observed, done string) string {
	for _, i := range seen.Instances {
		if i.State != berth.InstanceExited {
			return "its containers are being stopped"
		}
	}
	return done
}

// firstPhase is the phase while nothing has ever served.
func firstPhase(f facts) (berth.Phase, string) {
	if f.latest == nil {
		return berth.PhasePending, ""
	}
	switch f.latest.State {
	case berth.ReleaseFailed, berth.ReleaseSuperseded:
		return berth.PhaseFailed, f.latest.Message
	case berth.ReleaseBuilding, berth.ReleaseStarting:
		return berth.PhaseStarting, why(f, worst(f.seen.Elements))
	}
	return berth.PhasePending, why(f, nil)
}

func servingPhase(f facts) (berth.Phase, string) {
	var up, down []berth.ElementStatus
	for _, e := range f.seen.Elements {
		switch {
		case isUp(e):
			up = append(up, e)
		case counts(f, e):
			down = append(down, e)
		}
	}
	switch unseen := len(f.seen.Elements) == 0 && len(f.serving.Hashes) > 0; {
	case unseen:
		return berth.PhaseStarting, why(f, nil)
	case len(down) == 0:
		return berth.PhaseRunning, rollout(f)
	case !anyRed(down) && (len(up) == 0 || inFlight(f)):
		return berth.PhaseStarting, why(f, worst(down))
	case len(up) > 0:
		return berth.PhaseDegraded, why(f, worst(down))
	}
	return berth.PhaseFailed, why(f, worst(down))
}

// isUp reports whether something of the element answers.
func isUp(e berth.ElementStatus) bool {
	if e.Status == berth.Green {
		return true
	}
	for _, i := range e.Instances {
		if i.Ready {
			return true
		}
	}
	return false
}

// counts reports whether an element that is not up is missed: it has something to run, and it is not
// new in a release that is still being rolled out.
func counts(f facts, e berth.ElementStatus) bool {
	if e.Status == berth.Grey && e.Reason != "Stopped" {
		return false
	}
	return !inFlight(f) || f.serving.Hashes == nil || servesElement(f.serving, e.Identifier)
}

func servesElement(r *berth.Release, element string) bool {
	for key := range r.Hashes {
		if strings.HasPrefix(key, element+"/") {
			return true
		}
	}
	return false
}

// inFlight reports whether a newer release than the serving one is on its way.
func inFlight(f facts) bool {
	if f.latest == nil || f.latest.ID == f.serving.ID {
		return false
	}
	switch f.latest.State {
	case berth.ReleasePending, berth.ReleaseBuilding, berth.ReleaseStarting:
		return true
	}
	return false
}

// rollout is what there is to say of a deployment that runs.
func rollout(f facts) string {
	switch {
	case f.latest == nil || f.latest.ID == f.serving.ID:
		return ""
	case f.latest.State == berth.ReleaseFailed:
		return fmt.Sprintf("release %d failed, release %d serves on: %s", f.latest.Revision, f.serving.Revision, f.latest.Message)
	case inFlight(f) && step(f) != "":
		return fmt.Sprintf("release %d is on its way: %s", f.latest.Revision, step(f))
	case inFlight(f):
		return fmt.Sprintf("release %d is on its way", f.latest.Revision)
	}
	return ""
}

func anyRed(elements []berth.ElementStatus) bool {
	for _, e := range elements {
		if e.Status == berth.Red {
			return true
		}
	}
	return false
}

// worst is the element a person should hear of first; nil when all is well.
func worst(elements []berth.ElementStatus) *berth.ElementStatus {
	for _, colour := range []berth.Colour{berth.Red, berth.Yellow} {
		for i := range elements {
			if elements[i].Status == colour {
				return &elements[i]
			}
		}
	}
	return nil
}

// why picks the sentence that says most: what keeps the server from going on, a broken element, the
// present step, an element that is not ready yet.
func why(f facts, e *berth.ElementStatus) string {
	switch {
	case f.seen.Error != "":
		return f.seen.Error
	case e != nil && e.Status == berth.Red:
		return e.Identifier + ": " + e.Message
	case step(f) != "":
		return step(f)
	case e != nil:
		return e.Identifier + ": " + e.Message
	}
	return ""
}

func step(f facts) string {
	if f.latest != nil && f.latest.Step != "" {
		return f.latest.Step
	}
	return f.seen.Step
}
