package berth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/berth-dev/berth"

// house is every package and its floor. A package imports lower floors only; its own sub-packages
// (and they it) are excepted. planned marks a package that an issue will bring.
var house = []struct {
	path    string
	floor   int
	planned bool
}{
	{path: ".", floor: 0},

	{path: "agentwire", floor: 1},
	{path: "apiwire", floor: 1},
	{path: "build", floor: 1},
	{path: "chart", floor: 1},
	{path: "diagnosis", floor: 1},
	{path: "docs/guide", floor: 1},
	{path: "engine", floor: 1},
	{path: "keylock", floor: 1},
	{path: "packages", floor: 1},
	{path: "params", floor: 1},
	{path: "plan", floor: 1},
	{path: "proxy", floor: 1},
	{path: "stackfile", floor: 1},
	{path: "stackfile/proposal", floor: 1},

	{path: "buildkit", floor: 2},
	{path: "certs", floor: 2},
	{path: "certs/certstest", floor: 2},
	{path: "docker", floor: 2},
	{path: "engine/enginetest", floor: 2},
	{path: "engine/enginetest/program", floor: 2},
	{path: "engine/fake", floor: 2},
	{path: "forge", floor: 2},
	{path: "git", floor: 2},
	{path: "images", floor: 2},
	{path: "kube", floor: 2, planned: true},
	{path: "logs", floor: 2},
	{path: "machine", floor: 2},
	{path: "mail", floor: 2},
	{path: "metrics", floor: 2, planned: true},
	{path: "requestlog", floor: 2},
	{path: "sqlite", floor: 2},
	{path: "vault", floor: 2},
	{path: "volume", floor: 2},

	{path: "control", floor: 3},
	{path: "ingress", floor: 3},
	{path: "reconciler", floor: 3},
	{path: "reconciler/builds", floor: 3},
	{path: "reconciler/deployments", floor: 3},
	{path: "reconciler/disk", floor: 3},
	{path: "reconciler/idle", floor: 3},
	{path: "reconciler/migration", floor: 3},
	{path: "reconciler/garbage", floor: 3},
	{path: "reconciler/release", floor: 3},
	{path: "reconciler/saved", floor: 3},
	{path: "session", floor: 3},

	{path: "api", floor: 4},
	{path: "client", floor: 4},
	{path: "core", floor: 4},
	{path: "githttp", floor: 4},
	{path: "hooks", floor: 4},
	{path: "sshd", floor: 4},
	{path: "truststore", floor: 4},
	{path: "ui", floor: 4},
	{path: "welcome", floor: 4},

	{path: "daemon", floor: 5},
	{path: "install", floor: 5}, // beside the server, which may be broken: it looks after it from outside

	{path: "bench", floor: 6},
	{path: "cmd/berth", floor: 6},
	{path: "cmd/berth-agent", floor: 6},
	{path: "e2e", floor: 6},
	{path: "engine/enginetest/testprogram", floor: 6},
}

// forbidden are imports within the module that the floors alone would allow.
var forbidden = []struct {
	from   string // prefix of a path; "floor n" for a whole floor
	to     string
	except []string
	why    string
}{
	{from: "floor 3", to: "floor 2", why: "verbs, loops and streams declare the interfaces they need; daemon hands the values in"},
	{from: "floor 4", to: "floor 3", why: "what faces people speaks berth.Service, so that server and client keep one contract"},
	{from: "floor 4", to: "floor 2", why: "what faces people speaks berth.Service, so that server and client keep one contract"},
	{from: "floor 4", to: "floor 1", except: []string{"agentwire", "apiwire"}, why: "what faces people needs the wire formats and nothing else of the lower floors"},
	{from: "cmd/berth-agent", to: "floor 2", why: "the helper runs in every deployment: it is small and knows the wire only"},
	{from: "cmd/berth-agent", to: "daemon", why: "the helper runs in every deployment: it is small and knows the wire only"},
	{from: "cmd/berth", to: "floor 2", why: "a verb goes through the client; serve goes through daemon, and what looks after the machine through install"},
	{from: "cmd/berth", to: "floor 3", why: "a verb goes through the client; serve goes through daemon, and what looks after the machine through install"},
	{from: "daemon", to: "engine/fake", why: "the fake engine is for tests"},
	{from: "daemon", to: "engine/enginetest", why: "the conformance suite is for tests"},
}

