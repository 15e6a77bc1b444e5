package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Hook shows how a project is told that a branch moved.
func (c *Client) Hook(ctx context.Context, project string) (h berth.Hook, err error) {
	return h, c.call(ctx, get, at("projects", project, "hook"), nil, nil, &h)
}

// RotateHook makes a new URL and a new secret.
func (c *Client) RotateHook(ctx context.Context, project string) (berth.Hook, berth.Secret, error) {
	var h apiwire.RotatedHook
	err := c.call(ctx, post, at("projects", project, "hook"), nil, nil, &h)
	return h.Hook, berth.NewSecret(h.Secret), err
}
