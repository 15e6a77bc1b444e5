package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

type InElement struct {
	InDeployment
	Element string `path:"element"`
}

// environmentRoutes are about parameters.
func (a *api) environmentRoutes() {
	call(a, route("list-environment", "GET", "/deployments/{deployment}/environment", "Parameters with their origin; secrets have no value"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Element string `query:"element" doc:"Only this element"`
		}) ([]berth.Parameter, error) {
			return list(s.Environment(ctx, in.Deployment, in.Element))
		})

	do(a, route("set-environment", "PATCH", "/deployments/{deployment}/environment/{element}", "Give parameters values, in one release"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InElement
			Body apiwire.SetEnvironment
		}) error {
			return s.SetEnvironment(ctx, in.Deployment, in.Element, in.Body.Values, secretsOf(in.Body))
		})

	do(a, route("unset-environment", "POST", "/deployments/{deployment}/environment/{element}/unset", "Take values back, in one release"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InElement
			Body apiwire.UnsetEnvironment
		}) error {
			return s.UnsetEnvironment(ctx, in.Deployment, in.Element, in.Body.Names)
		})

	call(a, route("reveal-environment", "POST", "/deployments/{deployment}/environment/{element}/reveal", "Parameters with the values of secrets, for owners; that they were shown is recorded"), usual,
		func(ctx context.Context, s berth.Service, in *InElement) ([]berth.Parameter, error) {
			return list(s.RevealEnvironment(ctx, in.Deployment, in.Element))
		})
}
