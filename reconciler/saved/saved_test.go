package saved_test

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/saved"
)

const dev berth.ID = "developmen"

// tree is a working tree with a clock.
type tree struct {
	*saved.Loop
	t     *testing.T
	now   time.Time
	runs  bool
	stamp string
	early bool     // what is saved cannot be taken note of yet
	told  []string // the stamps that were taken note of
	asked int      // how often it was asked whether the deployment runs
}

func newTree(t *testing.T) *tree {
	w := &tree{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), runs: true, stamp: "first"}
	w.Loop = saved.New(saved.Config{
		Running: func(context.Context) ([]berth.ID, error) { return []berth.ID{dev}, nil },
		Runs:    func(context.Context, berth.ID) (bool, error) { w.asked++; return w.runs, nil },
		Stamp: func(berth.ID) (string, error) {
			if w.stamp == "" {
				return "", fs.ErrNotExist
			}
			return w.stamp, nil
		},
		Saved: func(context.Context, berth.ID) (bool, error) {
			if w.early {
				return false, nil
			}
			w.told = append(w.told, w.stamp)
			return true, nil
		},
		Now: func() time.Time { return w.now },
	})
	return w
}

// pass takes turns for a while, as the loop does; each changes what it likes before.
func (w *tree) pass(d time.Duration, before ...func()) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		for _, f := range before {
			f()
		}
		again, err := w.Turn(context.Background(), dev)
		if err != nil {
			w.t.Fatal(err)
		}
		if again == 0 {
			return
		}
		w.now = w.now.Add(again)
	}
}

func (w *tree) want(stamps ...string) {
	w.t.Helper()
	if len(w.told) != len(stamps) {
		w.t.Fatalf("noted %v, want %v", w.told, stamps)
	}
	for i, s := range stamps {
		if w.told[i] != s {
			w.t.Fatalf("noted %v, want %v", w.told, stamps)
		}
	}
}

func TestASavedFileIsNotedOnceWithinTwoSeconds(t *testing.T) {
	w := newTree(t)
	w.pass(time.Minute)
	w.want("first")
	w.stamp = "second"
	w.pass(2 * time.Second)
	w.want("first", "second")
	w.pass(time.Minute)
	w.want("first", "second")
	if w.asked > 30 {
		t.Errorf("the store was asked %d times in two minutes", w.asked)
	}
}

func TestAFileThatIsBeingWrittenIsNotRead(t *testing.T) {
	w := newTree(t)
	n := 0
	w.pass(10*time.Second, func() { n++; w.stamp = strconv.Itoa(n) })
	w.want()
	w.pass(2 * time.Second)
	w.want(strconv.Itoa(n))
}

func TestWhatComesTooEarlyIsToldAgain(t *testing.T) {
	w := newTree(t)
	w.stamp = ""
	w.pass(time.Minute)
	w.stamp, w.early = "first", true
	w.pass(10 * time.Minute)
	w.early = false
	w.pass(2 * time.Second)
	w.want("first")
}

func TestAStoppedDeploymentIsLeftAlone(t *testing.T) {
	w := newTree(t)
	w.pass(time.Minute)
	w.runs = false
	w.pass(10 * time.Second)
	w.stamp = "second"
	if again, err := w.Turn(t.Context(), dev); again != 0 || err != nil {
		t.Fatalf("looked at again in %s, %v", again, err)
	}
	w.want("first")
	w.runs = true
	w.pass(2 * time.Second)
	w.want("first", "second")
}

func TestAContainerThatWritesAllTheTimeIsHeardLessAndLess(t *testing.T) {
	w := newTree(t)
	n := 0
	w.pass(time.Hour, func() { n++; w.stamp = strconv.Itoa(n / 4) })
	if len(w.told) > 60+370 || len(w.told) < 300 {
		t.Errorf("%d of %d files in an hour were noted", len(w.told), n/4)
	}
}

func TestAFailureIsTheLoops(t *testing.T) {
	w := newTree(t)
	broken := errors.New("broken")
	loop := saved.New(saved.Config{Runs: func(context.Context, berth.ID) (bool, error) { return false, broken }, Now: func() time.Time { return w.now }})
	if _, err := loop.Turn(t.Context(), dev); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
