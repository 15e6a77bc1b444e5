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

	call(a, route("get-deploy-hook", "GET", "/deployments/{deployment}/hook", "What is known of the URL that deploys the deployment; not the URL"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (berth.DeployHook, error) {
			return s.DeployHook(ctx, in.Deployment)
		})

	call(a, route("rotate-deploy-hook", "POST", "/deployments/{deployment}/hook", "Make a URL to which anybody's POST deploys the newest commit of the branch, or with ?ref= another one on it; the former one ends"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (apiwire.RotatedDeployHook, error) {
			h, url, err := s.RotateDeployHook(ctx, in.Deployment)
			return apiwire.RotatedDeployHook{Hook: h, URL: url.Reveal()}, err
		})

	do(a, route("delete-deploy-hook", "DELETE", "/deployments/{deployment}/hook", "End the URL that deploys the deployment"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) error {
			return s.DeleteDeployHook(ctx, in.Deployment)
		})
}