// fences are outside packages that only a few of ours may import.
var fences = []struct {
	outside string // prefix of an import path
	ours    []string
	why     string
}{
	{"database/sql", []string{"sqlite"}, "there is one store, and only it knows that it is SQL"},
	{"filippo.io/age", []string{"vault"}, "secrets are sealed in one place"},
	{"github.com/a-h/templ", []string{"ui"}, "pages are rendered in one place"},
	{"github.com/caddyserver/certmagic", []string{"certs"}, "certificates are issued in one place"},
	{"github.com/coder/websocket", []string{"api", "client", "ui"}, "streams of the API and terminals of the console are the only WebSockets that we end ourselves"},
	{"github.com/creack/pty", []string{"cmd/berth-agent"}, "terminals are made where the program runs"},
	{"github.com/danielgtaylor/huma", []string{"api"}, "only the HTTP API knows its framework"},
	{"github.com/emersion/go-smtp", []string{"core"}, "mail is taken from containers in one place"},
	{"github.com/goccy/go-yaml", []string{"stackfile"}, "project and package files are read in one place"},
	{"github.com/klauspost/compress", []string{"proxy"}, "answers are compressed in one place"},
	{"github.com/mholt/acmez", []string{"certs"}, "certificates are issued in one place"},
	{"github.com/miekg/dns", []string{"cmd/berth-agent"}, "names are served by the helper alone"},
	{"github.com/moby/buildkit", []string{"buildkit"}, "the builder is a seam"},
	{"github.com/moby/moby", []string{"docker", "buildkit"}, "the engine is a seam"},
	{"github.com/pkg/sftp", []string{"cmd/berth-agent"}, "files are served where they are"},
	{"github.com/pressly/goose", []string{"sqlite"}, "migrations belong to the store"},
	{"github.com/spf13/cobra", []string{"cmd/berth"}, "flags end at the command line"},
	{"github.com/vishvananda/netns", []string{"docker"}, "who dials asks the engine"},
	{"go.uber.org/zap", []string{"certs"}, "we log with slog; certmagic wants a logger of this kind to be quiet"},
	{"golang.org/x/crypto/argon2", []string{"control"}, "persons' passwords are hashed in one place, one at a time"},
	{"golang.org/x/crypto/ssh", []string{"sshd", "forge"}, "only the SSH gateway speaks SSH; forge encodes keys for the OpenSSH client"},
	{"helm.sh/helm", []string{"chart"}, "charts are rendered in one place"},
	{"k8s.io/api/", []string{"chart", "engine", "docker", "kube"}, "Kubernetes objects stay between charts and engines; above pass F0 values and masked text"},
	{"k8s.io/apimachinery", []string{"chart", "engine", "docker", "kube"}, "Kubernetes objects stay between charts and engines; above pass F0 values and masked text"},
	{"k8s.io/client-go", []string{"kube"}, "only that engine talks to a cluster; helm drags it in, nobody else needs it"},
	{"modernc.org/sqlite", []string{"sqlite"}, "there is one store"},
	{"sigs.k8s.io", []string{"chart", "kube"}, "Kubernetes objects stay between charts and engines"},
}

// namesThatSayNothing may not name a package.
var namesThatSayNothing = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "shared", "base", "lib"}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	path         string // within the module; "." for its root
}

// listPackages asks go list once. A package that does not compile is the compiler's to name, hence -e.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-tags", "docker,e2e",
		"-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.path = within(p.ImportPath)
		all = append(all, p)
	}
}

// within returns an import path's place in the module, "" when it is outside.
func within(importPath string) string {
	if importPath == module {
		return "."
	}
	rest, inside := strings.CutPrefix(importPath, module+"/")
	if !inside {
		return ""
	}
	return rest
}

func floorOf(path string) (floor int, known bool) {
	for _, row := range house {
		if row.path == path {
			return row.floor, true
		}
	}
	return 0, false
}

