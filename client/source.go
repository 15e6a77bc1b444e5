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
