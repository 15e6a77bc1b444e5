package build_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/berth-dev/berth/build"
)

func TestLimitRunsSoManyInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		b := build.Limit(s, 2)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if _, err := b.Build(t.Context(), build.Request{Element: fmt.Sprint(i)}, io.Discard); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // so that they come one after another
			if i < 2 {
				if got := <-s.started; got != fmt.Sprint(i) {
					t.Errorf("started %s, want %d", got, i)
				}
			}
		}
		for i := 2; i < 5; i++ {
			select {
			case got := <-s.started:
				t.Fatalf("%s started while two builds were running", got)
			default:
			}
			s.finish <- nil
			synctest.Wait()
			if got := <-s.started; got != fmt.Sprint(i) {
				t.Errorf("started %s, want %d", got, i)
			}
			synctest.Wait()
		}
		s.finish <- nil
		s.finish <- nil
		wg.Wait()
	})
}

func TestLimitLetsTheCancelledLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStub()
		b := build.Limit(s, 1)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = b.Build(t.Context(), build.Request{Element: "first"}, io.Discard) })
		<-s.started

		why := errors.New("not wanted any more")
		ctx, cancel := context.WithCancelCause(t.Context())
		wg.Go(func() {
			if _, err := b.Build(ctx, build.Request{Element: "second"}, io.Discard); !errors.Is(err, why) {
				t.Errorf("error %v, want the cause", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { _, _ = b.Build(t.Context(), build.Request{Element: "third"}, io.Discard) })
		synctest.Wait()
		cancel(why)
		synctest.Wait()
		s.finish <- nil
		if got := <-s.started; got != "third" {
			t.Errorf("started %s, want third", got)
		}
		s.finish <- nil
		wg.Wait()
	})
}
