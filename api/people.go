package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// InPerson names a person in the path.
type InPerson struct {
	Person string `path:"person"`
}

// InMember names a person of a project in the path.
type InMember struct {
	Project string `path:"project"`
	Person  string `path:"person"`
}

// peopleRoutes are about who may do what.
func (a *api) peopleRoutes() {
	call(a, route("list-persons", "GET", "/persons", "Everybody, with their roles"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.PersonInfo, error) {
			return list(s.Persons(ctx))
		})

	call(a, created(route("invite-person", "POST", "/persons", "Make a person, and a one-time link that lets them in")), usual,
		func(ctx context.Context, s berth.Service, in *struct{ Body berth.Invitation }) (apiwire.LoginLink, error) {
			return shownLink(s.InvitePerson(ctx, in.Body))
		})

	call(a, route("set-person-role", "PATCH", "/persons/{person}", "Give a person a role on the server"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InPerson
			Body apiwire.Role
		}) (berth.Person, error) {
			return s.SetPersonRole(ctx, in.Person, in.Body.Role)
		})

	do(a, route("remove-person", "DELETE", "/persons/{person}", "End all that lets a person in"), usual,
		func(ctx context.Context, s berth.Service, in *InPerson) error { return s.RemovePerson(ctx, in.Person) })

	call(a, route("list-members", "GET", "/projects/{project}/members", "Who may see a project"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Project string `path:"project"`
		}) ([]berth.Member, error) {
			return list(s.Members(ctx, in.Project))
		})

	call(a, route("put-member", "PUT", "/projects/{project}/members/{person}", "Give a person a role on a project"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InMember
			Body apiwire.Role
		}) (berth.Member, error) {
			return s.PutMember(ctx, in.Project, in.Person, in.Body.Role)
		})

	do(a, route("delete-member", "DELETE", "/projects/{project}/members/{person}", "End a person's role on a project"), usual,
		func(ctx context.Context, s berth.Service, in *InMember) error {
			return s.DeleteMember(ctx, in.Project, in.Person)
		})
}

// loginRoutes are about how the caller comes in with a browser.
func (a *api) loginRoutes() {
	call(a, route("list-logins", "GET", "/logins", "The browsers in which the caller is logged in"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.Login, error) {
			return list(s.Logins(ctx))
		})

	do(a, route("delete-login", "DELETE", "/logins/{login}", "Log a browser out"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Login berth.ID `path:"login"`
		}) error {
			return s.DeleteLogin(ctx, in.Login)
		})

	do(a, route("delete-other-logins", "DELETE", "/logins", "Log all browsers out but the one that asks"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) error { return s.DeleteOtherLogins(ctx) })

	do(a, route("change-password", "PUT", "/password", "Change the caller's password"), usual,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.ChangePassword }) error {
			return s.ChangePassword(ctx, berth.NewSecret(in.Body.Before), berth.NewSecret(in.Body.Password))
		})
}
