package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// hookRoutes are about being told that a branch moved.
func (a *api) hookRoutes() {
	call(a, route("get-hook", "GET", "/projects/{project}/hook", "How a Git host tells the project that a branch moved"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) (berth.Hook, error) {
			return s.Hook(ctx, in.Project)
		})

	call(a, route("rotate-hook", "POST", "/projects/{project}/hook", "Make a new URL and a new secret for it; the former ones end"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) (apiwire.RotatedHook, error) {
			h, secret, err := s.RotateHook(ctx, in.Project)
			return apiwire.RotatedHook{Hook: h, Secret: secret.Reveal()}, err
		})
}
