package keylock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLocksLetOneInAndGiveUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks[string]
		unlock, err := l.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second lock: %v", err)
		}
		go func() { time.Sleep(time.Minute); unlock() }()
		again, err := l.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		again()
	})
}
