package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Hosts lists those of a deployment.
func (c *Client) Hosts(ctx context.Context, ref string) (list []berth.Host, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "hosts"), nil, nil, &list)
}

// RenameHost gives a host another label, to which the former one redirects for 30 days.
func (c *Client) RenameHost(ctx context.Context, ref, host, label string) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "hosts", "rename"), nil, apiwire.RenameHost{Host: host, Label: label}, &d)
}

// ProtectHosts has hosts ask for a password, or answer certain networks only.
func (c *Client) ProtectHosts(ctx context.Context, ref string, w berth.ProtectHosts) (list []berth.Host, err error) {
	body := apiwire.ProtectHosts{Host: w.Host, Password: w.Password.Reveal(), Allow: w.Allow}
	return list, c.call(ctx, post, at("deployments", ref, "hosts", "protect"), nil, body, &list)
}

// OpenHosts takes protection away.
func (c *Client) OpenHosts(ctx context.Context, ref string, w berth.OpenHosts) (list []berth.Host, err error) {
	body := apiwire.OpenHosts{Host: w.Host, Password: w.Password, Allow: w.Allow}
	return list, c.call(ctx, post, at("deployments", ref, "hosts", "open"), nil, body, &list)
}
