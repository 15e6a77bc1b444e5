package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// storageRoutes are about where volumes are kept, and which of them.
func (a *api) storageRoutes() {
	call(a, route("get-storage", "GET", "/storage", "What volumes are kept in"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) (berth.Storage, error) { return s.Storage(ctx) })

	call(a, route("get-build-cache", "GET", "/build-cache", "How much the engine keeps for builds, and how much it may"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) (berth.BuildCache, error) {
			return s.BuildCache(ctx)
		})

	call(a, accepted(route("migrate-storage", "POST", "/storage/migrate", "Keep volumes in another kind of store; the work follows")), patient,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.MigrateStorage }) (berth.Storage, error) {
			return s.MigrateStorage(ctx, in.Body.To)
		})

	do(a, route("delete-volume", "DELETE", "/deployments/{deployment}/volumes/{element}/{volume}", "Delete a volume that no element uses any more"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Element string `path:"element"`
			Volume  string `path:"volume"`
		}) error {
			return s.DeleteVolume(ctx, in.Deployment, in.Element+"/"+in.Volume)
		})
}
