package stackfile_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

func parsed(t *testing.T, text string) *stackfile.Project {
	t.Helper()
	p, _, err := stackfile.ParseProject("diploi.yaml", []byte("diploiVersion: v1.0\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	oneWeb  = "components:\n  - {identifier: web, package: nodejs}\n"
	oneDB   = "addons:\n  - {identifier: db, package: postgres}\n"
	webOfDB = "components:\n  - {identifier: web, package: nodejs, env: {include: [db.DATABASE_URL]}}\n"
)

func TestCompareSaysWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct{ old, next, want, additions string }{
		"nothing":                       {oneWeb, oneWeb, "", ""},
		"a comment, an order":           {oneWeb + oneDB, "# new\n" + oneDB + "\n\n" + oneWeb, "", ""},
		"a database":                    {oneWeb, oneWeb + oneDB, "add db", "db"},
		"a database and its import":     {oneWeb, webOfDB + oneDB, "add db, change web (imports)", "db"},
		"what somebody waits for":       {webOfDB, webOfDB + oneDB, "add db, change web (imports from db, which is new)", ""},
		"a database goes":               {webOfDB + oneDB, oneWeb, "change web (imports), remove db", ""},
		"one that is imported goes":     {webOfDB + oneDB, webOfDB, "change web (imports from db, which goes), remove db", ""},
		"another name":                  {oneWeb + oneDB, oneWeb + strings.ReplaceAll(oneDB, "db", "database"), "add database, remove db", ""},
		"a wildcard of everything":      {"components:\n  - {identifier: web, package: nodejs, env: {include: ['*']}}\n", "components:\n  - {identifier: web, package: nodejs, env: {include: ['*']}}\n" + oneDB, "add db, change web (imports from db, which is new)", ""},
		"a wildcard of somebody else":   {"components:\n  - {identifier: web, package: nodejs, env: {include: ['dbx.*']}}\n", "components:\n  - {identifier: web, package: nodejs, env: {include: ['dbx.*']}}\n" + oneDB, "add db", "db"},
		"a wildcard in an element name": {"components:\n  - {identifier: web, package: nodejs, env: {include: ['d*']}}\n", "components:\n  - {identifier: web, package: nodejs, env: {include: ['d*']}}\n" + oneDB, "add db, change web (imports from db, which is new)", ""},
		"every part": {oneWeb, `components:
  - identifier: web
    name: Shop
    package: react-vite
    folder: /other
    hosts: []
    containerCommands: {developmentStart: npm run x}
    env: {include: [{name: A, value: secret}]}
    berth: {storage: [{identifier: files, path: /files}], health: {port: 80}}
`, "change web (name, package, folder, hosts, env, containerCommands, storage, health)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := parsed(t, c.old), parsed(t, c.next)
			if got := stackfile.Compare(old, next).String(); got != c.want {
				t.Errorf("plan %q, want %q", got, c.want)
			}
			if got := strings.Join(stackfile.Additions(old, next), " "); got != c.additions {
				t.Errorf("by themselves come %q, want %q", got, c.additions)
			}
		})
	}
}

// randomStack has up to five of eight elements, some of which import from others.
func randomStack(r *rand.Rand) *stackfile.Project {
	p := &stackfile.Project{}
	for _, i := range r.Perm(8)[:r.IntN(6)] {
		name := string(rune('a' + i))
		e := stackfile.Element{Kind: berth.KindComponent, Name: name, Identifier: name, Folder: "/" + name, Pos: stackfile.Position{Line: r.IntN(100)},
			Package: stackfile.PackageRef{Kind: stackfile.PackageBuiltin, Name: []string{"nodejs", "python"}[r.IntN(2)]}}
		if r.IntN(2) == 0 {
			path := []string{"a.X", "b.*", "*", "c*"}[r.IntN(4)]
			e.Includes = []stackfile.Include{{Path: path, Pos: stackfile.Position{Line: r.IntN(100)}}}
		}
		if r.IntN(2) == 0 {
			e.Kind = berth.KindAddon
			p.Addons = append(p.Addons, e)
		} else {
			p.Components = append(p.Components, e)
		}
	}
	return p
}

func identifiersOf(list []berth.Planned) []string {
	names := []string{}
	for _, one := range list {
		names = append(names, one.Element)
	}
	slices.Sort(names)
	return names
}

func TestPropertiesOfPlans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		old, next := randomStack(r), randomStack(r)
		plan := stackfile.Compare(old, next)
		if again := stackfile.Compare(next, next); !again.Empty() {
			t.Fatalf("a stack differs from itself: %s", again)
		}
		back := stackfile.Compare(next, old)
		if !slices.Equal(identifiersOf(plan.Added), identifiersOf(back.Removed)) || !slices.Equal(identifiersOf(plan.Changed), identifiersOf(back.Changed)) {
			t.Fatalf("there %s, back %s", plan, back)
		}
		text, err := old.Encode()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := stackfile.Decode(text)
		if err != nil || !reflect.DeepEqual(stackfile.Compare(stored, next), plan) {
			t.Fatalf("stored and read back the plan is another: %v", err)
		}
		checkAdditions(t, old, next, plan)
	}
}

// checkAdditions: what comes by itself changes and removes nothing, and leaves the rest of the plan to be applied.
func checkAdditions(t *testing.T, old, next *stackfile.Project, plan berth.Plan) {
	t.Helper()
	by := stackfile.Additions(old, next)
	joined := old.With(next, by)
	if step := stackfile.Compare(old, joined); len(step.Changed)+len(step.Removed) > 0 || len(step.Added) != len(by) {
		t.Fatalf("%v came by themselves and did: %s", by, step)
	}
	left := stackfile.Compare(joined, next)
	if len(left.Added) != len(plan.Added)-len(by) || !slices.Equal(identifiersOf(left.Removed), identifiersOf(plan.Removed)) {
		t.Fatalf("of %s, %v came by themselves, and this is left: %s", plan, by, left)
	}
	if again := stackfile.Additions(joined, next); len(again) > 0 && len(by) == 0 {
		t.Fatalf("%v could have come at once", again)
	}
}
