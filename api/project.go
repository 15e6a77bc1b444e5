package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

// InProject and its like are exported because huma fills in the fields of exported types only.
type InProject struct {
	Project string `path:"project"`
}

// projectRoutes are about projects and their sources.
func (a *api) projectRoutes() {
	call(a, route("list-projects", "GET", "/projects", "The projects the caller may see"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.Project, error) {
			return list(s.Projects(ctx))
		})

	call(a, created(route("create-project", "POST", "/projects", "Create a project")), patient,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.NewProject }) (berth.Project, error) {
			return s.CreateProject(ctx, berth.NewProject{Name: in.Body.Name, GitURL: in.Body.GitURL, GitToken: berth.NewSecret(in.Body.GitToken)})
		})

	call(a, route("get-project", "GET", "/projects/{project}", "A project"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) (berth.Project, error) {
			return s.Project(ctx, in.Project)
		})

	call(a, route("rename-project", "PATCH", "/projects/{project}", "Rename a project; slugs and hosts stay"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.Name
		}) (berth.Project, error) {
			return s.RenameProject(ctx, in.Project, in.Body.Name)
		})

	do(a, route("delete-project", "DELETE", "/projects/{project}", "Delete a project that has no deployments"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) error {
			return s.DeleteProject(ctx, in.Project)
		})

	op := streams(route("import-repository", "PUT", "/projects/{project}/repository", "Bring the commits of a git bundle into the project's own repository"),
		"application/json", "The project", inPath("project"))
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{apiwire.BundleType: {}}}
	raw(a, op, a.importRepository)
}

func (a *api) importRepository(w http.ResponseWriter, r *http.Request, s berth.Service) error {
	ctx, cancel := context.WithTimeout(r.Context(), patient)
	defer cancel()
	p, err := s.ImportRepository(ctx, r.PathValue("project"), http.MaxBytesReader(w, r.Body, maxBundle))
	if tooLarge(err) {
		return berth.Errorf(berth.EInvalid, "the repository is larger than the %d GiB that may be uploaded at once: use --git URL", maxBundle>>30)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p)
	return nil
}
