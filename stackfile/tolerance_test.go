package stackfile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"github.com/google/go-cmp/cmp"
)

// What real project files hold is accepted, and said.
func TestParseProjectWarns(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"no version":          {strings.TrimPrefix(head, "diploiVersion: v1.0\n"), []string{"diploi.yaml:1:1: diploiVersion: is missing; add"}},
		"wild top keys":       {head + "version: \"1\"\nname: x\ndescription: y\n", []string{"diploi.yaml:5:1: version: is not part of the format", "diploi.yaml:6:1: name: is not part", "diploi.yaml:7:1: description: is not part"}},
		"env.static":          {head + "    env: {static: [{name: A, value: b}]}\n", []string{"diploi.yaml:5:11: components[0].env.static: is not part of the format"}},
		"containerCommands":   {head + "    containerCommands: {dev: npm run dev}\n", []string{"diploi.yaml:5:25: components[0].containerCommands.dev: is not part"}},
		"not yet":             {head + "    berth: {cron: [], private: true}\n", []string{"diploi.yaml:5:19: components[0].berth.cron: is not supported yet", "diploi.yaml:5:32: components[0].berth.private: is not supported yet: the element's hosts are public"}},
		"not yet of the file": {head + "berth: {actions: [], ignore: x}\n", []string{"diploi.yaml:5:18: berth.actions: is not supported yet", "diploi.yaml:5:30: berth.ignore: is not supported yet"}},
		"an undotted import":  {head + "    env: {include: [POSTGRES_USER]}\n", []string{"diploi.yaml:5:21: components[0].env.include[0]: names no element and is ignored; write element.POSTGRES_USER"}},
		"a long port name":    {head + "    hosts: [{identifier: administrator-ui}]\n", []string{"diploi.yaml:5:26: components[0].hosts[0].identifier: is longer than 15 characters"}},
		"an empty import":     {head + "    env:\n      include:\n        -\n", []string{"diploi.yaml:7:11: components[0].env.include[0]: is empty and is ignored"}},
	} {
		t.Run(name, func(t *testing.T) {
			project, warnings, err := stackfile.ParseProject("diploi.yaml", []byte(test.file))
			if err != nil || project == nil {
				t.Fatal(err)
			}
			if len(warnings) != len(test.want) {
				t.Fatalf("warnings: %v", warnings)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(warnings[i].String(), want) {
					t.Errorf("got %s\nwant %s…", warnings[i], want)
				}
			}
		})
	}
}

