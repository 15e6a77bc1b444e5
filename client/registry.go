package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Registries lists logins to registries of images.
func (c *Client) Registries(ctx context.Context) (list []berth.Registry, err error) {
	return list, c.call(ctx, get, at("registries"), nil, nil, &list)
}

// LoginRegistry logs in to a registry.
func (c *Client) LoginRegistry(ctx context.Context, host, username string, password berth.Secret) (r berth.Registry, err error) {
	in := apiwire.NewRegistry{Host: host, Username: username, Password: password.Reveal()}
	return r, c.call(ctx, post, at("registries"), nil, in, &r)
}

// LogoutRegistry forgets a login.
func (c *Client) LogoutRegistry(ctx context.Context, host string) error {
	return c.call(ctx, remove, at("registries"), query("host", host), nil, nil)
}