// family reports whether one of two packages is the other or lies within it.
func family(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

func TestArchitecture(t *testing.T) {
	all := listPackages(t)
	for _, rule := range []struct {
		name  string
		check func(*testing.T, []pkg)
	}{
		{"every package has its place in the house", everyPackageHasItsPlace},
		{"packages import lower floors only", importsGoDown},
		{"tests import lower floors and their own", testImportsGoDown},
		{"outside packages stay behind their fences", fencesHold},
		{"the ground floor needs the standard library only", groundFloorIsPlain},
		{"testing stays out of production", testingStaysOut},
		{"names of packages say something", namesSaySomething},
		{"every package has exactly one package comment", onePackageComment},
		{"nothing happens at import: no init functions", noInit},
		{"package-level variables are tables, patterns and errors, and never change", noMutableGlobals},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, all) })
	}
}

func everyPackageHasItsPlace(t *testing.T, all []pkg) {
	for _, p := range all {
		if _, known := floorOf(p.path); !known {
			t.Errorf("%s is not in the house: give it a floor in arch_test.go", p.path)
		}
	}
	for _, row := range house {
		exists := slices.ContainsFunc(all, func(p pkg) bool { return p.path == row.path })
		switch {
		case exists && row.planned:
			t.Errorf("%s exists: remove its mark \"planned\" in arch_test.go", row.path)
		case !exists && !row.planned:
			t.Errorf("%s does not exist: remove its row in arch_test.go, or mark it planned", row.path)
		}
	}
}

func importsGoDown(t *testing.T, all []pkg) {
	for _, p := range all {
		for _, imported := range p.Imports {
			to := within(imported)
			if to == "" || p.path == "." || to != "." && family(p.path, to) {
				continue
			}
			from, _ := floorOf(p.path)
			if floor, known := floorOf(to); known && floor >= from {
				t.Errorf("%s (F%d) imports %s (F%d): a package imports lower floors only", p.path, from, to, floor)
			}
			checkForbidden(t, p.path, from, to)
		}
	}
}

func checkForbidden(t *testing.T, path string, floor int, to string) {
	t.Helper()
	matches := func(pattern, path string, floor int) bool {
		if n, isFloor := strings.CutPrefix(pattern, "floor "); isFloor {
			return n == string(rune('0'+floor))
		}
		return path == pattern || strings.HasPrefix(path, pattern+"/")
	}
	toFloor, _ := floorOf(to)
	for _, rule := range forbidden {
		if matches(rule.from, path, floor) && matches(rule.to, to, toFloor) && !slices.Contains(rule.except, to) {
			t.Errorf("%s imports %s: %s", path, to, rule.why)
		}
	}
}

// testImportsGoDown: tests may also use the fake engine and the conformance suite, whatever their floor,
// tests of F2 their neighbours, and tests of F4 the other side of the wire.
func testImportsGoDown(t *testing.T, all []pkg) {
	for _, p := range all {
		from, _ := floorOf(p.path)
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			to := within(imported)
			if to == "" || to == "." || family(p.path, to) || strings.HasPrefix(to, "engine/") {
				continue
			}
			floor, known := floorOf(to)
			if neighbours := from == floor && (from == 2 || from == 4); known && floor >= from && !neighbours {
				t.Errorf("tests of %s (F%d) import %s (F%d)", p.path, from, to, floor)
			}
		}
	}
}

func fencesHold(t *testing.T, all []pkg) {
	for _, p := range all {
		for _, fence := range fences {
			inside := slices.ContainsFunc(fence.ours, func(ours string) bool {
				return p.path == ours || strings.HasPrefix(p.path, ours+"/")
			})
			for _, imported := range p.Imports {
				if !inside && strings.HasPrefix(imported, fence.outside) {
					t.Errorf("%s imports %s: %s", p.path, imported, fence.why)
				}
			}
		}
	}
}

func groundFloorIsPlain(t *testing.T, all []pkg) {
	for _, p := range all {
		for _, imported := range p.Imports {
			if first, _, _ := strings.Cut(imported, "/"); p.path == "." && strings.Contains(first, ".") {
				t.Errorf("the ground floor imports %s: everything stands on it, so it stands on nothing", imported)
			}
		}
	}
}

func testingStaysOut(t *testing.T, all []pkg) {
	for _, p := range all {
		if p.path != "engine/enginetest" && slices.Contains(p.Imports, "testing") {
			t.Errorf("%s imports testing outside its tests", p.path)
		}
	}
}

