package api_test

import (
	"net/http"
	"testing"

	"github.com/berth-dev/berth"
)

// needs is the least role that each route asks for, on the project that its path names, else on the server. It says
// the same as the table of control, from outside; what sends a secret is asked with one.
var needs = map[berth.Role][]string{
	berth.RoleNone: {
		"GET /ca",
		"GET /deployments",
		"GET /events",
		"POST /login-links",
		"DELETE /logins",
		"GET /logins",
		"DELETE /logins/{login}",
		"GET /keys",
		"POST /keys",
		"DELETE /keys/{key}",
		"GET /packages",
		"GET /packages/{package}",
		"PUT /password",
		"GET /projects",
		"GET /tokens",
		"POST /tokens",
		"DELETE /tokens/{token}",
		"GET /whoami",
	},
	berth.RoleViewer: {
		"GET /build-cache",
		"GET /deployments/{deployment}",
		"GET /deployments/{deployment}/builds",
		"GET /deployments/{deployment}/builds/{build}/log",
		"GET /deployments/{deployment}/describe",
		"GET /deployments/{deployment}/domains",
		"GET /deployments/{deployment}/environment",
		"GET /deployments/{deployment}/events",
		"GET /deployments/{deployment}/hook",
		"GET /deployments/{deployment}/hosts",
		"GET /deployments/{deployment}/logs",
		"GET /deployments/{deployment}/plan",
		"GET /deployments/{deployment}/releases",
		"GET /deployments/{deployment}/requests",
		"GET /persons",
		"GET /projects/{project}",
		"GET /projects/{project}/domains",
		"GET /projects/{project}/environment",
		"GET /projects/{project}/file",
		"GET /projects/{project}/hook",
		"GET /projects/{project}/members",
		"GET /projects/{project}/origin",
		"GET /storage",
	},
	berth.RoleDeveloper: {
		"PATCH /deployments/{deployment}",
		"POST /deployments/{deployment}/apply",
		"PATCH /deployments/{deployment}/branch",
		"POST /deployments/{deployment}/builds/{build}/cancel",
		"POST /deployments/{deployment}/domains",
		"DELETE /deployments/{deployment}/domains/{domain}",
		"POST /deployments/{deployment}/domains/{domain}/check",
		"POST /deployments/{deployment}/environment/{element}/unset",
		"GET /deployments/{deployment}/exec",
		"POST /deployments/{deployment}/hosts/open",
		"POST /deployments/{deployment}/hosts/protect",
		"POST /deployments/{deployment}/hosts/rename",
		"GET /deployments/{deployment}/mail",
		"GET /deployments/{deployment}/mail/{mail}",
		"POST /deployments/{deployment}/promote",
		"POST /deployments/{deployment}/rebuild",
		"POST /deployments/{deployment}/releases",
		"POST /deployments/{deployment}/restart",
		"POST /deployments/{deployment}/rollback",
		"PATCH /deployments/{deployment}/rest",
		"POST /deployments/{deployment}/sleep",
		"POST /deployments/{deployment}/start",
		"POST /deployments/{deployment}/stop",
		"POST /projects",
		"POST /projects/{project}/deployments",
		"POST /projects/{project}/domains",
		"DELETE /projects/{project}/domains/{domain}",
		"POST /projects/{project}/domains/{domain}/check",
		"POST /projects/{project}/environment/unset",
		"PUT /projects/{project}/file",
		"POST /projects/{project}/file/proposal",
		"PUT /projects/{project}/repository",
		"GET /registries",
	},
	berth.RoleOwner: {
		"DELETE /deployments/{deployment}",
		"PATCH /deployments/{deployment}/environment/{element}",
		"POST /deployments/{deployment}/environment/{element}/reveal",
		"DELETE /deployments/{deployment}/hook",
		"POST /deployments/{deployment}/hook",
		"DELETE /deployments/{deployment}/volumes/{element}/{volume}",
		"GET /metrics",
		"POST /persons",
		"DELETE /persons/{person}",
		"PATCH /persons/{person}",
		"DELETE /projects/{project}",
		"PATCH /projects/{project}",
		"PATCH /projects/{project}/branches",
		"POST /projects/{project}/hook",
		"DELETE /projects/{project}/members/{person}",
		"PATCH /projects/{project}/environment",
		"PUT /projects/{project}/members/{person}",
		"PUT /projects/{project}/origin",
		"DELETE /registries",
		"POST /registries",
		"POST /storage/migrate",
	},
}

// TestEveryRouteAsksForItsRole walks every route as everybody: what a role is not enough for is refused, and what it
// is enough for is not. A route without a row in needs fails.
func TestEveryRouteAsksForItsRole(t *testing.T) {
	least := map[string]berth.Role{}
	for role, patterns := range needs {
		for _, p := range patterns {
			least[p] = role
		}
	}
	for _, role := range []berth.Role{berth.RoleNone, berth.RoleViewer, berth.RoleDeveloper, berth.RoleOwner} {
		t.Run("role "+string(role), func(t *testing.T) {
			s := newServer(t)
			d, build, token := s.somebodysProject(t)
			names := somebodys(d, build, token)
			_, secret := s.person(t, "walker", role)
			list := routes(t, s, func(p string) string { return names[p] })
			if len(list) != len(least) {
				t.Errorf("there are %d routes, and %d are said what they need", len(list), len(least))
			}
			for _, r := range list {
				if r.pattern == "DELETE /registries" {
					r.path += "?host=ghcr.io"
				}
				need, said := least[r.pattern]
				got := s.do(t, r, secret)
				refused := got.status == http.StatusForbidden || got.status == http.StatusNotFound && role == berth.RoleNone
				switch {
				case !said:
					t.Errorf("%s has no row in needs", r.pattern)
				case !role.Includes(need) && !refused && r.pattern != "GET /deployments/{deployment}/exec": // refused once it is open
					t.Errorf("%s: %d %s, which is for %s", r.pattern, got.status, got.body, need)
				case role.Includes(need) && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized):
					t.Errorf("%s: %d %s, though %s is enough", r.pattern, got.status, got.body, need)
				}
			}
		})
	}
}
