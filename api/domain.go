package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// domainRoutes are about names of a team's own.
func (a *api) domainRoutes() {
	call(a, route("list-domains", "GET", "/deployments/{deployment}/domains", "The names of its own that lead to a deployment"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) ([]berth.Domain, error) {
			return list(s.Domains(ctx, in.Deployment))
		})

	call(a, route("add-domain", "POST", "/deployments/{deployment}/domains", "Let a name lead to an element or to another domain, once the DNS says that it is yours"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Body apiwire.NewDomain
		}) (berth.Domain, error) {
			return s.AddDomain(ctx, in.Deployment, berth.NewDomain{Name: in.Body.Name, Element: in.Body.Element, RedirectTo: in.Body.RedirectTo})
		})

	call(a, route("check-domain", "POST", "/deployments/{deployment}/domains/{domain}/check", "Look where the DNS leads a name now"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Domain string `path:"domain"`
		}) (berth.Domain, error) {
			return s.CheckDomain(ctx, in.Deployment, in.Domain)
		})

	do(a, route("delete-domain", "DELETE", "/deployments/{deployment}/domains/{domain}", "End a domain at once"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Domain string `path:"domain"`
		}) error {
			return s.DeleteDomain(ctx, in.Deployment, in.Domain)
		})

	call(a, route("list-project-domains", "GET", "/projects/{project}/domains", "The domains of a whole project, below which its deployments have names"), usual,
		func(ctx context.Context, s berth.Service, in *InProject) ([]berth.Domain, error) {
			return list(s.ProjectDomains(ctx, in.Project))
		})

	call(a, route("add-project-domain", "POST", "/projects/{project}/domains", "Let all names one label below a name lead to deployments that are made from now on, once the DNS says that it is yours"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Body apiwire.NewProjectDomain
		}) (berth.Domain, error) {
			return s.AddProjectDomain(ctx, in.Project, in.Body.Name)
		})

	call(a, route("check-project-domain", "POST", "/projects/{project}/domains/{domain}/check", "Look where the DNS leads the names below a project's domain now"), patient,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Domain string `path:"domain"`
		}) (berth.Domain, error) {
			return s.CheckProjectDomain(ctx, in.Project, in.Domain)
		})

	do(a, route("delete-project-domain", "DELETE", "/projects/{project}/domains/{domain}", "End a project's domain, and all names below it, at once"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InProject
			Domain string `path:"domain"`
		}) error {
			return s.DeleteProjectDomain(ctx, in.Project, in.Domain)
		})
}
