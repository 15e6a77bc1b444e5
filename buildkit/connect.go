package buildkit

import (
	"context"
	"fmt"
	"net"

	bk "github.com/moby/buildkit/client"
)

// connect speaks to the BuildKit inside the engine: its control protocol and the session that it
// fetches files and secrets from us by are both upgraded HTTP requests to the engine's own socket.
func (b *Builder) connect(ctx context.Context) (*bk.Client, error) {
	client, err := bk.New(ctx, "",
		bk.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return b.docker.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		bk.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return b.docker.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to BuildKit: %w", err)
	}
	return client, nil
}
