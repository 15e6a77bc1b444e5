package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// hostRoutes are about the public names of a deployment's elements.
func (a *api) hostRoutes() {
	call(a, route("list-hosts", "GET", "/deployments/{deployment}/hosts", "A deployment's public hosts, and who may ask them"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) ([]berth.Host, error) {
			return list(s.Hosts(ctx, in.Deployment))
		})

	call(a, route("rename-host", "POST", "/deployments/{deployment}/hosts/rename", "Give a host another name; the former one redirects there for 30 days, and a release follows"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.RenameHost
		}) (berth.Deployment, error) {
			return s.RenameHost(ctx, in.Deployment, in.Body.Host, in.Body.Label)
		})

	call(a, route("protect-hosts", "POST", "/deployments/{deployment}/hosts/protect", "Have hosts ask for a password, or answer certain networks only"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.ProtectHosts
		}) ([]berth.Host, error) {
			return list(s.ProtectHosts(ctx, in.Deployment, berth.ProtectHosts{Host: in.Body.Host, Password: berth.NewSecret(in.Body.Password), Allow: in.Body.Allow}))
		})

	call(a, route("open-hosts", "POST", "/deployments/{deployment}/hosts/open", "Take the protection of hosts away"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.OpenHosts
		}) ([]berth.Host, error) {
			return list(s.OpenHosts(ctx, in.Deployment, berth.OpenHosts{Host: in.Body.Host, Password: in.Body.Password, Allow: in.Body.Allow}))
		})
}
