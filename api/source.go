package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// sourceRoutes are about where projects' commits come from.
func (a *api) sourceRoutes() {
	call(a, route("connect-project", "PUT", "/projects/{project}/origin", "Say where a project's commits come from, and what opens it"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.Connection
		}) (berth.Project, error) {
			c := in.Body.Connection
			c.GitToken = berth.NewSecret(in.Body.GitToken)
			return s.ConnectProject(ctx, in.Project, c)
		})

	call(a, route("get-origin", "GET", "/projects/{project}/origin", "How the project and the host of its commits get on: webhook, polling, status of commits"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) (berth.OriginState, error) {
			return s.OriginState(ctx, in.Project)
		})
}
