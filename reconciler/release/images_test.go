package release_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

func TestWhichDockerfileCounts(t *testing.T) {
	own := []string{"web/Dockerfile", from}
	ownDev := []string{"web/Dockerfile.dev", from + "# dev\n"}
	for name, c := range map[string]struct {
		of      berth.ID
		pkg     string
		files   []string
		want    string // name; empty: the release fails
		context string // commit
	}{
		"production: one's own":                        {prod, "nodejs", own, "web/Dockerfile", "c1"},
		"production: the package's":                    {prod, "nodejs", nil, "package nodejs/Dockerfile", "c1"},
		"production: never Dockerfile.dev":             {prod, "nodejs", ownDev, "package nodejs/Dockerfile", "c1"},
		"production: nobody has one":                   {prod, "dockerfile", nil, "", ""},
		"development: one's own Dockerfile.dev":        {dev, "nodejs", ownDev, "web/Dockerfile.dev", "c1"},
		"development: the package's Dockerfile.dev":    {dev, "nodejs", own, "package nodejs/Dockerfile.dev", ""},
		"development: one's own Dockerfile at the end": {dev, "dockerfile", own, "web/Dockerfile", "c1"},
		"development: nobody has one":                  {dev, "dockerfile", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1", append([]string{"diploi.yaml", mine(c.pkg)}, c.files...)...)
			id := b.ask(c.of, "c1")
			r := b.prepare(c.of, id)
			if c.want == "" {
				b.wantFailed(r, "web has no Dockerfile", "add one to the folder web")
				return
			}
			rows := b.builds(id)
			if len(rows) != 1 {
				t.Fatalf("%d builds; the release is %s: %q", len(rows), r.State, r.Message)
			}
			if s := b.spec(rows[0]); s.Name != c.want || s.Context != c.context || s.Args["FOLDER"] != "/app/web" {
				t.Errorf("built from %q, context %q, arguments %v", s.Name, s.Context, s.Args)
			}
		})
	}
}

// TestABuildsContextMayBeAFolder: for the element's own Dockerfile only; the package's knows the repository.
func TestABuildsContextMayBeAFolder(t *testing.T) {
	described := func(pkg, context string) string {
		return head + "  - {name: Web, identifier: web, package: " + pkg + ", berth: {context: " + context + "}}\n"
	}
	b := newBench(t)
	b.commit("c1", "diploi.yaml", described("dockerfile", "web"), "web/Dockerfile", from, "web/.dockerignore", "*.log\n", ".dockerignore", "web\n")
	id := b.ask(prod, "c1")
	b.prepare(prod, id)
	if s := b.spec(b.builds(id)[0]); s.Context != "c1" || s.Folder != "web" || string(s.Ignore) != "*.log\n" || s.Name != "web/Dockerfile" {
		t.Errorf("built from %+v", s)
	}
	b.commit("c2", "diploi.yaml", described("nodejs", "web"), "web/package.json", "{}")
	id = b.ask(prod, "c2")
	b.prepare(prod, id)
	if s := b.spec(b.builds(id)[0]); s.Context != "c2" || s.Folder != "" {
		t.Errorf("the package's Dockerfile is built from %+v", s)
	}
	b.commit("c3", "diploi.yaml", described("dockerfile", "/absent"), "web/Dockerfile", from)
	id = b.ask(prod, "c3")
	b.wantFailed(b.prepare(prod, id), "the build context /absent is no folder of the repository")
}

// key returns the key of web's build in a new release of a commit.
func (b *bench) key(of berth.ID, commit string) string {
	b.Helper()
	id := b.ask(of, commit)
	b.prepare(of, id)
	rows := b.builds(id)
	if len(rows) != 1 {
		b.Fatalf("%d builds; the release is %+v", len(rows), b.release(id))
	}
	return rows[0].Key
}

func TestABuildsKeySaysWhatGoesIntoTheImage(t *testing.T) {
	same := []string{"diploi.yaml", head + web, "web/Dockerfile", from}
	static := "  - {name: Web, identifier: web, package: dockerfile, env: {include: [{name: A, value: %s}]}}\n"
	b := newBench(t)
	b.commit("c1", same...)
	first := b.key(prod, "c1")
	if again := b.key(prod, "c1"); again != first {
		t.Error("the same commit has another key the second time")
	}
	for name, files := range map[string][]string{
		"another file":           append([]string{"web/index.js", ""}, same...),
		"another file beside":    append([]string{"shared/index.js", ""}, same...),
		"another Dockerfile":     {"diploi.yaml", head + web, "web/Dockerfile", from + "# x\n"},
		"another argument":       {"diploi.yaml", head + strings.Replace(static, "%s", "b", 1), "web/Dockerfile", from},
		"files that are ignored": {"diploi.yaml", head + web, "web/Dockerfile", from, "web/.dockerignore", "*.log\n"},
	} {
		b.commit(name, files...)
		if b.key(prod, name) == first {
			t.Errorf("%s: the key is the same", name)
		}
	}
	b.commit("another commit of the same", same...)
	if b.key(prod, "another commit of the same") != first {
		t.Error("the commit's name is in the key")
	}
	b = newBench(t)
	b.commit("c1", "diploi.yaml", mine("nodejs"))
	b.commit("c2", "diploi.yaml", mine("nodejs"), "web/index.js", "")
	environment := b.key(dev, "c1")
	if b.key(dev, "c2") != environment {
		t.Error("an environment that takes nothing from the commit is built anew for each")
	}
}

