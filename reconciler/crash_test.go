package reconciler_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// ask changes what is asked for, and returns the wish that says so.
type ask func(a *asked) func(*sqlite.Tx) error

func andCreate(kind berth.StageKind) ask {
	return func(a *asked) func(*sqlite.Tx) error {
		*a = asked{kind: kind, commit: "main", restarts: map[string]int{}}
		return create(kind)
	}
}

func andDeploy(commit string) ask {
	return func(a *asked) func(*sqlite.Tx) error {
		a.commit, a.earlier = commit, false
		return deploy(commit)
	}
}

func andSet(greeting string) ask {
	return func(a *asked) func(*sqlite.Tx) error {
		a.greeting, a.earlier = greeting, false
		return setEnv(greeting)
	}
}

func andRestart(element string) ask {
	return func(a *asked) func(*sqlite.Tx) error {
		a.restarts = maps.Clone(a.restarts)
		a.restarts[element]++
		a.earlier = false
		return restart(element)
	}
}

// andGoBackTo names the commit of what served before.
func andGoBackTo(commit string) ask {
	return func(a *asked) func(*sqlite.Tx) error {
		a.commit, a.earlier = commit, true
		return rollBack
	}
}

func andStop(a *asked) func(*sqlite.Tx) error { a.stopped = true; return desire(berth.DesireStop) }

func andStart(a *asked) func(*sqlite.Tx) error { a.stopped = false; return desire(berth.DesireRun) }

func andDelete(a *asked) func(*sqlite.Tx) error { a.deleted = true; return desire(berth.DesireDelete) }

// TestTheServerMayDieAnywhere goes through the same wishes again and again: the first time to count the
// points that each one passes, and then with a server that is killed at the first point of each, at the
// second, and so on to the last. Every time, the next server brings about what was asked.
func TestTheServerMayDieAnywhere(t *testing.T) {
	for name, c := range map[string]struct {
		before []ask
		again  func(n int) []ask
		least  int // points that there surely are
	}{
		"production comes and goes": {nil, func(int) []ask { return []ask{andCreate(berth.KindBuild), andDelete} }, 35},
		"production changes": {[]ask{andCreate(berth.KindBuild)}, func(n int) []ask {
			return []ask{andDeploy(fmt.Sprint("commit-", n)), andRestart("web")}
		}, 30},
		"production goes back": {[]ask{andCreate(berth.KindBuild)}, func(n int) []ask {
			return []ask{andDeploy(fmt.Sprint("commit-", n)), andGoBackTo("main")}
		}, 30},
		"development comes and goes": {nil, func(int) []ask { return []ask{andCreate(berth.KindDevelopment), andDelete} }, 35},
		"development changes": {[]ask{andCreate(berth.KindDevelopment)}, func(n int) []ask {
			return []ask{andSet(fmt.Sprint("hello ", n)), andStop, andStart}
		}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := beginLife(t)
			for _, a := range c.before {
				l.live(a, 0)
			}
			var points [][]string // of each wish
			total, most := 0, 0
			for _, a := range c.again(0) {
				passed := l.live(a, 0)
				points = append(points, passed)
				total, most = total+len(passed), max(most, len(passed))
			}
			if total < c.least {
				t.Fatalf("only %d points were passed: %q", total, points)
			}
			t.Logf("%d points", total)
			for k := 1; k <= most && !t.Failed(); k++ {
				for i, a := range c.again(k) {
					l.liveKilled(t, a, k, points[i])
				}
			}
		})
	}
}

// oneLife is a world with what has been asked of it so far.
type oneLife struct {
	*world
	asked  asked
	others map[string]instance
}

func beginLife(t testing.TB) *oneLife {
	l := &oneLife{world: newWorld(t, t.TempDir())}
	t.Cleanup(l.close)
	l.start()
	l.others = l.settleOthers()
	l.watchServing()
	return l
}

// live asks, settles and checks, and returns the points that were passed.
func (l *oneLife) live(a ask, killAt int) []string {
	l.t.Helper()
	l.points, l.kills, l.killAt = nil, 0, killAt
	before, restarts := l.running(ours), l.asked.restarts
	l.wish(a(&l.asked))
	l.settle()
	l.killAt = 0
	l.check(l.asked, l.others)
	for id, i := range l.running(ours) {
		element, _, _ := strings.Cut(i.key, "/")
		if _, same := before[id]; same && l.asked.restarts[element] > restarts[element] {
			l.t.Errorf("%s was to be restarted, and %s still runs", element, id)
		}
	}
	return l.points
}

// liveKilled lives on with a server that dies at the k-th of the points that the wish passes.
func (l *oneLife) liveKilled(t *testing.T, a ask, k int, points []string) {
	if k > len(points) {
		l.live(a, 0)
		return
	}
	t.Run(fmt.Sprintf("killed at %02d %s", k, points[k-1]), func(t *testing.T) {
		whole := l.t
		l.t = t
		defer func() { l.t = whole }()
		passed := l.live(a, k)
		if l.kills != 1 || len(passed) < k || passed[k-1] != points[k-1] {
			t.Errorf("killed %d times; passed %q instead of %q", l.kills, passed, points)
		}
	})
}

// watchServing holds what zero downtime means for what may overlap: from the first release that serves,
// an instance of the serving release is ready at every moment, and the database is never replaced.
func (w *world) watchServing() {
	database := ""
	w.watches = append(w.watches, func() {
		w.t.Helper()
		now := w.server.router.ours
		if now == nil || now.deployment.Desire == berth.DesireDelete {
			database = ""
			return
		}
		if !now.serves || now.deployment.Kind != berth.KindBuild || now.deployment.Desire != berth.DesireRun {
			return
		}
		web := false
		for id, i := range w.running(ours) {
			web = web || i.key == "web/app" && i.ready && i.hash == now.serving.Hashes[i.key]
			if i.key == "db/postgres" && database == "" {
				database = id
			}
			if i.key == "db/postgres" && database != id {
				w.t.Errorf("the database was replaced: %s by %s", database, id)
			}
		}
		if !web {
			w.t.Errorf("release %d serves, and nothing of it is ready; after %q", now.serving.Revision, w.last(10))
		}
	})
}
