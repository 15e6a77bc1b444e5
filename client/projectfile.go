package client

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// ProjectFile returns the file that counts at a branch.
func (c *Client) ProjectFile(ctx context.Context, project, branch string) (f berth.ProjectFile, err error) {
	return f, c.call(ctx, get, at("projects", project, "file"), query("branch", branch), nil, &f)
}

// ProposeProjectFile looks into the repository, and keeps what Berth proposes.
func (c *Client) ProposeProjectFile(ctx context.Context, project, branch string) (f berth.ProjectFile, err error) {
	return f, c.call(ctx, post, at("projects", project, "file", "proposal"), nil, apiwire.ProposeProjectFile{Branch: branch}, &f)
}

// SetProjectFile replaces the kept file.
func (c *Client) SetProjectFile(ctx context.Context, project, text string) (f berth.ProjectFile, err error) {
	return f, c.call(ctx, http.MethodPut, at("projects", project, "file"), nil, apiwire.SetProjectFile{Text: text}, &f)
}
