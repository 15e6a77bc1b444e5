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

// DeployHook shows what is known of the URL that deploys a deployment.
func (c *Client) DeployHook(ctx context.Context, ref string) (h berth.DeployHook, err error) {
	return h, c.call(ctx, get, at("deployments", ref, "hook"), nil, nil, &h)
}

// RotateDeployHook makes a new URL.
func (c *Client) RotateDeployHook(ctx context.Context, ref string) (berth.DeployHook, berth.Secret, error) {
	var h apiwire.RotatedDeployHook
	err := c.call(ctx, post, at("deployments", ref, "hook"), nil, nil, &h)
	return h.Hook, berth.NewSecret(h.URL), err
}

// DeleteDeployHook ends the URL.
func (c *Client) DeleteDeployHook(ctx context.Context, ref string) error {
	return c.call(ctx, remove, at("deployments", ref, "hook"), nil, nil, nil)
}
