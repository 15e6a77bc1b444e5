package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// branchRoutes are about branches and what follows them.
func (a *api) branchRoutes() {
	call(a, accepted(route("follow-branch", "PATCH", "/deployments/{deployment}/branch", "Follow another branch, and deploy its newest commit")), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.Branch
		}) (berth.Deployment, error) {
			return s.FollowBranch(ctx, in.Deployment, in.Body.Branch)
		})

	call(a, route("protect-branch", "PATCH", "/projects/{project}/branches", "Have pushes neither rewrite nor delete a branch, or again let them"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.BranchProtection
		}) (berth.Project, error) {
			return s.ProtectBranch(ctx, in.Project, in.Body.Branch, in.Body.Protected)
		})
}