func namesSaySomething(t *testing.T, all []pkg) {
	for _, p := range all {
		for _, part := range strings.Split(p.path, "/") {
			if slices.Contains(namesThatSayNothing, part) {
				t.Errorf("%s: %q says nothing about what is in it", p.path, part)
			}
		}
	}
}

// parse reads a package's production files.
func (p pkg) parse(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return set, files
}

func onePackageComment(t *testing.T, all []pkg) {
	for _, p := range all {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		_, files := p.parse(t)
		var texts []string
		for _, f := range files {
			if f.Doc != nil {
				texts = append(texts, f.Doc.Text())
			}
		}
		if len(texts) != 1 {
			t.Errorf("%s has %d package comments, want one", p.path, len(texts))
			continue
		}
		begins := "Package " + p.Name + " "
		if p.Name == "main" {
			begins = "Command " + filepath.Base(p.Dir) + " "
		}
		if !strings.HasPrefix(texts[0], begins) {
			t.Errorf("%s: its package comment begins with %.30q, want %q", p.path, texts[0], begins)
		}
	}
}

func noInit(t *testing.T, all []pkg) {
	for _, p := range all {
		set, files := p.parse(t)
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: init: construct it where it is needed", set.Position(fn.Pos()))
				}
			}
		}
	}
}

func noMutableGlobals(t *testing.T, all []pkg) {
	for _, p := range all {
		set, files := p.parse(t)
		globals := map[string]*ast.ValueSpec{}
		for _, f := range files {
			for _, spec := range variables(f) {
				for i, name := range spec.names {
					if name.Name == "_" {
						continue
					}
					globals[name.Name] = spec.ValueSpec
					if !spec.embedded && !fixed(spec.Values, i) {
						t.Errorf("%s: %s is a package-level variable: hand it to who needs it", set.Position(name.Pos()), name.Name)
					}
				}
			}
		}
		for _, f := range files {
			for _, changed := range changes(f, globals) {
				t.Errorf("%s: %s is package-level and changes here", set.Position(changed.Pos()), changed.Name)
			}
		}
	}
}

type variable struct {
	*ast.ValueSpec
	names    []*ast.Ident
	embedded bool
}

// variables are a file's package-level ones.
func variables(f *ast.File) (out []variable) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			out = append(out, variable{spec, spec.Names, isEmbed(g.Doc) || isEmbed(spec.Doc)})
		}
	}
	return out
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// makers are functions whose results nobody can change.
var makers = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "netip.MustParsePrefix",
	"netip.MustParseAddr", "berth.Errorf", "filepath.Join", "netip.AddrPortFrom", "netip.AddrFrom4", "template.Must", "reflect.TypeFor",
}

// fixed reports whether the i-th initial value is a table, a pattern, an error or a plain value.
func fixed(values []ast.Expr, i int) bool {
	if i >= len(values) {
		return false
	}
	switch v := values[i].(type) {
	case *ast.CompositeLit, *ast.BasicLit, *ast.FuncLit:
		return true
	case *ast.UnaryExpr:
		_, table := v.X.(*ast.CompositeLit)
		return table
	case *ast.CallExpr:
		return slices.Contains(makers, callee(v.Fun))
	}
	return false
}

func callee(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return callee(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return callee(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// changes are the places where a file assigns to, deletes from or takes the address of a package-level variable.
func changes(f *ast.File, globals map[string]*ast.ValueSpec) (out []*ast.Ident) {
	note := func(e ast.Expr) {
		if id := root(e); id != nil && isGlobal(id, globals) {
			out = append(out, id)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, left := range n.Lhs {
					note(left)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X)
			}
		case *ast.CallExpr:
			if name := callee(n.Fun); (name == "delete" || name == "clear") && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}
		return true
	})
	return out
}

// root is the variable behind x, x[i], x.f, *x.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}

// isGlobal tells a package-level variable from a local one of its name: the parser resolves names within
// a file, so one that it did not resolve, or that it resolved to the declaration, is the package's.
func isGlobal(id *ast.Ident, globals map[string]*ast.ValueSpec) bool {
	spec, known := globals[id.Name]
	if !known {
		return false
	}
	if id.Obj == nil { //nolint:staticcheck // go/types would have to load all imports
		return true
	}
	return id.Obj.Decl == spec //nolint:staticcheck // as above
}
