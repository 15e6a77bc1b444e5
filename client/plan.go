package client

import (
	"context"

	"github.com/berth-dev/berth"
)

// Plan says what carrying out the saved project file would do.
func (c *Client) Plan(ctx context.Context, ref string) (p berth.Plan, err error) {
	return p, c.call(ctx, get, at("deployments", ref, "plan"), nil, nil, &p)
}

// Apply carries the saved project file out.
func (c *Client) Apply(ctx context.Context, ref string) (done berth.Applied, err error) {
	return done, c.call(ctx, post, at("deployments", ref, "apply"), nil, nil, &done)
}
