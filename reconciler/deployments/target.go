package deployments

import "github.com/berth-dev/berth"

// chooseTarget picks the release that should run, from the newest to the oldest: the newest that is
// complete and has not failed; else the newest that failed, which is tried on because nothing else
// could serve. A release that is still being prepared never is the target. What it gets are heads: the
// target's elements are read afterwards.
func chooseTarget(newestFirst []berth.Release) *berth.Release {
	var failed *berth.Release
	for i := range newestFirst {
		r := &newestFirst[i]
		if !r.Complete() {
			continue
		}
		switch r.State {
		case berth.ReleaseStarting, berth.ReleaseServing:
			return r
		case berth.ReleaseFailed:
			if failed == nil {
				failed = r
			}
		}
	}
	return failed
}
