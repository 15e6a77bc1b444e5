package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Domains lists those of a deployment.
func (c *Client) Domains(ctx context.Context, ref string) (list []berth.Domain, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "domains"), nil, nil, &list)
}

// AddDomain lets a name lead to an element, or to another domain.
func (c *Client) AddDomain(ctx context.Context, ref string, n berth.NewDomain) (d berth.Domain, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "domains"), nil, apiwire.NewDomain{Name: n.Name, Element: n.Element, RedirectTo: n.RedirectTo}, &d)
}

// CheckDomain looks where the DNS leads a name.
func (c *Client) CheckDomain(ctx context.Context, ref, name string) (d berth.Domain, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "domains", name, "check"), nil, nil, &d)
}

// DeleteDomain ends a domain at once.
func (c *Client) DeleteDomain(ctx context.Context, ref, name string) error {
	return c.call(ctx, remove, at("deployments", ref, "domains", name), nil, nil, nil)
}

// ProjectDomains lists those of a whole project.
func (c *Client) ProjectDomains(ctx context.Context, project string) (list []berth.Domain, err error) {
	return list, c.call(ctx, get, at("projects", project, "domains"), nil, nil, &list)
}

// AddProjectDomain lets all names one label below a name lead to the project's deployments of from now on.
func (c *Client) AddProjectDomain(ctx context.Context, project, name string) (d berth.Domain, err error) {
	return d, c.call(ctx, post, at("projects", project, "domains"), nil, apiwire.NewProjectDomain{Name: name}, &d)
}

// CheckProjectDomain looks where the DNS leads the names below one.
func (c *Client) CheckProjectDomain(ctx context.Context, project, name string) (d berth.Domain, err error) {
	return d, c.call(ctx, post, at("projects", project, "domains", name, "check"), nil, nil, &d)
}

// DeleteProjectDomain ends one, and the names below it, at once.
func (c *Client) DeleteProjectDomain(ctx context.Context, project, name string) error {
	return c.call(ctx, remove, at("projects", project, "domains", name), nil, nil, nil)
}
