package volume

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/berth-dev/berth"
)

// Enforces reports whether the store refuses what goes beyond a limit.
func (s *Volumes) Enforces() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hardLimits(s.chosen.Kind)
}

// Limit bounds what a deployment's tree may hold, where its store can. The same again costs nothing.
func (s *Volumes) Limit(_ context.Context, deployment berth.ID, bytes int64) error {
	s.mu.Lock()
	same := s.limits[deployment] == bytes
	s.mu.Unlock()
	if same {
		return nil
	}
	kind, dir, exists, err := s.home(deployment)
	if err != nil || !exists || !hardLimits(kind) {
		return err
	}
	top, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	if err := errors.Join(limitSubvolume(top, string(deployment), bytes), top.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[deployment] = bytes
	return nil
}
