package client

import (
	"context"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Storage says what volumes are kept in.
func (c *Client) Storage(ctx context.Context) (out berth.Storage, err error) {
	return out, c.call(ctx, get, at("storage"), nil, nil, &out)
}

// BuildCache says how much the engine keeps for builds, and how much it may.
func (c *Client) BuildCache(ctx context.Context) (out berth.BuildCache, err error) {
	return out, c.call(ctx, get, at("build-cache"), nil, nil, &out)
}

// MigrateStorage keeps volumes in another kind of store from now on.
func (c *Client) MigrateStorage(ctx context.Context, to berth.StorageKind) (out berth.Storage, err error) {
	return out, c.call(ctx, post, at("storage", "migrate"), nil, apiwire.MigrateStorage{To: to}, &out)
}

// DeleteVolume deletes a volume that no element uses any more.
func (c *Client) DeleteVolume(ctx context.Context, ref, volume string) error {
	element, identifier, ok := strings.Cut(volume, "/")
	if !ok || element == "" || identifier == "" {
		return berth.Errorf(berth.EInvalid, "a volume is named ELEMENT/VOLUME, as berth volume ls shows it, not %q", volume)
	}
	return c.call(ctx, remove, at("deployments", ref, "volumes", element, identifier), nil, nil, nil)
}
