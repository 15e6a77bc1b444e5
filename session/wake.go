package session

import (
	"context"
	"time"

	"github.com/berth-dev/berth"
)

// wakeTime is how long a person waits for a deployment that sleeps.
const wakeTime = time.Minute

// awaken has a deployment that sleeps run, and finds the instance meant once it is there.
func (s *Service) awaken(ctx context.Context, d berth.Deployment, target string) (i berth.InstanceStatus, err error) {
	ctx, stop := context.WithTimeout(ctx, wakeTime)
	defer stop()
	hints := s.sessions.Store.Subscribe(ctx)
	if err := s.sessions.Wake(ctx, d.ID, s.caller.Name+" works in it"); err != nil {
		return i, err
	}
	for {
		seen, failed := s.observed(ctx, d.ID)
		if failed != nil {
			return i, failed
		}
		if i, err = chooseInstance(d.Slug, seen, target); berth.CodeOf(err) != berth.EUnavailable || !wait(ctx, hints, anything) {
			return i, err
		}
	}
}
