package build_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/berth-dev/berth/build"
)

func TestWorkMeetsNoBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		b := build.NewIdle(s)
		var wg sync.WaitGroup
		start := func() {
			wg.Go(func() {
				if _, err := b.Build(t.Context(), build.Request{Element: "web"}, io.Discard); err != nil {
					t.Error(err)
				}
			})
		}
		never := func(context.Context) error { t.Error("work beside a build"); return nil }

		start()
		<-s.started
		if err := b.While(t.Context(), never); !errors.Is(err, build.ErrBuilding) {
			t.Errorf("error %v beside a build", err)
		}
		s.finish <- nil
		wg.Wait()

		// A build ends the work, and waits for its end.
		working, leave := make(chan struct{}), make(chan struct{})
		var workErr error
		wg.Go(func() {
			workErr = b.While(t.Context(), func(ctx context.Context) error {
				close(working)
				<-ctx.Done()
				<-leave
				return ctx.Err()
			})
		})
		<-working
		if err := b.While(t.Context(), never); !errors.Is(err, build.ErrBuilding) {
			t.Errorf("error %v beside other work", err)
		}
		start()
		synctest.Wait()
		select {
		case <-s.started:
			t.Error("a build began beside work")
		default:
		}
		close(leave)
		<-s.started
		s.finish <- nil
		wg.Wait()
		if !errors.Is(workErr, build.ErrBuilding) {
			t.Errorf("the work that was ended: %v", workErr)
		}

		failed := errors.New("failed")
		if err := b.While(t.Context(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("error %v, want the work's", err)
		}
	})
}
