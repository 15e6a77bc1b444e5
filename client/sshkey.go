package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// AddKey lets whoever holds the private half of a public key in as a person.
func (c *Client) AddKey(ctx context.Context, person, name, text string) (k berth.SSHKey, err error) {
	return k, c.call(ctx, post, at("keys"), query("person", person), apiwire.NewSSHKey{Name: name, Key: text}, &k)
}

// Keys lists a person's SSH keys.
func (c *Client) Keys(ctx context.Context, person string) (list []berth.SSHKey, err error) {
	return list, c.call(ctx, get, at("keys"), query("person", person), nil, &list)
}

// DeleteKey ends a key.
func (c *Client) DeleteKey(ctx context.Context, person, name string) error {
	return c.call(ctx, remove, at("keys", name), query("person", person), nil, nil)
}
