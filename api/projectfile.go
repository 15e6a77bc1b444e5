package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// projectFileRoutes are about the file that describes a project.
func (a *api) projectFileRoutes() {
	call(a, route("get-project-file", "GET", "/projects/{project}/file", "The diploi.yaml that counts at a branch, with an empty text where there is none"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Branch string `query:"branch" doc:"Default: the project's"`
		}) (berth.ProjectFile, error) {
			return s.ProjectFile(ctx, in.Project, in.Branch)
		})

	call(a, route("propose-project-file", "POST", "/projects/{project}/file/proposal", "Look into the repository, and keep the diploi.yaml that Berth proposes"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.ProposeProjectFile
		}) (berth.ProjectFile, error) {
			return s.ProposeProjectFile(ctx, in.Project, in.Body.Branch)
		})

	call(a, route("set-project-file", "PUT", "/projects/{project}/file", "Replace the diploi.yaml that Berth keeps for a repository without one"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.SetProjectFile
		}) (berth.ProjectFile, error) {
			return s.SetProjectFile(ctx, in.Project, in.Body.Text)
		})
}
