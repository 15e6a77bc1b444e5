package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// Whoami says who is asking whom.
func (c *Client) Whoami(ctx context.Context) (who berth.Whoami, err error) {
	return who, c.call(ctx, get, at("whoami"), nil, nil, &who)
}

// CA returns the PEM of the server's local certificate authority.
func (c *Client) CA(ctx context.Context) (string, error) { return c.text(ctx, at("ca"), nil) }

// Metrics is what there is to measure about the server.
func (c *Client) Metrics(ctx context.Context) (string, error) { return c.text(ctx, at("metrics"), nil) }

// CreateLoginLink makes a one-time link for a person.
func (c *Client) CreateLoginLink(ctx context.Context, person string) (berth.LoginLink, error) {
	return c.makeLink(ctx, at("login-links"), apiwire.NewLoginLink{Person: person})
}

func (c *Client) makeLink(ctx context.Context, path string, in any) (berth.LoginLink, error) {
	var l apiwire.LoginLink
	err := c.call(ctx, post, path, nil, in, &l)
	return berth.LoginLink{URL: berth.NewSecret(l.URL), Person: l.Person, ExpiresAt: l.ExpiresAt, Install: l.Install}, err
}

// CreateToken makes an API token of the caller.
func (c *Client) CreateToken(ctx context.Context, n berth.NewToken) (berth.Token, berth.Secret, error) {
	var t apiwire.CreatedToken
	err := c.call(ctx, post, at("tokens"), nil, apiwire.NewToken{Name: n.Name, Role: n.Role, TTLSeconds: int64(n.TTL / time.Second)}, &t)
	return t.Token, berth.NewSecret(t.Secret), err
}

// Tokens lists the caller's.
func (c *Client) Tokens(ctx context.Context) (list []berth.Token, err error) {
	return list, c.call(ctx, get, at("tokens"), nil, nil, &list)
}

// DeleteToken ends a token of the caller.
func (c *Client) DeleteToken(ctx context.Context, id berth.ID) error {
	return c.call(ctx, remove, at("tokens", string(id)), nil, nil, nil)
}

// Packages lists the built-in catalogue.
func (c *Client) Packages(ctx context.Context) (list []berth.PackageInfo, err error) {
	return list, c.call(ctx, get, at("packages"), nil, nil, &list)
}

// Package finds one by name.
func (c *Client) Package(ctx context.Context, name string) (p berth.PackageInfo, err error) {
	return p, c.call(ctx, get, at("packages", name), nil, nil, &p)
}

// CreateProject creates a project.
func (c *Client) CreateProject(ctx context.Context, p berth.NewProject) (created berth.Project, err error) {
	in := apiwire.NewProject{Name: p.Name, GitURL: p.GitURL, GitToken: p.GitToken.Reveal()}
	return created, c.call(ctx, post, at("projects"), nil, in, &created)
}

// ImportRepository uploads a git bundle.
func (c *Client) ImportRepository(ctx context.Context, project string, bundle io.Reader) (p berth.Project, err error) {
	response, err := c.send(ctx, http.MethodPut, at("projects", project, "repository"), nil, bundle, apiwire.BundleType)
	if err != nil {
		return p, err
	}
	defer func() { _ = response.Body.Close() }()
	return p, read(response, &p)
}

// Projects lists what the caller may see.
func (c *Client) Projects(ctx context.Context) (list []berth.Project, err error) {
	return list, c.call(ctx, get, at("projects"), nil, nil, &list)
}

// Project finds one by name.
func (c *Client) Project(ctx context.Context, project string) (p berth.Project, err error) {
	return p, c.call(ctx, get, at("projects", project), nil, nil, &p)
}

// RenameProject changes the name only.
func (c *Client) RenameProject(ctx context.Context, project, name string) (p berth.Project, err error) {
	return p, c.call(ctx, patch, at("projects", project), nil, apiwire.Name{Name: name}, &p)
}

// DeleteProject removes a project that has no deployments.
func (c *Client) DeleteProject(ctx context.Context, project string) error {
	return c.call(ctx, remove, at("projects", project), nil, nil, nil)
}

// CreateDeployment stores the wish.
func (c *Client) CreateDeployment(ctx context.Context, project string, n berth.NewDeployment) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("projects", project, "deployments"), nil, n, &d)
}

// Deployments lists those of one project, or all.
func (c *Client) Deployments(ctx context.Context, project string) (list []berth.Deployment, err error) {
	return list, c.call(ctx, get, at("deployments"), query("project", project), nil, &list)
}

// Deployment shows one.
func (c *Client) Deployment(ctx context.Context, ref string) (d berth.Deployment, err error) {
	return d, c.call(ctx, get, at("deployments", ref), nil, nil, &d)
}

// RenameDeployment changes the name only.
func (c *Client) RenameDeployment(ctx context.Context, ref, name string) (d berth.Deployment, err error) {
	return d, c.call(ctx, patch, at("deployments", ref), nil, apiwire.Name{Name: name}, &d)
}