// TestAnElementIsBuiltAnewOnlyForItsOwnChange: of two elements, which are built for a second commit.
func TestAnElementIsBuiltAnewOnlyForItsOwnChange(t *testing.T) {
	base := []string{"diploi.yaml", head + web + api, "web/Dockerfile", from + "COPY . /app\n", "api/Dockerfile", from, "web/index.js", "1", "api/main.go", "1"}
	inFolder := strings.Replace(head+web+api, "package: dockerfile}", "package: dockerfile, berth: {context: web}}", 1)
	for name, c := range map[string]struct {
		first, second []string // beside base; later files take the place of earlier ones
		built         string
	}{
		"its folder":                        {nil, []string{"web/index.js", "2"}, "web"},
		"the other's folder":                {nil, []string{"api/main.go", "2"}, "api"},
		"its Dockerfile":                    {nil, []string{"web/Dockerfile", from}, "web"},
		"what is beside both":               {nil, []string{"shared/x", "2"}, "web api"},
		"what only people read":             {nil, []string{"README.md", "2", ".github/x.yaml", "2", ".gitignore", "x"}, ""},
		"a name that only begins alike":     {nil, []string{"README.go", "2"}, "web api"},
		"the project file":                  {nil, []string{"diploi.yaml", head + web + api + "# more\n"}, ""},
		"an argument":                       {nil, []string{"diploi.yaml", head + strings.Replace(web, "}", ", env: {include: [{name: A, value: b}]}}", 1) + api}, "web"},
		"a folder that a file leads to":     {[]string{"web/tsconfig.json", `{"paths": ["../api/src"]}`}, []string{"api/main.go", "2"}, "web api"},
		"a folder that a path is made of":   {[]string{"web/x.js", `join(dir, "..", "api")`}, []string{"api/main.go", "2"}, "web api"},
		"a folder that an image has":        {[]string{"web/x.js", `open("/app/api/x")`}, []string{"api/main.go", "2"}, "web api"},
		"a folder with a longer name":       {[]string{"web/x.js", `open("../apis/x")`}, []string{"api/main.go", "2"}, "api"},
		"a folder that a Dockerfile names":  {[]string{"web/Dockerfile", from + "COPY api/x /x\n"}, []string{"api/main.go", "2"}, "web api"},
		"a workspace":                       {[]string{"package.json", `{"workspaces": ["*"]}`}, []string{"api/main.go", "2"}, "web api"},
		"a context that is a folder":        {[]string{"diploi.yaml", inFolder, "package.json", "{}"}, []string{"shared/x", "2"}, "api"},
		"a context that is a folder itself": {[]string{"diploi.yaml", inFolder}, []string{"web/x", "2"}, "web"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1aaaaaaaaaa", append(slices.Clone(base), c.first...)...)
			b.commit("c2bbbbbbbbbb", slices.Concat(base, c.first, c.second)...)
			b.complete(prod, "c1aaaaaaaaaa")
			id := b.ask(prod, "c2bbbbbbbbbb")
			r := b.prepare(prod, id)
			var built, kept []string
			for _, row := range b.builds(id) {
				built = append(built, row.Element)
			}
			if got := strings.Join(built, " "); got != c.built {
				t.Fatalf("built %q, want %q; the release is %s: %q", got, c.built, r.State, r.Message)
			}
			for _, e := range []string{"web", "api"} {
				if !slices.Contains(built, e) {
					kept = append(kept, e+" kept: unchanged since c1aaaaaa")
				}
			}
			said := strings.Join(kept, ", ")
			if len(built) > 0 && said != "" && !strings.HasSuffix(r.Step, "building "+c.built+"; "+said) {
				t.Errorf("the step is %q, and does not say %q", r.Step, said)
			}
			b.build(id, 8080)
			if r = b.prepare(prod, id); r.State != berth.ReleaseStarting || r.Commit != "c2bbbbbbbbbb" {
				t.Errorf("the release of %s is %s: %q", r.Commit, r.State, r.Message)
			}
			if told := b.told("release.kept"); said != "" && told != "release 2: "+said || said == "" && told != "" {
				t.Errorf("told %q of kept images, want %q", told, said)
			}
		})
	}
}

