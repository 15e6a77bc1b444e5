package session

import (
	"context"
	"iter"

	"github.com/berth-dev/berth"
)

// Logs yields what the containers of a deployment wrote.
func (s *Service) Logs(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		d, err := s.sessions.Access.MayRead(ctx, s.caller, ref)
		if err == nil {
			err = s.elementKnown(ctx, d, q.Element)
		}
		if err != nil {
			yield(berth.LogLine{}, err)
			return
		}
		s.sessions.Logs.Read(ctx, d.ID, q)(yield)
	}
}

// Requests yields what the hosts of a deployment were asked.
func (s *Service) Requests(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.Request, error] {
	return func(yield func(berth.Request, error) bool) {
		d, err := s.sessions.Access.MayRead(ctx, s.caller, ref)
		if err == nil {
			err = s.elementKnown(ctx, d, q.Element)
		}
		if err != nil {
			yield(berth.Request{}, err)
			return
		}
		s.sessions.Requests.Read(ctx, d.ID, q)(yield)
	}
}

// elementKnown refuses an element that the deployment does not have; before anything was seen of it, all are let through.
func (s *Service) elementKnown(ctx context.Context, d berth.Deployment, element string) error {
	if element == "" {
		return nil
	}
	seen, err := s.observed(ctx, d.ID)
	if err != nil || len(seen.Elements) == 0 {
		return err
	}
	_, err = findElement(d.Slug, seen.Elements, element)
	return err
}

func (s *Service) observed(ctx context.Context, id berth.ID) (seen berth.Observed, err error) {
	err = s.sessions.Store.View(ctx, func(tx Tx) error {
		seen, err = tx.Observed(id)
		return err
	})
	return seen, err
}
