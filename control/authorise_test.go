package control

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/berth-dev/berth"
)

// roles is a Tx that knows memberships only.
type roles struct {
	Tx
	member berth.Role
}

func (r roles) RoleOn(_, _ berth.ID) (berth.Role, error) { return r.member, nil }

// TestAuthoriseTable asks for every verb with every pair of roles: the greater of both counts, on the
// server itself only the server's.
func TestAuthoriseTable(t *testing.T) {
	all := []berth.Role{berth.RoleNone, berth.RoleViewer, berth.RoleDeveloper, berth.RoleOwner}
	for verb, least := range leastRole {
		for _, onServer := range all {
			for _, onProject := range all {
				caller := berth.Caller{Person: "p", Role: onServer}
				for project, want := range map[berth.ID]bool{
					"":  onServer.Includes(least),
					"x": onServer.Includes(least) || onProject.Includes(least),
				} {
					err := authorise(roles{member: onProject}, caller, verb, project)
					if (err == nil) != want || (err != nil && berth.CodeOf(err) != berth.EForbidden) {
						t.Errorf("%q with %q on the server and %q on project %q: %v", verb, onServer, onProject, project, err)
					}
				}
			}
		}
		if err := authorise(roles{member: berth.RoleOwner}, berth.Caller{Role: berth.RoleOwner}, verb, "x"); berth.CodeOf(err) != berth.EUnauthenticated {
			t.Errorf("%q as nobody: %v", verb, err)
		}
	}
	if err := authorise(roles{member: berth.RoleOwner}, berth.Caller{Person: "p", Role: berth.RoleOwner}, "launch rockets", "x"); berth.CodeOf(err) != berth.EForbidden {
		t.Errorf("a verb that is not in the table is allowed: %v", err)
	}
}

// TestEveryVerbIsListed reads the constants, so that a new verb cannot be forgotten in the table.
func TestEveryVerbIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "authorise.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Verb" {
			n++
		}
		return true
	})
	if n != len(leastRole) || n < 20 {
		t.Fatalf("there are %d verbs, and %d in the table", n, len(leastRole))
	}
}
