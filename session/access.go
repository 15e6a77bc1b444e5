package session

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// may is one of Access's questions.
type may func(ctx context.Context, caller berth.Caller, ref string) (berth.Deployment, error)

// allowed asks whether the caller may, and asks again whenever that may have changed: during ends, with the answer as
// its cause, once they may no longer. end lets go of it, and has to be called where err is nil.
func (s *Service) allowed(ctx context.Context, ask may, ref string) (during context.Context, d berth.Deployment, end func(), err error) {
	during, cancel := context.WithCancelCause(ctx)
	hints := s.sessions.Store.Subscribe(during) // before the first answer, so that no change falls in between
	if d, err = ask(ctx, s.caller, ref); err != nil {
		cancel(nil)
		return nil, d, nil, err
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		for wait(during, hints, aboutPeople) {
			if _, err := ask(during, s.caller, ref); refused(err) {
				cancel(err)
				return
			}
		}
	})
	return during, d, func() { cancel(nil); watching.Wait() }, nil
}

// aboutPeople picks the hints that tell of persons and projects.
func aboutPeople(id berth.ID) bool { return id == "" }

// refused tells an answer from a failure to get one.
func refused(err error) bool {
	code := berth.CodeOf(err)
	return code == berth.EUnauthenticated || code == berth.EForbidden || code == berth.ENotFound
}

// revoked is why something ended that allowed had begun; nil where it was for another reason.
func revoked(during context.Context) error {
	if e := (*berth.Error)(nil); errors.As(context.Cause(during), &e) {
		return e
	}
	return nil
}

// watch yields what open reads of a deployment for as long as the caller may read it.
func watch[T any](ctx context.Context, s *Service, ref, element string, open func(context.Context, berth.ID) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		during, d, end, err := s.allowed(ctx, s.sessions.Access.MayRead, ref)
		if err != nil {
			yield(none, err)
			return
		}
		defer end()
		if err := s.elementKnown(ctx, d, element); err != nil {
			yield(none, err)
			return
		}
		for item, err := range open(during, d.ID) {
			if revoked(during) != nil {
				break
			}
			if !yield(item, err) {
				return
			}
		}
		if err := revoked(during); err != nil {
			yield(none, err)
		}
	}
}

// wait returns when there may be news, false when there will be none.
func wait(ctx context.Context, hints <-chan berth.ID, news func(berth.ID) bool) bool {
	timer := time.NewTimer(lookAnyway)
	defer timer.Stop()
	for {
		select {
		case id, open := <-hints:
			if !open || news(id) {
				return open
			}
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
