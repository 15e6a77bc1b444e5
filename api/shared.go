package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// sharedRoutes are about parameters for all of a project.
func (a *api) sharedRoutes() {
	call(a, route("list-shared-environment", "GET", "/projects/{project}/environment", "The values that a project gives all its elements; secrets have none"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) ([]berth.Parameter, error) {
			return list(s.SharedEnvironment(ctx, in.Project))
		})

	do(a, route("set-shared-environment", "PATCH", "/projects/{project}/environment", "Give all elements of a project values, in one release of each deployment"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.SetEnvironment
		}) error {
			return s.SetSharedEnvironment(ctx, in.Project, in.Body.Values, secretsOf(in.Body))
		})

	do(a, route("unset-shared-environment", "POST", "/projects/{project}/environment/unset", "Take a project's values back, in one release of each deployment"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.UnsetEnvironment
		}) error {
			return s.UnsetSharedEnvironment(ctx, in.Project, in.Body.Names)
		})
}

func secretsOf(body apiwire.SetEnvironment) map[string]berth.Secret {
	secrets := make(map[string]berth.Secret, len(body.Secrets))
	for name, value := range body.Secrets {
		secrets[name] = berth.NewSecret(value)
	}
	return secrets
}
