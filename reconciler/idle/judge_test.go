package idle

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	in := func(d time.Duration) time.Time { return noon.Add(d) }
	for _, c := range []struct {
		name  string
		rest  berth.Rest
		after time.Duration
		use   use
		since time.Time
		sleep bool
		why   string
		at    time.Time
	}{
		{name: "used an hour ago", after: 4 * time.Hour, since: ago(time.Hour), at: in(3 * time.Hour)},
		{name: "idle for long enough", after: 4 * time.Hour, since: ago(4 * time.Hour), sleep: true, why: "nobody used it for 4h"},
		{name: "somebody works in it", after: 4 * time.Hour, since: ago(9 * time.Hour), use: use{people: 1}, at: in(4 * time.Hour)},
		{name: "an open page", after: 4 * time.Hour, since: ago(9 * time.Hour), use: use{requests: 1}, at: in(4 * time.Hour)},
		{name: "busy programs", after: 4 * time.Hour, since: ago(9 * time.Hour), use: use{share: 0.5}, at: in(4 * time.Hour)},
		{name: "a watcher that looks now and then", after: 4 * time.Hour, since: ago(9 * time.Hour), use: use{share: 0.02}, sleep: true, why: "nobody used it for 4h"},
		{name: "never", after: berth.Never, since: ago(1000 * time.Hour)},
		{name: "the server says nothing", after: 0, since: ago(1000 * time.Hour)},
		{name: "kept awake", after: time.Hour, rest: berth.Rest{Awake: in(time.Minute)}, since: ago(9 * time.Hour), at: in(time.Minute)},
		{name: "kept awake until a while ago", after: time.Hour, rest: berth.Rest{Awake: ago(time.Minute)}, since: ago(9 * time.Hour), sleep: true, why: "nobody used it for 1h"},
		{name: "its time is over, a page is open", after: 4 * time.Hour, rest: berth.Rest{Until: ago(0)}, use: use{requests: 3}, since: ago(0), sleep: true, why: "the time it was started for is over"},
		{name: "its time is over, somebody works", after: 4 * time.Hour, rest: berth.Rest{Until: ago(time.Hour)}, use: use{people: 1}, since: ago(0), at: ago(time.Hour)},
		{name: "its time is over, no idle time", after: berth.Never, rest: berth.Rest{Until: ago(0)}, since: ago(0), sleep: true, why: "the time it was started for is over"},
		{name: "idle before its time is over", after: time.Hour, rest: berth.Rest{Until: in(time.Hour)}, since: ago(2 * time.Hour), sleep: true, why: "nobody used it for 1h"},
		{name: "its time is over, kept awake", after: time.Hour, rest: berth.Rest{Until: ago(0), Awake: in(time.Hour)}, since: ago(0), at: in(time.Hour)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(c.rest, c.after, c.use, c.since, noon)
			if got.sleep != c.sleep || got.why != c.why || !c.sleep && !got.at.Equal(c.at) {
				t.Errorf("%+v, want sleep %v (%s) at %v", got, c.sleep, c.why, c.at)
			}
		})
	}
}

// TestNobodyIsCutOff is the promise that matters: while somebody works in it, or it is kept awake, nothing sends a
// deployment to sleep; and without any of that it goes to sleep once its time of idleness is over.
func TestNobodyIsCutOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) time.Time {
			if rapid.Bool().Draw(t, name+" is set") {
				return noon.Add(time.Duration(rapid.IntRange(-600, 600).Draw(t, name)) * time.Minute)
			}
			return time.Time{}
		}
		r := berth.Rest{Until: moment("until"), Awake: moment("awake")}
		after := time.Duration(rapid.IntRange(-1, 600).Draw(t, "after")) * time.Minute
		u := use{people: rapid.IntRange(0, 1).Draw(t, "people"), requests: int64(rapid.IntRange(0, 1).Draw(t, "requests")), share: rapid.Float64Range(0, 1).Draw(t, "share")}
		since := noon.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "since")) * time.Minute)
		v := judge(r, after, u, since, noon)
		works := u.people > 0 || u.share >= busyShare
		if v.sleep && (works || r.Awake.After(noon)) {
			t.Fatalf("%+v goes to sleep: %+v, %+v", u, r, v)
		}
		unused := !works && u.requests == 0 && after > 0 && noon.Sub(since) >= after
		if unused && !r.Awake.After(noon) && !v.sleep {
			t.Fatalf("unused for %v of %v and awake: %+v, %+v", noon.Sub(since), after, r, v)
		}
		if v.sleep == strings.EqualFold(v.why, "") {
			t.Fatalf("a verdict without its reason: %+v", v)
		}
	})
}
