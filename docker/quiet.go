package docker

import (
	"context"

	"github.com/berth-dev/berth"
)

// Quiet reports that no container of a deployment runs but its core, which uses no volume.
func (e *Engine) Quiet(ctx context.Context, id berth.ID) (bool, error) {
	containers, err := e.docker.containers(ctx, labelDeployment, string(id))
	if err != nil {
		return false, err
	}
	for _, c := range containers {
		if c.Labels[labelRole] != roleCore && c.running() {
			return false, nil
		}
	}
	return true, nil
}
