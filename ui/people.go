package ui

import (
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// roles are those that a person can be given, and what each may do.
var roles = []struct {
	role    berth.Role
	meaning string
}{
	{berth.RoleViewer, "Looks at everything, and changes nothing."},
	{berth.RoleDeveloper, "Also deploys, changes deployments and opens shells."},
	{berth.RoleOwner, "Also decides who may do what, sees secrets and deletes."},
}

// peoplePage is who is on the server.
func peoplePage(q *query) (screen, error) {
	p := place{role: q.caller.Role}
	list, err := q.service.Persons(q.ctx)
	if berth.CodeOf(err) == berth.EForbidden {
		return screen{title: "People", place: p, cli: "berth whoami", still: notForMembers()}, nil
	}
	if err != nil {
		return screen{}, err
	}
	return screen{title: "People", place: p, cli: "berth user ls", still: people(q, p, list)}, nil
}

// invite makes a person and shows the link that lets them in, in the answer to this one form.
func invite(q *query) (string, error) {
	link, err := q.service.InvitePerson(q.ctx, berth.Invitation{Name: strings.TrimSpace(q.form("name")), Role: berth.Role(q.form("role")), Project: q.path("project")})
	q.once = link.URL
	return "", err
}

func changeRole(q *query) (string, error) {
	_, err := q.service.SetPersonRole(q.ctx, q.path("person"), berth.Role(q.form("role")))
	return "/people?done=role", err
}

func removePerson(q *query) (string, error) {
	return "/people?done=person", q.service.RemovePerson(q.ctx, q.path("person"))
}

// membersPage is who may see a project, and what they may do there.
func membersPage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Members(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "People of " + project.Name, place: p, cli: "berth member ls " + project.Name, still: members(q, p, list)}, nil
}

func putMember(q *query) (string, error) {
	_, err := q.service.PutMember(q.ctx, q.path("project"), strings.TrimSpace(q.form("name")), berth.Role(q.form("role")))
	return "/projects/" + q.path("project") + "/people?done=role", err
}

func removeMember(q *query) (string, error) {
	return "/projects/" + q.path("project") + "/people?done=person", q.service.DeleteMember(q.ctx, q.path("project"), q.form("name"))
}

// profilePage is how the caller comes in: logins, password, tokens, SSH keys.
func profilePage(q *query) (screen, error) {
	var shown profileShown
	var err error
	if shown.logins, err = q.service.Logins(q.ctx); err != nil {
		return screen{}, err
	}
	if shown.tokens, err = q.service.Tokens(q.ctx); err != nil {
		return screen{}, err
	}
	if shown.keys, err = q.service.Keys(q.ctx, ""); err != nil {
		return screen{}, err
	}
	return screen{title: "Profile", place: place{role: q.caller.Role, tab: "/profile"}, cli: "berth whoami", still: profile(q, shown)}, nil
}

// profileShown is what a person has.
type profileShown struct {
	logins []berth.Login
	tokens []berth.Token
	keys   []berth.SSHKey
}

func endLogin(q *query) (string, error) {
	return "/profile?done=ended", q.service.DeleteLogin(q.ctx, berth.ID(q.path("id")))
}

func endOtherLogins(q *query) (string, error) {
	return "/profile?done=ended", q.service.DeleteOtherLogins(q.ctx)
}

func changePassword(q *query) (string, error) {
	return "/profile?done=password", q.service.ChangePassword(q.ctx, berth.NewSecret(q.form("before")), berth.NewSecret(q.form("password")))
}

// createToken shows a token's secret in the answer to this one form.
func createToken(q *query) (string, error) {
	n := berth.NewToken{Name: strings.TrimSpace(q.form("name")), Role: berth.Role(q.form("role"))}
	if q.form("year") != "" {
		n.TTL = 365 * 24 * time.Hour
	}
	_, secret, err := q.service.CreateToken(q.ctx, n)
	q.once = secret
	return "", err
}

func deleteToken(q *query) (string, error) {
	return "/profile?done=ended", q.service.DeleteToken(q.ctx, berth.ID(q.path("id")))
}

func addKey(q *query) (string, error) {
	_, err := q.service.AddKey(q.ctx, "", strings.TrimSpace(q.form("name")), q.form("key"))
	return "/profile?done=key", err
}

func deleteKey(q *query) (string, error) {
	return "/profile?done=ended", q.service.DeleteKey(q.ctx, "", q.form("name"))
}

// memberships are a person's projects, in a line.
func memberships(p berth.PersonInfo) string {
	var parts []string
	for _, m := range p.Memberships {
		parts = append(parts, string(m.Role)+" of "+m.Project)
	}
	return strings.Join(parts, ", ")
}

func personURL(name, verb string) string { return "/people/" + url.PathEscape(name) + "/" + verb }
