package deployments

import (
	"maps"
	"slices"

	"github.com/berth-dev/berth"
)

// runsPreDeploy reports whether a release's pre-deploy commands are still to run: not once it has served, and
// not when it goes back to what has served before.
func runsPreDeploy(r berth.Release) bool {
	return r.ServingAt.IsZero() && r.Cause != berth.CauseRollback
}

// withoutPreDeploy is a release as if its project had no pre-deploy commands.
func withoutPreDeploy(r berth.Release) berth.Release {
	r.Elements = slices.Clone(r.Elements)
	for i := range r.Elements {
		e := &r.Elements[i]
		if e.Workloads[berth.PreDeploy] > 0 {
			e.Workloads = maps.Clone(e.Workloads)
			delete(e.Workloads, berth.PreDeploy)
		}
	}
	return r
}
