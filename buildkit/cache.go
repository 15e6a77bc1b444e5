package buildkit

import (
	"context"
	"fmt"

	docker "github.com/moby/moby/client"
)

// CacheSize returns the bytes of the engine's whole build cache, whoever filled it, that no image needs.
func (b *Builder) CacheSize(ctx context.Context) (int64, error) {
	client, err := b.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	records, err := client.DiskUsage(ctx)
	if err != nil {
		return 0, fmt.Errorf("measure build cache: %w", err)
	}
	var size int64
	for _, r := range records {
		if !r.Shared { // a shared one is an image's layer, and would stay with it
			size += r.Size
		}
	}
	return size, nil
}

// TrimCache removes what was least recently used of the engine's build cache until at most keep bytes are
// left, or what is left is in use. It touches no image and no container. The end of ctx ends it between two
// records.
func (b *Builder) TrimCache(ctx context.Context, keep int64) (freed int64, err error) {
	if keep <= 0 {
		return 0, fmt.Errorf("trim build cache: to %d bytes would empty it", keep)
	}
	// Engines before API 1.48 know the first alone, as "keep-storage". Without All the engine keeps what it made
	// for itself and what images share.
	r, err := b.docker.BuildCachePrune(ctx, docker.BuildCachePruneOptions{ReservedSpace: keep, MaxUsedSpace: keep})
	if err != nil {
		return 0, fmt.Errorf("trim build cache: %w", err)
	}
	return int64(r.Report.SpaceReclaimed), nil
}
