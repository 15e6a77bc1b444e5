package release_test

import (
	"context"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

const (
	ownPackage = "diploiVersion: v1.0\ntype: component\nname: Mine\nhosts:\n  - {name: App, identifier: app, port: 4000}\nimages:\n  - identifier: app\n"
	ownChart   = `apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
        - {name: app, image: "{{ .Values.images.app }}"}
`
)

func mine(ref string) string {
	return head + "  - {name: Web, identifier: web, package: " + ref + "}\n"
}

func TestAPackageComesFromTheCatalogueOrTheProjectItself(t *testing.T) {
	own := []string{"pkg/diploi.yaml", ownPackage, "pkg/Dockerfile", from, "pkg/.diploi/helm/app.yaml", ownChart}
	for name, c := range map[string]struct {
		files   []string
		message []string // of the failure; nil: the release goes on to build
	}{
		"of the catalogue":               {[]string{"diploi.yaml", mine("nodejs")}, nil},
		"of the project":                 {append([]string{"diploi.yaml", mine("./pkg")}, own...), nil},
		"unknown to the catalogue":       {[]string{"diploi.yaml", mine("nodjs")}, []string{`no built-in package "nodjs"`, "berth package ls"}},
		"a folder that is not there":     {[]string{"diploi.yaml", mine("./other")}, []string{"./other", "no folder"}},
		"a folder that is no package":    {[]string{"diploi.yaml", mine("./pkg"), "pkg/Dockerfile", from}, []string{"./pkg", "no diploi.yaml"}},
		"a file of a package that fails": {[]string{"diploi.yaml", mine("./pkg"), "pkg/diploi.yaml", "type: compnent\n"}, []string{"./pkg/diploi.yaml"}},
		"at a Git URL":                   {[]string{"diploi.yaml", mine(away + "#v1")}, nil},
		"at a Git URL without a package": {[]string{"diploi.yaml", mine(away + "#bare")}, []string{"diploi.yaml:3: package " + away + "#bare", "no diploi.yaml"}},
		"at a ref that is not there":     {[]string{"diploi.yaml", mine(away + "#v9")}, []string{"diploi.yaml:3: package " + away + "#v9: there is no v9"}},
		"at a private Git URL":           {[]string{"diploi.yaml", mine("https://example.com/private")}, []string{"diploi.yaml:3: package https://example.com/private", "private", "./path"}},
		"at a Git URL, and it fails":     {[]string{"diploi.yaml", mine(away + "#wrong")}, []string{away + "#wrong/diploi.yaml:1"}},
		"of the wrong type":              {[]string{"diploi.yaml", mine("postgres")}, []string{"diploi.yaml:3", "postgres is a addon"}},
		"no project file":                {[]string{"README.md", ""}, []string{"no diploi.yaml at its root"}},
		"a project file that fails":      {[]string{"diploi.yaml", "components: ["}, []string{"diploi.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1", c.files...)
			r := b.prepare(prod, b.ask(prod, "c1"))
			if c.message != nil {
				b.wantFailed(r, c.message...)
				return
			}
			if r.State != berth.ReleaseBuilding {
				t.Errorf("the release is %s: %q", r.State, r.Message)
			}
		})
	}
}

func TestTheProjectsOwnPackageIsRendered(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", mine("./pkg"), "pkg/diploi.yaml", ownPackage, "pkg/Dockerfile", from, "pkg/.diploi/helm/app.yaml", ownChart)
	e := element(b.complete(prod, "c1"), "web")
	if e.Workloads["app"] != 1 || !strings.Contains(string(e.Objects), e.Image) {
		t.Errorf("workloads %v, objects %s", e.Workloads, e.Objects)
	}
}

const away = "https://example.com/p.git"

// mirrors are the packages elsewhere: files by commit, commits by ref.
type mirrors struct {
	trees
	refs map[string]string
}

func newMirrors() mirrors {
	whole := map[string]string{"diploi.yaml": ownPackage, "Dockerfile": from, ".diploi/helm/app.yaml": ownChart, "src/index.js": "code to start from"}
	return mirrors{
		trees: trees{"p1": whole, "p2": whole, "p3": {"README.md": ""}, "p4": {"diploi.yaml": "type: compnent\n"}},
		refs:  map[string]string{"v1": "p1", "bare": "p3", "wrong": "p4", "p1": "p1", "p2": "p2"},
	}
}

func (m mirrors) FetchCommit(_ context.Context, _ berth.ID, origin berth.Upstream, ref string) (string, error) {
	if origin.URL != away {
		return "", &berth.Error{Code: berth.EInvalid, Message: "no", Err: berth.ErrRefused}
	}
	if m.refs[ref] == "" {
		return "", berth.Errorf(berth.ENotFound, "there is no %s", ref)
	}
	return m.refs[ref], nil
}

func TestAPackageElsewhereChangesWithADeploymentOnly(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", mine(away+"#v1"))
	packageOf := func(id berth.ID) (commit string) {
		b.view(func(tx *sqlite.Tx) (err error) {
			commit, _, err = tx.PackageCommit(id, away+"#v1")
			return err
		})
		return commit
	}
	again := func(cause string) berth.ID {
		r := berth.Release{ID: berth.NewID(), Deployment: prod, State: berth.ReleasePending, Commit: "c1", Cause: cause}
		b.update(func(tx *sqlite.Tx) error { _, err := tx.CreateRelease(r); return err })
		if err := b.turn(prod); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	first := again("created")
	b.packages.refs["v1"] = "p2"
	if err := b.turn(prod); err != nil { // the same release, after it was begun
		t.Fatal(err)
	}
	for id, want := range map[berth.ID]string{first: "p1", again("restart"): "p1", again("env set"): "p1", again("project env"): "p1", again("saved"): "p1", again("apply"): "p1",
		again("deploy"): "p2"} {
		if got := packageOf(id); got != want {
			t.Errorf("%s: the package is at %s, want %s", b.release(id).Cause, got, want)
		}
	}
}
