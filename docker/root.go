package docker

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// Root returns the directory in which Docker keeps images and what containers write outside volumes.
func (e *Engine) Root(ctx context.Context) (string, error) {
	r, err := e.docker.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", fmt.Errorf("ask Docker about itself: %w", err)
	}
	return r.Info.DockerRootDir, nil
}
