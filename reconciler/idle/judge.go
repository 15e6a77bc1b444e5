package idle

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth"
)

// warning is how long before it goes to sleep people are told.
const warning = 10 * time.Minute

// busyShare is how much of a core a deployment's programs must take for somebody to be waiting for them:
// watchers that look at files now and then stay far below, an install or a test run far above.
const busyShare = 0.1

// use is what goes on in a deployment at a moment.
type use struct {
	people   int     // with a shell or command in it
	requests int64   // on their way, WebSockets included
	share    float64 // of a core that its programs take
}

// by says what keeps a deployment from being idle, "" for nothing; work is what a person does in it.
func (u use) by() (what string, work bool) {
	switch {
	case u.people > 0:
		return "somebody works in it", true
	case u.share >= busyShare:
		return "its programs are busy", true
	case u.requests > 0:
		return "somebody has its pages open", false
	}
	return "", false
}

// verdict is what follows from how a deployment was used.
type verdict struct {
	sleep bool
	why   string
	at    time.Time // when it goes to sleep unless it is used; zero: it does not
}

// judge is pure: whether a deployment goes to sleep now, and else when. since is when it was last used; after is
// how long it may be idle, berth.Never or zero for any time.
func judge(r berth.Rest, after time.Duration, u use, since, now time.Time) verdict {
	what, work := u.by()
	at := time.Time{}
	if after > 0 {
		if what != "" {
			since = now
		}
		at = since.Add(after)
	}
	limited := !r.Until.IsZero() && (at.IsZero() || r.Until.Before(at))
	if limited {
		at = r.Until
	}
	if at.IsZero() {
		return verdict{}
	}
	if r.Awake.After(at) {
		at = r.Awake
	}
	switch {
	case now.Before(at), work:
		return verdict{at: at}
	case limited:
		return verdict{sleep: true, why: "the time it was started for is over"}
	case what != "":
		return verdict{at: at}
	}
	return verdict{sleep: true, why: fmt.Sprintf("nobody used it for %s", spoken(after))}
}

// spoken is a duration as people say it: 4h and not 4h0m0s.
func spoken(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
