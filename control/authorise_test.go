package control

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
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
	if n := len(verbNames(t)); n != len(leastRole) || n < 20 {
		t.Fatalf("there are %d verbs, and %d in the table", n, len(leastRole))
	}
}

// verbNames are the constants of the verbs.
func verbNames(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "authorise.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Verb" {
			names = append(names, spec.Names[0].Name)
		}
		return true
	})
	return names
}

// TestEveryVerbIsAsked: a row of the table that nothing asks for protects nothing.
func TestEveryVerbIsAsked(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, name := range files {
		if name == "authorise.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if id, ok := node.(*ast.Ident); ok {
				asked[id.Name] = true
			}
			return true
		})
	}
	for _, name := range verbNames(t) {
		if !asked[name] && name != "StreamRead" && name != "StreamExec" { // which authorise.go asks itself
			t.Errorf("nothing asks for %s", name)
		}
	}
}
