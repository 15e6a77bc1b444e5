package reconciler

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-dev/berth"
)

func noKeys(context.Context) ([]berth.ID, error) { return nil, nil }

func run(t *testing.T, l *Loop) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = l.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

func TestAHintDuringATurnGivesAnotherTurnAndNeverTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns, now atomic.Int32
		l := &Loop{Workers: 4, Keys: noKeys}
		l.Turn = func(context.Context, berth.ID) (time.Duration, error) {
			if now.Add(1) > 1 {
				t.Error("two turns of one key at once")
			}
			time.Sleep(time.Second)
			now.Add(-1)
			turns.Add(1)
			return 0, nil
		}
		defer run(t, l)()
		l.Hint("a")
		time.Sleep(100 * time.Millisecond)
		l.Hint("a")
		l.Hint("a")
		time.Sleep(10 * time.Second)
		if got := turns.Load(); got != 2 {
			t.Errorf("%d turns, want 2", got)
		}
	})
}

func TestAFailedTurnComesBackWithGrowingBackoffAndAHintDoesNotBeatIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		l := &Loop{Keys: noKeys, MinRetry: time.Second, MaxRetry: 4 * time.Second, Every: time.Hour}
		l.Turn = func(context.Context, berth.ID) (time.Duration, error) {
			at = append(at, time.Since(start))
			l.Hint("a")
			return 0, errors.New("no")
		}
		stop := run(t, l)
		l.Hint("a")
		time.Sleep(20 * time.Second)
		stop()
		if len(at) < 4 || len(at) > 7 {
			t.Fatalf("%d turns in 20 s: %v", len(at), at)
		}
		if first, third := at[1]-at[0], at[3]-at[2]; first < time.Second || third < 4*time.Second {
			t.Errorf("waits %v and %v do not grow to the maximum", first, third)
		}
	})
}

func TestWhatAFailedTurnWroteDoesNotHaveItTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		l := &Loop{Keys: noKeys, MinRetry: time.Second, MaxRetry: time.Minute, Every: time.Hour}
		l.Turn = func(context.Context, berth.ID) (time.Duration, error) {
			turns.Add(1)
			// The store tells of commits a moment later, when the turn is over.
			time.AfterFunc(time.Millisecond, func() { l.Hint("a") })
			return 0, errors.New("no")
		}
		defer run(t, l)()
		l.Hint("a")
		time.Sleep(10 * time.Second)
		if got := turns.Load(); got < 3 || got > 4 {
			t.Errorf("%d turns within 10 s, want those of the backoff: 3 or 4", got)
		}
	})
}

func TestALateHintShortensALongBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		l := &Loop{Keys: noKeys, MinRetry: time.Hour, MaxRetry: time.Hour, Every: 10 * time.Hour}
		l.Turn = func(context.Context, berth.ID) (time.Duration, error) {
			turns.Add(1)
			return 0, errors.New("no")
		}
		defer run(t, l)()
		l.Hint("a")
		time.Sleep(deafFor + time.Second)
		l.Hint("a")
		time.Sleep(time.Second)
		if got := turns.Load(); got != 2 {
			t.Errorf("%d turns, want a second one by the hint", got)
		}
	})
}

func TestTheFullPassFindsWhatNoHintTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		l := &Loop{Every: 30 * time.Second,
			Keys: func(context.Context) ([]berth.ID, error) { return []berth.ID{"a", "b"}, nil },
			Turn: func(context.Context, berth.ID) (time.Duration, error) { turns.Add(1); return 0, nil }}
		defer run(t, l)()
		time.Sleep(61 * time.Second)
		if got := turns.Load(); got != 6 {
			t.Errorf("%d turns after the first pass and two timers, want 6", got)
		}
	})
}

func TestAnInterruptEndsTheRunningTurnAndGivesANewOneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		var deleted atomic.Bool
		l := &Loop{Keys: noKeys, Interrupt: func(context.Context, berth.ID) bool { return deleted.Load() }}
		l.Turn = func(ctx context.Context, _ berth.ID) (time.Duration, error) {
			if turns.Add(1) == 1 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 0, nil
		}
		defer run(t, l)()
		l.Hint("a")
		time.Sleep(time.Second)
		l.Hint("a") // nothing else is wanted: the turn goes on
		time.Sleep(time.Second)
		if turns.Load() != 1 {
			t.Fatal("a plain hint ended the turn")
		}
		deleted.Store(true)
		l.Hint("a")
		time.Sleep(time.Millisecond)
		if turns.Load() < 2 {
			t.Error("the interrupted key got no new turn at once")
		}
	})
}