// A large folder is searched once, however often a release is looked at.
func TestAFolderIsSearchedOnceForItsContent(t *testing.T) {
	base := []string{"diploi.yaml", head + web + api, "web/Dockerfile", from, "api/Dockerfile", from}
	b := newBench(t)
	b.commit("c1", base...)
	b.complete(prod, "c1")
	b.commit("c2", append(base, "api/x", "")...)
	b.complete(prod, "c2")
	if first, second := b.git["searched"]["c1"], b.git["searched"]["c2"]; len(first) != 2 || len(second) != 1 {
		t.Errorf("searched %d folders of the first commit and %d of the second, want both and then the one that changed", len(first), len(second))
	}
}

// told returns what the events of a kind say of production.
func (b *bench) told(kind string) string {
	b.Helper()
	var said []string
	b.view(func(tx *sqlite.Tx) error {
		all, err := tx.Events(berth.Everything(), prod, 0, 100)
		for _, e := range all {
			if e.Kind == kind {
				said = append(said, e.Message)
			}
		}
		return err
	})
	return strings.Join(said, "\n")
}

// TestAKeyHasTheNamesOfSecretsThatTheDockerfileAsksFor: others come and go without a build.
func TestAKeyHasTheNamesOfSecretsThatTheDockerfileAsksFor(t *testing.T) {
	pin := "  - {name: Web, identifier: web, package: dockerfile, env: {include: [{name: PIN, value: '${generate-random-password:8}'}]}}\n"
	for dockerfile, changes := range map[string]bool{from: false, from + "RUN --mount=type=secret,id=PIN true\n": true} {
		b := newBench(t)
		b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", dockerfile)
		b.commit("c2", "diploi.yaml", head+pin, "web/Dockerfile", dockerfile, "web/x", "")
		b.commit("c3", "diploi.yaml", head+web, "web/Dockerfile", dockerfile, "web/x", "")
		if with, without := b.key(prod, "c2"), b.key(prod, "c3"); (with != without) != changes {
			t.Errorf("%q: a secret that comes changes the key: %v, want %v", dockerfile, with != without, changes)
		}
	}
}

func TestAnImageIsBuiltOnceAndAgainWhenItIsGone(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	image := element(b.complete(prod, "c1"), "web").Image

	id := b.ask(prod, "c1")
	if r := b.prepare(prod, id); r.State != berth.ReleaseStarting || element(r, "web").Image != image || len(b.builds(id)) != 0 {
		t.Errorf("the release is %s with image %s, after %d builds", r.State, element(r, "web").Image, len(b.builds(id)))
	}

	b.images.gone = map[string]bool{image: true}
	id = b.ask(prod, "c1")
	for range 3 {
		b.prepare(prod, id)
	}
	if n := len(b.builds(id)); n != 1 {
		t.Fatalf("%d builds of an image that is gone, want 1", n)
	}
	b.build(id, 8080)
	if r := b.prepare(prod, id); r.State != berth.ReleaseStarting {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}

// A rebuild takes no image that is there, and leaves its own to those that come after it.
func TestARebuildBuildsAllAnew(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	before := element(b.complete(prod, "c1"), "web").Image
	id := berth.NewID()
	b.now = b.now.Add(time.Second)
	b.update(func(tx *sqlite.Tx) error {
		_, err := tx.CreateRelease(berth.Release{ID: id, Deployment: prod, State: berth.ReleasePending, Commit: "c1", Cause: berth.CauseRebuild})
		return err
	})
	b.prepare(prod, id)
	rows := b.builds(id)
	if len(rows) != 1 || !b.spec(rows[0]).NoCache {
		t.Fatalf("builds %+v", rows)
	}
	b.build(id, 8080)
	r := b.prepare(prod, id)
	after := element(r, "web").Image
	if r.State != berth.ReleaseStarting || after == before || len(b.builds(id)) != 1 {
		t.Errorf("the release is %s with image %s after %d builds", r.State, after, len(b.builds(id)))
	}
	next := b.ask(prod, "c1")
	if r := b.prepare(prod, next); element(r, "web").Image != after {
		t.Errorf("the next release runs %s, not what was built anew", element(r, "web").Image)
	}
}

// A build that vanishes with its image right after it succeeded is built anew once, at any clock.
func TestAnImageThatVanishesWithinOneTickIsBuiltOnceMore(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	still := func() {
		b.Helper()
		if _, err := b.loop.Turn(context.Background(), prod); err != nil {
			t.Fatal(err)
		}
	}
	still()
	b.build(id, 8080)
	b.images.gone = map[string]bool{}
	for _, row := range b.builds(id) {
		b.images.gone["sha256:"+row.Key+string(row.ID)] = true
	}
	for range 3 {
		still()
	}
	if n := len(b.builds(id)); n != 2 {
		t.Errorf("%d builds, want the first and one more", n)
	}
}

func TestWaitingForBuildsWritesNothing(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	if r := b.prepare(prod, id); r.State != berth.ReleaseBuilding || r.Step != "building web" {
		t.Fatalf("the release is %s: %q", r.State, r.Step)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := b.store.Subscribe(ctx)
	b.images.err = errors.New("nobody asks for images meanwhile")
	b.prepare(prod, id)
	b.update(func(tx *sqlite.Tx) error {
		return tx.PutSetting(berth.Setting{Deployment: dev, Element: "e", Name: "N"})
	})
	if first := <-changes; first != dev {
		t.Errorf("a turn that only waits touched %q, and so has itself called again", first)
	}
	cancel()
	for range changes {
		continue
	}
}

func TestABuildThatFailsFailsTheReleaseByName(t *testing.T) {
	for name, state := range map[string]berth.BuildState{"failed": berth.BuildFailed, "cancelled": berth.BuildCancelled} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1", "diploi.yaml", head+web+api, "web/Dockerfile", from, "api/Dockerfile", from)
			id := b.ask(prod, "c1")
			b.prepare(prod, id)
			row := b.builds(id)[0]
			row.State, row.Message = state, "RUN npm ci failed with exit code 1"
			b.update(func(tx *sqlite.Tx) error { return tx.UpdateBuild(row) })
			b.wantFailed(b.prepare(prod, id), "building "+row.Element, "RUN npm ci failed")
		})
	}
}

