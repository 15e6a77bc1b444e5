package session

import (
	"context"
	"iter"

	"github.com/berth-dev/berth"
)

// Logs yields what the containers of a deployment wrote.
func (s *Service) Logs(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return watch(ctx, s, ref, q.Element, func(ctx context.Context, id berth.ID) iter.Seq2[berth.LogLine, error] {
		return s.sessions.Logs.Read(ctx, id, q)
	})
}

// Requests yields what the hosts of a deployment were asked.
func (s *Service) Requests(ctx context.Context, ref string, q berth.LogQuery) iter.Seq2[berth.Request, error] {
	return watch(ctx, s, ref, q.Element, func(ctx context.Context, id berth.ID) iter.Seq2[berth.Request, error] {
		return s.sessions.Requests.Read(ctx, id, q)
	})
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
