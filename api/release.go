package api

import (
	"context"
	"io"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

// releaseRoutes are about builds and releases.
func (a *api) releaseRoutes() {
	call(a, created(route("deploy", "POST", "/deployments/{deployment}/releases", "Make a release of a commit; the work follows")), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Deploy
		}) (berth.Release, error) {
			return s.Deploy(ctx, in.Deployment, in.Body.Commit)
		})

	call(a, created(route("rebuild", "POST", "/deployments/{deployment}/rebuild", "Make a release of the commit that runs, with all images built anew; the work follows")), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (berth.Release, error) {
			return s.Rebuild(ctx, in.Deployment)
		})

	call(a, created(route("rollback", "POST", "/deployments/{deployment}/rollback", "Make a release of exactly what an earlier one ran")), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Rollback
		}) (berth.Release, error) {
			return s.Rollback(ctx, in.Deployment, in.Body.Revision)
		})

	call(a, created(route("promote", "POST", "/deployments/{deployment}/promote", "Make a release of what another deployment of the project serves")), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Promote
		}) (berth.Release, error) {
			return s.Promote(ctx, in.Body.From, in.Deployment)
		})

	call(a, route("list-releases", "GET", "/deployments/{deployment}/releases", "A deployment's releases, newest first"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) ([]berth.Release, error) {
			return list(s.Releases(ctx, in.Deployment))
		})

	call(a, route("list-builds", "GET", "/deployments/{deployment}/builds", "A deployment's builds, newest first"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) ([]berth.Build, error) {
			return list(s.Builds(ctx, in.Deployment))
		})

	do(a, route("cancel-build", "POST", "/deployments/{deployment}/builds/{build}/cancel", "End a build"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Build berth.ID `path:"build"`
		}) error {
			return s.CancelBuild(ctx, in.Deployment, in.Build)
		})

	raw(a, streams(route("build-log", "GET", "/deployments/{deployment}/builds/{build}/log", "The log of a build"),
		"text/plain", "Lines", inPath("deployment"), inPath("build"), inQuery("follow", huma.TypeBoolean, "Go on while the build runs")), a.buildLog)
}

func (a *api) buildLog(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	follow, err := queryBool(r, "follow")
	if err != nil {
		return err
	}
	log, err := s.BuildLog(r.Context(), r.PathValue("deployment"), berth.ID(r.PathValue("build")), follow)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := flushing(w)
	out.flush()
	if _, err := io.Copy(out, log); err != nil && r.Context().Err() == nil {
		if berth.CodeOf(err) == berth.EInternal {
			a.Log.ErrorContext(r.Context(), "build log broke off", "request", requestOf(r.Context()), "error", err)
		}
		panic(http.ErrAbortHandler) // so that the client sees that this is not the end
	}
	return nil
}
