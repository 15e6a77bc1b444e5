package control

import (
	"context"

	"github.com/berth-dev/berth"
)

// BuildCache says how much the engine keeps for builds, and how much it may.
func (s *Service) BuildCache(ctx context.Context) (out berth.BuildCache, err error) {
	if err := s.mayServer(ctx, BuildCacheRead); err != nil {
		return out, err
	}
	return s.control.BuildCache(ctx)
}
