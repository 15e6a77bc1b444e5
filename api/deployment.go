package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

type InDeployment struct {
	Deployment string `path:"deployment" doc:"Its slug, or its bare name where only one fits"`
}

// deploymentRoutes are about the life of a deployment.
func (a *api) deploymentRoutes() {
	call(a, route("list-deployments", "GET", "/deployments", "The deployments the caller may see"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Project string `query:"project" doc:"Only those of this project"`
		}) ([]berth.Deployment, error) {
			return list(s.Deployments(ctx, in.Project))
		})

	call(a, created(route("create-deployment", "POST", "/projects/{project}/deployments", "Create a deployment; the work follows")), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body berth.NewDeployment
		}) (berth.Deployment, error) {
			return s.CreateDeployment(ctx, in.Project, in.Body)
		})

	call(a, route("get-deployment", "GET", "/deployments/{deployment}", "A deployment"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) (berth.Deployment, error) {
			return s.Deployment(ctx, in.Deployment)
		})

	call(a, route("rename-deployment", "PATCH", "/deployments/{deployment}", "Rename a deployment; slug and hosts stay"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Name
		}) (berth.Deployment, error) {
			return s.RenameDeployment(ctx, in.Deployment, in.Body.Name)
		})

	a.change(accepted(route("stop-deployment", "POST", "/deployments/{deployment}/stop", "Stop a deployment until it is started")), berth.Service.StopDeployment)
	a.change(accepted(route("start-deployment", "POST", "/deployments/{deployment}/start", "Start a stopped deployment")), berth.Service.StartDeployment)

	a.change(accepted(route("sleep-deployment", "POST", "/deployments/{deployment}/sleep", "Put a deployment to sleep until something asks for it")), berth.Service.SleepDeployment)

	call(a, route("change-rest", "PATCH", "/deployments/{deployment}/rest", "Say when a deployment goes to sleep by itself"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body berth.ChangeRest
		}) (berth.Deployment, error) {
			return s.ChangeRest(ctx, in.Deployment, in.Body)
		})

	call(a, accepted(route("restart-deployment", "POST", "/deployments/{deployment}/restart", "Replace the instances of an element, or of all components")), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Restart
		}) (berth.Deployment, error) {
			return s.RestartElement(ctx, in.Deployment, in.Body.Element)
		})

	do(a, route("delete-deployment", "DELETE", "/deployments/{deployment}", "Delete a deployment with all its data; the work follows"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) error {
			return s.DeleteDeployment(ctx, in.Deployment)
		})

	raw(a, streams(route("describe-deployment", "GET", "/deployments/{deployment}/describe", "What the engine was given, secrets masked"),
		"application/yaml", "Kubernetes objects", inPath("deployment"), inQuery("element", huma.TypeString, "Only this element")),
		func(w http.ResponseWriter, r *http.Request, s berth.Service) error {
			text, err := s.Describe(r.Context(), r.PathValue("deployment"), r.URL.Query().Get("element"))
			return writeText(w, "application/yaml", text, err)
		})
}

// change registers a verb that needs nothing but a deployment.
func (a *api) change(op huma.Operation, verb func(berth.Service, context.Context, string) (berth.Deployment, error)) {
	call(a, op, usual, func(ctx context.Context, s berth.Service, in *InDeployment) (berth.Deployment, error) {
		return verb(s, ctx, in.Deployment)
	})
}

func tooLarge(err error) bool {
	var limit *http.MaxBytesError
	return errors.As(err, &limit)
}
