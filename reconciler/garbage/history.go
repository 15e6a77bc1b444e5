package garbage

import (
	"time"

	"github.com/berth-dev/berth"
)

// KeptReleases is how many releases a deployment keeps that have served, with their images, so that it can
// go back to them, and how many of the newest, however they ended.
const KeptReleases = 20

// settled is how old a release is before it is forgotten: nothing of it drains or stands by any more.
const settled = time.Hour

// Expired returns the releases that a deployment can do without, of all it has, newest first. What serves or
// may yet serve is never among them.
func Expired(releases []berth.Release, now time.Time) (expired []berth.ID) {
	served := 0
	for i, r := range releases {
		hasServed := !r.ServingAt.IsZero()
		if hasServed {
			served++
		}
		over := r.State == berth.ReleaseSuperseded || r.State == berth.ReleaseFailed
		kept := i < KeptReleases || hasServed && served <= KeptReleases
		if over && !kept && now.Sub(r.CreatedAt) > settled {
			expired = append(expired, r.ID)
		}
	}
	return expired
}