func TestAnImageThatCannotBeHadNowIsWaitedFor(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	b.images.err = berth.Errorf(berth.EUnavailable, "no registry answers")
	id := b.ask(prod, "c1")
	for range 2 {
		if err := b.turn(prod); berth.CodeOf(err) != berth.EUnavailable {
			t.Errorf("the loop hears %v", err)
		}
	}
	if r := b.release(id); r.State != berth.ReleasePending || !strings.Contains(r.Message, "no registry answers") {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
	b.images.err = nil
	if r := b.prepare(prod, id); r.State != berth.ReleaseBuilding || r.Message != "" {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}

func TestSecretsAreMountedInBuildsAndNeverArguments(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+"  - {name: Web, identifier: web, package: dockerfile, env: {include: [db.DATABASE_URL, {name: PIN, value: '${generate-random-password:8}'}]}}\n"+db, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	b.prepare(prod, id)
	s := b.spec(b.builds(id)[0])
	if !strings.Contains(s.Secrets["DATABASE_URL"], "BERTHSECRET-") {
		t.Errorf("secret mounts: %v", s.Secrets)
	}
	if _, given := s.Args["PIN"]; given {
		t.Errorf("a generated value is a build argument: %v", s.Args)
	}
}

func TestAnImageThatExistsRunsAsItIs(t *testing.T) {
	image := func(more string) []string {
		return []string{"diploi.yaml", head + "  - {name: Web, identifier: web, package: image" + more + "}\n", "web/Dockerfile", from}
	}
	b := newBench(t)
	b.images.exposed["ghcr.io/acme/web:1.2"] = []int{7700}
	b.commit("c1", image(", prebuildImage: 'ghcr.io/acme/web:1.2'")...)
	for _, of := range []berth.ID{prod, dev} {
		id := b.ask(of, "c1")
		r := b.prepare(of, id)
		if web := element(r, "web"); web.Image != "ghcr.io/acme/web:1.2" || len(web.Routes) != 1 || web.Routes[0].Port != 7700 || len(b.builds(id)) != 0 {
			t.Errorf("%s: %+v after %d builds: %s", of, web, len(b.builds(id)), r.Message)
		}
	}
	b.commit("c1", image("")...)
	b.wantFailed(b.prepare(prod, b.ask(prod, "c1")), "diploi.yaml:3", "prebuildImage: nginx:1.26")
}

func TestWhatHasADockerfileIsBuiltThoughAPrebuiltImageIsNamed(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+"  - {name: Web, identifier: web, package: nodejs, prebuildImage: 'ghcr.io/acme/web:1.2'}\n")
	id := b.ask(prod, "c1")
	if r := b.prepare(prod, id); len(b.builds(id)) != 1 {
		t.Errorf("%d builds; the release is %s: %q", len(b.builds(id)), r.State, r.Message)
	}
}
