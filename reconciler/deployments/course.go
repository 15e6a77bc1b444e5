package deployments

import (
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// unreadyTooLong is how long an instance on trial may not be ready before the release before serves again.
	unreadyTooLong = 10 * time.Second
	// answersToJudge is how many requests a release on trial has to have answered before its failures count.
	answersToJudge = 50
)

// tally counts requests and those of them that failed: a 5xx, or no answer.
type tally struct{ requests, failures uint64 }

func (t *tally) add(requests, failures uint64) {
	t.requests += requests
	t.failures += failures
}

func (t tally) share() float64 {
	if t.requests == 0 {
		return 0
	}
	return float64(t.failures) / float64(t.requests)
}

// course is how a release on trial does.
type course struct {
	ended     []berth.InstanceStatus // since the last look
	instances []berth.InstanceStatus // that the release before had not
	unready   map[string]time.Time   // since when instances are not ready; kept from look to look
	since     tally                  // of instances
	before    tally                  // of what they replaced, in its last minute
	now       time.Time
}

// judge decides whether the release before has to serve again: when something new ends, is not ready for ten
// seconds, or fails more than 5 % of at least 50 requests and more than twice the share of the minute before.
func (c *course) judge(servingAt time.Time) (v verdict, lost bool) {
	after := c.now.Sub(servingAt).Round(time.Second)
	for _, i := range c.instances {
		if slices.ContainsFunc(c.ended, func(e berth.InstanceStatus) bool { return e.ID == i.ID }) {
			return failedBy(i, "%s ended %s after it began to serve: %s", i.Element, after, sentence(i)), true
		}
	}
	for _, i := range c.instances {
		if since, late := c.notReady(i); late {
			return failedBy(i, "%s has not been ready for %s, %s after it began to serve: %s", i.Element, c.now.Sub(since).Round(time.Second), after, sentence(i)), true
		}
	}
	if c.since.requests >= answersToJudge && c.since.share() > 0.05 && c.since.share() > 2*c.before.share() {
		return failedBy(berth.InstanceStatus{}, "%d of its first %d requests failed, against %.1f %% in the minute before", c.since.failures, c.since.requests, 100*c.before.share()), true
	}
	return verdict{}, false
}

// notReady notes since when an instance is not, and whether that is too long.
func (c *course) notReady(i berth.InstanceStatus) (since time.Time, late bool) {
	if i.Ready || i.State == berth.InstanceExited {
		delete(c.unready, i.ID)
		return since, false
	}
	since, known := c.unready[i.ID]
	if !known {
		since = c.now
		c.unready[i.ID] = since
	}
	return since, c.now.Sub(since) >= unreadyTooLong
}