// FollowBranch has a deployment follow another branch.
func (c *Client) FollowBranch(ctx context.Context, ref, branch string) (d berth.Deployment, err error) {
	return d, c.call(ctx, patch, at("deployments", ref, "branch"), nil, apiwire.Branch{Branch: branch}, &d)
}

// ProtectBranch protects a branch of a project's own repository, or no longer.
func (c *Client) ProtectBranch(ctx context.Context, project, branch string, protect bool) (p berth.Project, err error) {
	return p, c.call(ctx, patch, at("projects", project, "branches"), nil, apiwire.BranchProtection{Branch: branch, Protected: protect}, &p)
}

// Rollback makes a release of what an earlier one ran.
func (c *Client) Rollback(ctx context.Context, ref string, revision int) (r berth.Release, err error) {
	return r, c.call(ctx, post, at("deployments", ref, "rollback"), nil, apiwire.Rollback{Revision: revision}, &r)
}

// Promote makes a release of what another deployment serves.
func (c *Client) Promote(ctx context.Context, from, to string) (r berth.Release, err error) {
	return r, c.call(ctx, post, at("deployments", to, "promote"), nil, apiwire.Promote{From: from}, &r)
}

// RestartElement replaces the element's instances, or those of all components.
func (c *Client) RestartElement(ctx context.Context, ref, element string) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "restart"), nil, apiwire.Restart{Element: element}, &d)
}

// StopDeployment stops a deployment.
func (c *Client) StopDeployment(ctx context.Context, ref string) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "stop"), nil, nil, &d)
}

// StartDeployment starts a stopped one.
func (c *Client) StartDeployment(ctx context.Context, ref string) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "start"), nil, nil, &d)
}

// SleepDeployment puts it to sleep.
func (c *Client) SleepDeployment(ctx context.Context, ref string) (d berth.Deployment, err error) {
	return d, c.call(ctx, post, at("deployments", ref, "sleep"), nil, nil, &d)
}

// ChangeRest says when it goes to sleep.
func (c *Client) ChangeRest(ctx context.Context, ref string, r berth.ChangeRest) (d berth.Deployment, err error) {
	return d, c.call(ctx, patch, at("deployments", ref, "rest"), nil, r, &d)
}

// DeleteDeployment marks it.
func (c *Client) DeleteDeployment(ctx context.Context, ref string) error {
	return c.call(ctx, remove, at("deployments", ref), nil, nil, nil)
}

// Describe returns what the engine was given.
func (c *Client) Describe(ctx context.Context, ref, element string) (string, error) {
	return c.text(ctx, at("deployments", ref, "describe"), query("element", element))
}

// Environment lists parameters.
func (c *Client) Environment(ctx context.Context, ref, element string) (list []berth.Parameter, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "environment"), query("element", element), nil, &list)
}

// SetEnvironment gives parameters values.
func (c *Client) SetEnvironment(ctx context.Context, ref, element string, values map[string]string, secrets map[string]berth.Secret) error {
	return c.call(ctx, patch, at("deployments", ref, "environment", element), nil, setEnvironment(values, secrets), nil)
}

// UnsetEnvironment takes values back.
func (c *Client) UnsetEnvironment(ctx context.Context, ref, element string, names []string) error {
	return c.call(ctx, post, at("deployments", ref, "environment", element, "unset"), nil, unsetEnvironment(names), nil)
}

// Deploy makes a release of a commit.
func (c *Client) Deploy(ctx context.Context, ref, commit string) (r berth.Release, err error) {
	return r, c.call(ctx, post, at("deployments", ref, "releases"), nil, apiwire.Deploy{Commit: commit}, &r)
}

// Rebuild makes a release of the commit that runs, with all images built anew.
func (c *Client) Rebuild(ctx context.Context, ref string) (r berth.Release, err error) {
	return r, c.call(ctx, post, at("deployments", ref, "rebuild"), nil, nil, &r)
}

// Releases lists a deployment's.
func (c *Client) Releases(ctx context.Context, ref string) (list []berth.Release, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "releases"), nil, nil, &list)
}

// Builds lists a deployment's.
func (c *Client) Builds(ctx context.Context, ref string) (list []berth.Build, err error) {
	return list, c.call(ctx, get, at("deployments", ref, "builds"), nil, nil, &list)
}

// CancelBuild ends a build.
func (c *Client) CancelBuild(ctx context.Context, ref string, build berth.ID) error {
	return c.call(ctx, post, at("deployments", ref, "builds", string(build), "cancel"), nil, nil, nil)
}

// BuildLog opens the log of a build.
func (c *Client) BuildLog(ctx context.Context, ref string, build berth.ID, follow bool) (io.ReadCloser, error) {
	response, err := c.send(ctx, get, at("deployments", ref, "builds", string(build), "log"), flag("follow", follow), nil, "")
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// query is one parameter, left out when it is empty.
func query(name, value string) url.Values {
	if value == "" {
		return nil
	}
	return url.Values{name: {value}}
}

func flag(name string, on bool) url.Values {
	if !on {
		return nil
	}
	return url.Values{name: {strconv.FormatBool(on)}}
}
