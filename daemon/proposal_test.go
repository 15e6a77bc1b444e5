package daemon

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/stackfile"
)

// everything is a repository with a service for each add-on, one component for each language, and a
// variable for everything that a proposal can import.
var everything = map[string]string{
	"compose.yaml": `services:
  pg: {image: postgres}
  my: {image: mysql}
  kv: {image: redis}
  files: {image: minio/minio}
  other: {image: nginx}
  a:
    build: a
    ports: ["1:1"]
    environment: [PGHOST=pg, PGPORT=1, PGUSER=x, PGPASSWORD=x, PGDATABASE=x, "POSTGRES_URL=postgres://pg/x", MYSQL_HOST=my, MYSQL_PORT=1, MYSQL_USER=x,
      MYSQL_PASSWORD=x, MYSQL_DATABASE=x, "MYSQL_URL=mysql://my/x", REDIS_HOST=kv, REDIS_PORT=1, REDIS_USERNAME=x, REDIS_PASSWORD=x, "REDIS_URL=redis://kv",
      S3_HOST=files, S3_PORT=1, S3_ACCESS_KEY=x, S3_SECRET_KEY=x, S3_BUCKET=x, S3_REGION=x, "S3_ENDPOINT=http://files:9000"]
`,
	"a/Dockerfile":   "FROM scratch",
	"n/package.json": `{"scripts": {"start": "node x.js"}}`, "x/package.json": `{"dependencies": {"next": "1"}}`,
	"v/package.json": `{"dependencies": {"vite": "1"}}`, "v/index.html": "", "p/requirements.txt": "flask", "site/index.html": "",
	"g/go.mod": "module x", "g/main.go": "package main",
}

// mapTree is a commit made of a map.
type mapTree struct{ fstest.MapFS }

func (t mapTree) List(dir string) (names []string, err error) {
	entries, err := fs.ReadDir(t, strings.TrimPrefix("./"+dir, "./")+map[bool]string{true: "."}[dir == ""])
	for _, e := range entries {
		names = append(names, e.Name()+map[bool]string{true: "/"}[e.IsDir()])
	}
	return names, err
}

func (t mapTree) Read(name string, _ int64) ([]byte, error) { return fs.ReadFile(t, name) }

// TestProposalsFitTheCatalogue: a proposal names packages that there are, and imports what they have.
func TestProposalsFitTheCatalogue(t *testing.T) {
	tree := mapTree{fstest.MapFS{}}
	for name, text := range everything {
		tree.MapFS[name] = &fstest.MapFile{Data: []byte(text)}
	}
	text, _, err := propose(tree)
	if err != nil {
		t.Fatal(err)
	}
	project, _, err := stackfile.ParseProject("diploi.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	parameters, proposed := map[string][]string{}, map[string]bool{}
	for _, e := range project.Elements() {
		proposed[e.Package.Name] = true
		parameters[e.Identifier] = parametersOf(t, e)
	}
	if len(proposed) != 12 {
		t.Errorf("%d packages are proposed in\n%s", len(proposed), text)
	}
	imports := 0
	for _, e := range project.Elements() {
		for _, i := range e.Includes {
			from, name, _ := strings.Cut(i.Path, ".")
			imports++
			if known := parameters[from]; known != nil && !slices.Contains(known, name) {
				t.Errorf("%s is imported; %s has %v", i.Path, from, known)
			}
		}
	}
	if imports < 24 {
		t.Errorf("%d imports in\n%s", imports, text)
	}
}

// parametersOf are those of the element's package.
func parametersOf(t *testing.T, e stackfile.Element) (names []string) {
	t.Helper()
	name := e.Package.Name
	data, err := fs.ReadFile(packages.FS(), name+"/diploi.yaml")
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	pkg, _, err := stackfile.ParsePackage(name, data)
	if err != nil {
		t.Fatal(err)
	}
	if pkg.Type != e.Kind {
		t.Errorf("%s is a %s, and is proposed as a %s", name, pkg.Type, e.Kind)
	}
	names = []string{}
	for _, g := range pkg.ParameterGroups {
		for _, p := range g.Parameters {
			names = append(names, p.Identifier)
		}
	}
	return names
}
