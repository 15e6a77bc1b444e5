package docker

import (
	"context"

	"github.com/moby/moby/client"
)

// ImageNames returns the images that have a label, by id, with all their names.
func (e *Engine) ImageNames(ctx context.Context, label string) (map[string][]string, error) {
	images, err := e.labelledImages(ctx, client.Filters{}.Add("label", label))
	names := map[string][]string{}
	for _, i := range images {
		names[i.ID] = i.Tags
	}
	return names, err
}
