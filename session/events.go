package session

import (
	"context"
	"iter"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// pastEvents is how many past events are shown to somebody who names no number.
	pastEvents = 100
	// lookAnyway repeats the read in case a hint was lost.
	lookAnyway = 15 * time.Second
)

// Events yields past events and, while q.Follow is set, new ones. It subscribes before it first reads,
// so that nothing falls in between.
func (s *Service) Events(ctx context.Context, q berth.EventQuery) iter.Seq2[berth.Event, error] {
	return func(yield func(berth.Event, error) bool) {
		if err := s.events(ctx, q, func(e berth.Event) bool { return yield(e, nil) }); err != nil {
			yield(berth.Event{}, err)
		}
	}
}

// events calls show for each event until it says no.
func (s *Service) events(ctx context.Context, q berth.EventQuery, show func(berth.Event) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	deployment, err := s.watched(ctx, q.Deployment)
	if err != nil {
		return err
	}
	var hints <-chan berth.ID
	if q.Follow {
		hints = s.sessions.Store.Subscribe(ctx)
	}
	after, limit := q.After, firstLimit(q)
	for {
		events, err := s.read(ctx, deployment, after, limit)
		if err != nil {
			return err
		}
		for _, e := range events {
			if !show(e) {
				return nil
			}
			after = e.Seq
		}
		limit = 0
		if !q.Follow || !wait(ctx, hints, anything) {
			return nil
		}
	}
}

// firstLimit bounds the past, except for a follower who says where it was: that one misses nothing.
func firstLimit(q berth.EventQuery) int {
	if q.Limit == 0 && q.After > 0 && q.Follow {
		return 0
	}
	if q.Limit == 0 {
		return pastEvents
	}
	return q.Limit
}

// watched is the id of the deployment to watch, empty for everything the caller may see.
func (s *Service) watched(ctx context.Context, ref string) (berth.ID, error) {
	if s.caller.Person == "" {
		return "", berth.Errorf(berth.EUnauthenticated, "nobody is logged in")
	}
	if ref == "" {
		return "", nil
	}
	d, err := s.sessions.Access.MayRead(ctx, s.caller, ref)
	return d.ID, err
}

// read reads what the caller may see now.
func (s *Service) read(ctx context.Context, deployment berth.ID, after int64, limit int) (events []berth.Event, err error) {
	caller, err := s.sessions.Access.Current(ctx, s.caller)
	if err != nil {
		return nil, err
	}
	err = s.sessions.Store.View(ctx, func(tx Tx) error {
		events, err = tx.Events(caller.Scope(), deployment, after, limit)
		return err
	})
	return events, err
}

func anything(berth.ID) bool { return true }
