package client

import (
	"context"

	"github.com/berth-dev/berth"
)

// Mails lists a deployment's inbox.
func (c *Client) Mails(ctx context.Context, ref string) (list []berth.Mail, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "mail"), nil, nil, &list)
}

// Mail shows one message.
func (c *Client) Mail(ctx context.Context, ref string, id berth.ID) (m berth.MailText, err error) {
	return m, c.call(ctx, get, at("deployments", ref, "mail", string(id)), nil, nil, &m)
}