func TestParseProjectAccepts(t *testing.T) {
	one := func(t *testing.T, file string) stackfile.Element {
		t.Helper()
		project, warnings, err := stackfile.ParseProject("diploi.yaml", []byte(file))
		if err != nil || len(warnings) > 0 || len(project.Components) == 0 {
			t.Fatalf("error %v, warnings %v", err, warnings)
		}
		return project.Components[0]
	}
	for name, test := range map[string]struct {
		file  string
		holds func(e stackfile.Element) bool
	}{
		"a byte order mark":   {"\ufeff" + head, func(e stackfile.Element) bool { return e.Identifier == "web" }},
		"Windows line ends":   {strings.ReplaceAll(head, "\n", "\r\n"), func(e stackfile.Element) bool { return e.Package.Name == "nodejs" }},
		"a starter":           {"type: starter\nname: x\ndescription: y\npreviewImageUrls: [a.png]\n" + head, func(e stackfile.Element) bool { return true }},
		"addons empty":        {head + "addons: []\n", func(e stackfile.Element) bool { return true }},
		"addons null":         {head + "addons:\n", func(e stackfile.Element) bool { return true }},
		"the root folder":     {head + "    folder: /\n", func(e stackfile.Element) bool { return e.Folder == "/" }},
		"a folder unslashed":  {head + "    folder: apps/web/\n", func(e stackfile.Element) bool { return e.Folder == "/apps/web" }},
		"an empty folder":     {head + "    folder: ''\n", func(e stackfile.Element) bool { return e.Folder == "/" }},
		"no hosts":            {head + "    hosts: []\n", func(e stackfile.Element) bool { return e.HostsSet && len(e.Hosts) == 0 }},
		"hosts unsaid":        {head + "    hosts:\n", func(e stackfile.Element) bool { return !e.HostsSet && e.Hosts == nil }},
		"prebuild image":      {head + "    prebuildImage: ghcr.io/x/y:[tag]\n", func(e stackfile.Element) bool { return e.PrebuildImage == "ghcr.io/x/y:[tag]" }},
		"include as a string": {head + "    env: {include: '*'}\n", func(e stackfile.Element) bool { return len(e.Includes) == 1 && e.Includes[0].Path == "*" }},
		"a bare star": {head + "    env:\n      include:\n      - *   # everything\n      - a.B\n", func(e stackfile.Element) bool {
			return len(e.Includes) == 2 && e.Includes[0].Path == "*" && e.Includes[1].Pos == stackfile.Position{Line: 8, Column: 9}
		}},
		"a star in a script": {head + "    containerCommands:\n      developmentStart: |\n        - *\n        - * \n", func(e stackfile.Element) bool { return e.ContainerCommands.DevelopmentStart == "- *\n- * \n" }},
		"statics twice": {head + "    env: {include: [{name: A, value: 1}, {name: A, value: 2}]}\n", func(e stackfile.Element) bool {
			return len(e.Statics) == 2
		}},
		"YAML 1.2 values": {head + "    env: {include: [{name: A, value: on}, {name: B, value: True}, {name: C, value: 0777}, {name: D, value: ~}, {name: E, value: 1.10}, {name: F}]}\n", func(e stackfile.Element) bool {
			return cmp.Equal([]string{"on", "true", "0777", "", "1.10", ""}, values(e))
		}},
		"anchors": {"diploiVersion: v1.0\ncomponents:\n  - &w\n    identifier: web\n    package: &p nodejs\n    env: {include: [{name: A, value: b}]}\n  - <<: *w\n    identifier: api\n    package: *p\n", func(e stackfile.Element) bool {
			return true
		}},
		"a health command": {head + "    berth: {health: {command: curl localhost, timeout: 2m}}\n", func(e stackfile.Element) bool {
			return cmp.Equal(e.Health, &berth.Health{Command: []string{"/bin/sh", "-c", "curl localhost"}, Timeout: 2 * time.Minute})
		}},
		"a health list": {head + "    berth: {health: {command: [pg_isready, -q]}}\n", func(e stackfile.Element) bool {
			return cmp.Equal(e.Health, &berth.Health{Command: []string{"pg_isready", "-q"}})
		}},
		"a health port":     {head + "    berth: {health: {port: 8080}}\n", func(e stackfile.Element) bool { return cmp.Equal(e.Health, &berth.Health{Port: 8080}) }},
		"no build context":  {head + "    berth: {context: /}\n", func(e stackfile.Element) bool { return e.Context == "" }},
		"a build context":   {head + "    berth: {context: apps/web/}\n", func(e stackfile.Element) bool { return e.Context == "/apps/web" }},
		"a size in MiB":     {head + "    berth: {storage: [{identifier: a, path: /data/, size: 512Mi}]}\n", func(e stackfile.Element) bool { return e.Storage[0].SizeMiB == 512 && e.Storage[0].Path == "/data" }},
		"a size in TiB":     {head + "    berth: {storage: [{identifier: a, path: /data, size: 1TiB}]}\n", func(e stackfile.Element) bool { return e.Storage[0].SizeMiB == 1<<20 }},
		"a size unsaid":     {head + "    berth: {storage: [{identifier: a, path: /data}]}\n", func(e stackfile.Element) bool { return e.Storage[0].SizeMiB == 0 }},
		"a multi-line name": {head + "    name: >-\n      My\n      app\n", func(e stackfile.Element) bool { return e.Name == "My app" }},
	} {
		t.Run(name, func(t *testing.T) {
			if e := one(t, test.file); !test.holds(e) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func values(e stackfile.Element) (all []string) {
	for _, s := range e.Statics {
		all = append(all, s.Value)
	}
	return all
}

func TestMergeKeysTakeWhatIsNotSaid(t *testing.T) {
	project, _, err := stackfile.ParseProject("diploi.yaml", []byte("diploiVersion: v1.0\ncomponents:\n  - &w\n    identifier: web\n    package: nodejs\n    folder: apps\n  - <<: *w\n    identifier: api\n"))
	if err != nil {
		t.Fatal(err)
	}
	if api := project.Components[1]; api.Identifier != "api" || api.Package.Name != "nodejs" || api.Folder != "/apps" {
		t.Errorf("got %+v", api)
	}
}

func TestAliasMeansTheAnchorAboveIt(t *testing.T) {
	project, _, err := stackfile.ParseProject("diploi.yaml", []byte("diploiVersion: v1.0\ncomponents:\n  - {identifier: a, package: &p nodejs}\n  - {identifier: b, package: *p}\n  - {identifier: c, package: &p bun}\n  - {identifier: d, package: *p}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if b, d := project.Components[1].Package.Name, project.Components[3].Package.Name; b != "nodejs" || d != "bun" {
		t.Errorf("got %s and %s", b, d)
	}
}

func TestDefaultStages(t *testing.T) {
	project, _, err := stackfile.ParseProject("diploi.yaml", []byte(head))
	if err != nil || !cmp.Equal(project.Stages, berth.DefaultStages()) {
		t.Errorf("got %+v, %v", project, err)
	}
}

// Files that are made to cost time or memory are refused at once.
func TestHostileFiles(t *testing.T) {
	nested := strings.Builder{}
	for i := range 400 {
		nested.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	bomb := "diploiVersion: v1.0\nx: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	wide := "diploiVersion: v1.0\ncomponents:\n  - identifier: web\n    package: nodejs\n    env:\n      include: &i [" + strings.Repeat("a.B,", 5000) + "]\n" +
		strings.Repeat("  - {identifier: web, package: nodejs, env: {include: *i}}\n", 1000)
	for name, test := range map[string]struct{ file, want string }{
		"50 MB":            {strings.Repeat("# padding\n", 5<<20), "diploi.yaml: is 51200 KiB long; at most 1024 KiB are read"},
		"just too long":    {strings.Repeat("#", stackfile.MaxBytes+1), "diploi.yaml: is 1025 KiB long"},
		"many tokens":      {strings.Repeat("- a\n", 200_000), "has more than 100000 YAML tokens"},
		"brackets":         {strings.Repeat("[", 50_000), "nested more than 64 levels deep"},
		"braces":           {strings.Repeat("{a: ", 20_000), "nested more than 64 levels deep"},
		"dashes":           {strings.Repeat("- ", 40_000) + "a", "nested more than 64 levels deep"},
		"question marks":   {strings.Repeat("? ", 40_000) + "a", "nested more than 64 levels deep"},
		"anchors":          {strings.Repeat("&a ", 20_000) + "b", "nested more than 64 levels deep"},
		"indentation":      {nested.String(), "a: is not a key of the format"},
		"alias bomb":       {bomb + "components: *j\n", "is not a key of the format"},
		"alias bomb, used": {wide, "the file's aliases make it too large"},
		"alias of itself":  {"diploiVersion: v1.0\ncomponents: &c\n  - *c\n", "must be a group of keys"},
		"merge of itself":  {"diploiVersion: v1.0\ncomponents:\n  - &c\n    <<: *c\n", "identifier: is missing"},
		"bare alias loop":  {"a: &a *a\n", ""},
		"key of a map":     {"? {a: b}\n: c\n", "is not valid YAML"},
		"a long key":       {strings.Repeat("k", 5000) + "\x01: 1\n", "kkk…: is not a key of the format"},
		"a long directive": {"a: |" + strings.Repeat("\x1f", 5000) + "\n", "is not valid YAML: "},
		"only control":     {head + "    name: \"a\\x1b[31mb\"\n", "must be one line of plain text"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, _, err := stackfile.ParseProject("diploi.yaml", []byte(test.file))
			var all *stackfile.Errors
			if !errors.As(err, &all) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.300v", err)
			}
			if len(all.List) > 20 || len(err.Error()) > 500*len(all.List) || strings.ContainsAny(err.Error(), "\x01\x1b\x1f") {
				t.Errorf("%d findings in %d bytes: %.100q", len(all.List), len(err.Error()), err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	_, _, err := stackfile.ParseProject("diploi.yaml", []byte(head+strings.Repeat("  - {}\n", 30)))
	var all *stackfile.Errors
	if !errors.As(err, &all) || len(all.List) != 20 || all.More != 40 || !strings.HasSuffix(err.Error(), "\nand 40 more") {
		t.Errorf("got %v", err)
	}
}

func TestParsePackageRef(t *testing.T) {
	for text, want := range map[string]stackfile.PackageRef{
		"postgres":                   {Kind: stackfile.PackageBuiltin, Name: "postgres"},
		"./packages/api/":            {Kind: stackfile.PackageLocal, Path: "/packages/api"},
		"./":                         {Kind: stackfile.PackageLocal, Path: "/"},
		"https://github.com/o/r#v1":  {Kind: stackfile.PackageGit, URL: "https://github.com/o/r", Ref: "v1"},
		"https://git.example:8443/r": {Kind: stackfile.PackageGit, URL: "https://git.example:8443/r"},
		"https://github.com/o/r.git/#feature/a_b.c": {Kind: stackfile.PackageGit, URL: "https://github.com/o/r.git", Ref: "feature/a_b.c"},
	} {
		got, err := stackfile.ParsePackageRef(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := stackfile.ParsePackageRef(got.String()); err != nil || again != got {
			t.Errorf("%s does not survive String: %+v, %v", text, again, err)
		}
	}
	for _, text := range []string{"", ".", "..", "../x", "/etc", "a/b", "Post gres", "http://github.com/o/r", "ssh://git@h/r", "https://github.com", "https://github.com/", "https://h/a/../b",
		"https://h/r#", "https://h/r#-x", "https://h/r#a..b", "https://h/r#a b", "https://h/r?x=1", "https://h/ r", "file:///etc", "https://u@h/r", "./a/../../b", "./.git"} {
		if got, err := stackfile.ParsePackageRef(text); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%s gave %+v, %v", text, got, err)
		}
	}
	if _, err := stackfile.ParsePackageRef("ssh://me:hunter2@host/r"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is in the message: %v", err)
	}
}
