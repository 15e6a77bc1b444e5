package api

import (
	"context"

	"github.com/berth-dev/berth"
)

// planRoutes are about the project file of a working tree.
func (a *api) planRoutes() {
	call(a, route("get-plan", "GET", "/deployments/{deployment}/plan", "What carrying out the working tree's project file would add, change and remove"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (berth.Plan, error) {
			return s.Plan(ctx, in.Deployment)
		})

	call(a, accepted(route("apply-plan", "POST", "/deployments/{deployment}/apply", "Carry out the working tree's project file; the work follows")), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (berth.Applied, error) {
			return s.Apply(ctx, in.Deployment)
		})
}
