package client

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// ConnectProject says where a project's commits come from.
func (c *Client) ConnectProject(ctx context.Context, project string, n berth.Connection) (p berth.Project, err error) {
	in := apiwire.Connection{Connection: n, GitToken: n.GitToken.Reveal()}
	return p, c.call(ctx, http.MethodPut, at("projects", project, "origin"), nil, in, &p)
}

// OriginState says how a project and the host of its commits get on.
func (c *Client) OriginState(ctx context.Context, project string) (o berth.OriginState, err error) {
	return o, c.call(ctx, get, at("projects", project, "origin"), nil, nil, &o)
}
