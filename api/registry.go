package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// registryRoutes are about logins to registries of images.
func (a *api) registryRoutes() {
	call(a, route("list-registries", "GET", "/registries", "The logins to registries of images"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.Registry, error) {
			return list(s.Registries(ctx))
		})

	call(a, created(route("login-registry", "POST", "/registries", "Log in to a registry of images")), patient,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.NewRegistry }) (berth.Registry, error) {
			return s.LoginRegistry(ctx, in.Body.Host, in.Body.Username, berth.NewSecret(in.Body.Password))
		})

	do(a, route("logout-registry", "DELETE", "/registries", "Forget the login to a registry"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Host string `query:"host" required:"true" doc:"Of the registry"`
		}) error {
			return s.LogoutRegistry(ctx, in.Host)
		})
}
