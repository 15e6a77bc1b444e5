package client

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Persons lists everybody.
func (c *Client) Persons(ctx context.Context) (list []berth.PersonInfo, err error) {
	return list, c.call(ctx, get, at("persons"), nil, nil, &list)
}

// InvitePerson makes a person and a link that lets them in.
func (c *Client) InvitePerson(ctx context.Context, in berth.Invitation) (berth.LoginLink, error) {
	return c.makeLink(ctx, at("persons"), in)
}

// SetPersonRole gives a person a role on the server.
func (c *Client) SetPersonRole(ctx context.Context, name string, role berth.Role) (p berth.Person, err error) {
	return p, c.call(ctx, patch, at("persons", name), nil, apiwire.Role{Role: role}, &p)
}

// RemovePerson ends all that lets a person in.
func (c *Client) RemovePerson(ctx context.Context, name string) error {
	return c.call(ctx, remove, at("persons", name), nil, nil, nil)
}

// Members lists who may see a project.
func (c *Client) Members(ctx context.Context, project string) (list []berth.Member, err error) {
	return list, c.call(ctx, get, at("projects", project, "members"), nil, nil, &list)
}

// PutMember gives a person a role on a project.
func (c *Client) PutMember(ctx context.Context, project, person string, role berth.Role) (m berth.Member, err error) {
	return m, c.call(ctx, http.MethodPut, at("projects", project, "members", person), nil, apiwire.Role{Role: role}, &m)
}

// DeleteMember ends a person's role on a project.
func (c *Client) DeleteMember(ctx context.Context, project, person string) error {
	return c.call(ctx, remove, at("projects", project, "members", person), nil, nil, nil)
}

// Logins lists the caller's.
func (c *Client) Logins(ctx context.Context) (list []berth.Login, err error) {
	return list, c.call(ctx, get, at("logins"), nil, nil, &list)
}

// DeleteLogin logs a browser out.
func (c *Client) DeleteLogin(ctx context.Context, id berth.ID) error {
	return c.call(ctx, remove, at("logins", string(id)), nil, nil, nil)
}

// DeleteOtherLogins logs all browsers out but the one that asks.
func (c *Client) DeleteOtherLogins(ctx context.Context) error {
	return c.call(ctx, remove, at("logins"), nil, nil, nil)
}

// ChangePassword changes the caller's.
func (c *Client) ChangePassword(ctx context.Context, before, password berth.Secret) error {
	in := apiwire.ChangePassword{Before: before.Reveal(), Password: password.Reveal()}
	return c.call(ctx, http.MethodPut, at("password"), nil, in, nil)
}
