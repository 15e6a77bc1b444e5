package reconciler_test

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"pgregory.net/rapid"
)

// TestWhateverIsAskedForComesTrue makes random wishes, some before the last one came true, ends instances
// and kills the server in between. In the end the world is as was asked for last.
func TestWhateverIsAskedForComesTrue(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "berth-life-")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := newWorld(r, dir)
		defer w.close()
		w.start()
		others := w.settleOthers()
		l := &randomLife{T: r, w: w, exits: 2}
		l.create()
		for range rapid.IntRange(1, 8).Draw(r, "wishes") {
			l.trouble()
			l.wish()
			for range rapid.IntRange(0, 12).Draw(r, "rounds") {
				w.advance(max(w.round(), time.Millisecond))
			}
		}
		w.settle()
		w.check(l.asked, others)
	})
}

type randomLife struct {
	*rapid.T
	w     *world
	asked asked
	exits int // left: a third one would rightly fail a release
}

func (l *randomLife) create() {
	kind := rapid.SampledFrom([]berth.StageKind{berth.KindBuild, berth.KindDevelopment}).Draw(l.T, "kind")
	l.asked = asked{kind: kind, commit: "main", restarts: map[string]int{}}
	l.w.wish(create(kind))
}

// wish asks for something that control would allow now.
func (l *randomLife) wish() {
	if l.asked.deleted {
		return
	}
	wishes := map[string]func() func(*sqlite.Tx) error{
		"env": func() func(*sqlite.Tx) error {
			return l.and(andSet(rapid.StringMatching(`[a-z]{1,8}`).Draw(l.T, "value")))
		},
		"delete": func() func(*sqlite.Tx) error { return l.and(andDelete) },
	}
	if l.asked.kind == berth.KindBuild {
		wishes["deploy"] = func() func(*sqlite.Tx) error {
			return l.and(andDeploy(rapid.SampledFrom(commits).Draw(l.T, "commit")))
		}
		if to := l.servedBefore(); to.ID != "" && !l.asked.stopped {
			wishes["go back"] = func() func(*sqlite.Tx) error { return l.and(andGoBackTo(to.Commit)) }
		}
	}
	if l.asked.stopped {
		wishes["start"] = func() func(*sqlite.Tx) error { return l.and(andStart) }
	} else {
		wishes["stop"] = func() func(*sqlite.Tx) error { return l.and(andStop) }
		wishes["restart"] = func() func(*sqlite.Tx) error {
			return l.and(andRestart(rapid.SampledFrom([]string{"web", "db"}).Draw(l.T, "element")))
		}
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(wishes))).Draw(l.T, "wish")
	l.w.wish(wishes[name]())
}

func (l *randomLife) servedBefore() (to berth.Release) {
	l.w.read(func(tx *sqlite.Tx) (err error) {
		to, err = servedBefore(tx)
		return err
	})
	return to
}

func (l *randomLife) and(s func(*asked) func(*sqlite.Tx) error) func(*sqlite.Tx) error {
	return s(&l.asked)
}

// trouble kills the server some points from now, or ends an instance.
func (l *randomLife) trouble() {
	if in := rapid.IntRange(-20, 60).Draw(l.T, "kill in"); in > 0 {
		l.w.killAt = l.w.passed() + in
	}
	running := l.w.running(ours)
	if l.exits == 0 || len(running) == 0 || !rapid.Bool().Draw(l.T, "exit") {
		return
	}
	l.exits--
	victim := rapid.IntRange(0, len(running)-1).Draw(l.T, "victim")
	if err := l.w.machine.Exit(slices.Sorted(maps.Keys(running))[victim], rapid.IntRange(0, 2).Draw(l.T, "code"), l.w.Now()); err != nil {
		l.Fatalf("end an instance: %v", err)
	}
}
