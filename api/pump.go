package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/berth-dev/berth/apiwire"
)

// streamFormat is how a stream's items look on the wire.
type streamFormat[T any] struct {
	item  func(T) error
	alive func() error
	error func(apiwire.Problem) error
}

type streamItem[T any] struct {
	value T
	err   error
}

// stream writes a sequence to a client as it comes. The error that a sequence begins with is returned,
// for a status of its own; a later one is written into the stream.
func stream[T any](a *api, w http.ResponseWriter, r *http.Request, format streamFormat[T], open func(context.Context) iter.Seq2[T, error]) error {
	ctx, stop := context.WithCancel(r.Context())
	items := make(chan streamItem[T])
	go func() {
		defer close(items)
		send := func(value T, err error) bool {
			select {
			case items <- streamItem[T]{value, err}:
				return true
			case <-ctx.Done():
				return false
			}
		}
		defer func() {
			if cause := recover(); cause != nil { // out of reach of the handler's own recover
				var none T
				send(none, fmt.Errorf("panic: %v", cause))
			}
		}()
		open(ctx)(send)
	}()
	defer func() {
		stop()
		for range items { // until the goroutine has ended
		}
	}()

	flush := flushing(w).flush
	begun := false
	tick := time.NewTimer(firstWord)
	defer tick.Stop()
	for {
		var err error
		select {
		case item, more := <-items:
			switch {
			case !more:
				if !begun {
					flush()
				}
				return nil
			case item.err != nil && !begun:
				return item.err
			case item.err != nil:
				if ctx.Err() == nil {
					err = format.error(a.problem(ctx, item.err).Problem)
				}
			default:
				err = format.item(item.value)
			}
			if err == nil && item.err == nil && len(items) == 0 {
				flush()
			}
		case <-tick.C:
			if begun {
				err = format.alive()
			}
			flush()
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return nil // the client left
		}
		begun = true
		tick.Reset(keepAlive)
	}
}

// flusher sends on at once what is written.
type flusher struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func flushing(w http.ResponseWriter) *flusher {
	return &flusher{w: w, control: http.NewResponseController(w)}
}

func (f *flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.flush()
	return n, err
}

func (f *flusher) flush() { _ = f.control.Flush() }
