package stackfile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const guestbook = `# https://diploi.com/yaml
diploiVersion: v1.0
development:
  env:
    include:
      - 'postgres.*'
components:
  - name: Web
    identifier: web
    package: react-vite
    hosts:
      - identifier: app
        name: Guestbook
        port: 5173
        endpoint: true
    env:
      include:
        - name: API
          value: on
  - identifier: api
    package: https://github.com/diploi/component-nodejs#v24.14.0
    folder: services/api/
    containerCommands:
      developmentStart: |
        # - *
        npm run dev
      productionStart: node dist/server.js
    env:
      include:
        - *
        - postgres.POSTGRES_USER:DB_USER
        - {path: postgres.POSTGRES_DB, name: DB_NAME}
        - name: TOKEN
          value: ${generate-random-password:32}
        - {name: RETRIES, value: 1.10}
    berth:
      storage:
        - {identifier: uploads, path: /data/uploads, size: 2Gi}
        - identifier: cache
          path: /cache
          size: 64
      health: {path: /healthz, timeout: 90}
addons:
  - identifier: postgres
    package: ./packages/postgres
berth:
  stages:
    - {identifier: development, kind: development}
    - {identifier: live, name: The shop, kind: build, size: L, branch: release/*}
`

func TestParseProject(t *testing.T) {
	got, warnings, err := stackfile.ParseProject("diploi.yaml", []byte(guestbook))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	yes := true
	want := &stackfile.Project{
		Workspace: stackfile.Environment{Includes: []stackfile.Include{{Path: "postgres.*", Pos: stackfile.Position{Line: 6, Column: 9}}}},
		Components: []stackfile.Element{{
			Kind: berth.KindComponent, Name: "Web", Identifier: "web", Folder: "/web",
			Package:     stackfile.PackageRef{Kind: stackfile.PackageBuiltin, Name: "react-vite"},
			Hosts:       []stackfile.Host{{Identifier: "app", Name: "Guestbook", Port: 5173, Endpoint: &yes}},
			HostsSet:    true,
			Environment: stackfile.Environment{Statics: []stackfile.Static{{Name: "API", Value: "on", Pos: stackfile.Position{Line: 18, Column: 11}}}},
			Pos:         stackfile.Position{Line: 8, Column: 5},
		}, {
			Kind: berth.KindComponent, Name: "api", Identifier: "api", Folder: "/services/api",
			Package:           stackfile.PackageRef{Kind: stackfile.PackageGit, URL: "https://github.com/diploi/component-nodejs", Ref: "v24.14.0"},
			ContainerCommands: stackfile.Commands{DevelopmentStart: "# - *\nnpm run dev\n", ProductionStart: "node dist/server.js"},
			Environment: stackfile.Environment{
				Includes: []stackfile.Include{
					{Path: "*", Pos: stackfile.Position{Line: 30, Column: 11}},
					{Path: "postgres.POSTGRES_USER", As: "DB_USER", Pos: stackfile.Position{Line: 31, Column: 11}},
					{Path: "postgres.POSTGRES_DB", As: "DB_NAME", Pos: stackfile.Position{Line: 32, Column: 18}},
				},
				Statics: []stackfile.Static{
					{Name: "TOKEN", Value: "${generate-random-password:32}", Pos: stackfile.Position{Line: 33, Column: 11}},
					{Name: "RETRIES", Value: "1.10", Pos: stackfile.Position{Line: 35, Column: 11}},
				},
			},
			Storage: []stackfile.Storage{
				{Identifier: "uploads", Path: "/data/uploads", SizeMiB: 2048, UID: -1, GID: -1, Pos: stackfile.Position{Line: 38, Column: 11}},
				{Identifier: "cache", Path: "/cache", SizeMiB: 64, UID: -1, GID: -1, Pos: stackfile.Position{Line: 39, Column: 11}},
			},
			Health: &berth.Health{Path: "/healthz", Timeout: 90 * time.Second},
			Pos:    stackfile.Position{Line: 20, Column: 5},
		}},
		Addons: []stackfile.Element{{
			Kind: berth.KindAddon, Name: "postgres", Identifier: "postgres", Folder: "/postgres",
			Package: stackfile.PackageRef{Kind: stackfile.PackageLocal, Path: "/packages/postgres"},
			Pos:     stackfile.Position{Line: 44, Column: 5},
		}},
		Stages: []berth.Stage{{Identifier: "development", Kind: berth.KindDevelopment}, {Identifier: "live", Name: "The shop", Kind: berth.KindBuild, Size: "L", Branch: "release/*"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// head is a valid element to hang mistakes on; its lines end with line 4.
const head = "diploiVersion: v1.0\ncomponents:\n  - identifier: web\n    package: nodejs\n"

func TestParseProjectRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want []string // beginnings of the findings, in order
	}{
		"empty":               {"", []string{"diploi.yaml:1:1: is empty"}},
		"only a comment":      {"# hello\n", []string{"diploi.yaml:1:1: is empty"}},
		"malformed":           {"a: [1, 2\nb: 3", []string{"diploi.yaml:2:1: is not valid YAML: "}},
		"tabs":                {"components:\n\t- a\n", []string{"diploi.yaml:2:1: is not valid YAML: "}},
		"open quote":          {"diploiVersion: 'v1.0\n", []string{"diploi.yaml:1:16: is not valid YAML: "}},
		"a list":              {"- a\n", []string{"diploi.yaml:1:1: must be a group of keys"}},
		"a scalar":            {"hello\n", []string{"diploi.yaml:1:1: must be a group of keys"}},
		"binary":              {"diploiVersion: \x00", []string{"diploi.yaml: is not text"}},
		"latin-1":             {"name: caf\xe9", []string{"diploi.yaml: is not text"}},
		"two documents":       {head + "---\n" + head, []string{"diploi.yaml:6:1: holds more than one YAML document"}},
		"version":             {strings.Replace(head, "v1.0", "v2.0", 1), []string{`diploi.yaml:1:16: diploiVersion: is "v2.0", but Berth reads v1.0`}},
		"nothing to run":      {"diploiVersion: v1.0\ncomponents: []\n", []string{"diploi.yaml:1:1: names nothing to run"}},
		"unknown top key":     {head + "compnents: []\n", []string{"diploi.yaml:5:1: compnents: is not a key of the format; did you mean components?"}},
		"unknown far key":     {head + "zzz: 1\n", []string{"diploi.yaml:5:1: zzz: is not a key of the format; remove it"}},
		"extension key":       {head + "    storage: []\n", []string{"diploi.yaml:5:5: components[0].storage: is not a key of the format; did you mean berth.storage?"}},
		"stages of element":   {head + "    berth: {stages: []}\n", []string{"diploi.yaml:5:13: components[0].berth.stages: is not a key of the format; did you mean berth.stages at the top"}},
		"storage of file":     {head + "berth: {storage: []}\n", []string{"diploi.yaml:5:9: berth.storage: is not a key of the format; did you mean berth.storage of an element?"}},
		"unknown element key": {head + "    fodler: web\n", []string{"diploi.yaml:5:5: components[0].fodler: is not a key of the format; did you mean folder?"}},
		"unknown host key":    {head + "    hosts: [{identifier: app, prot: 80}]\n", []string{"diploi.yaml:5:31: components[0].hosts[0].prot: is not a key of the format; did you mean port?"}},
		"key twice":           {head + "    folder: a\n    folder: b\n", []string{"diploi.yaml:6:5: components[0].folder: is given twice, first on line 5"}},
		"missing package":     {"diploiVersion: v1.0\ncomponents:\n  - identifier: web\n", []string{"diploi.yaml:3:5: components[0].package: is missing; name a package"}},
		"missing identifier":  {"diploiVersion: v1.0\ncomponents:\n  - package: nodejs\n", []string{"diploi.yaml:3:5: components[0].identifier: is missing; give it a name"}},
		"shell in a name":     {strings.Replace(head, "web", "web; rm -rf /", 1), []string{"diploi.yaml:3:17: components[0].identifier: the identifier must be lower-case"}},
		"long name":           {strings.Replace(head, "web", strings.Repeat("a", 41), 1), []string{"diploi.yaml:3:17: components[0].identifier: the identifier may have at most 40"}},
		"reserved":            {strings.Replace(head, "web", "core", 1), []string{`diploi.yaml:3:17: components[0].identifier: "core" is reserved`}},
		"twice in one list":   {head + "  - identifier: web\n    package: bun\n", []string{`diploi.yaml:5:17: components[1].identifier: "web" is already the element on line 3`}},
		"twice in both lists": {head + "addons:\n  - identifier: web\n    package: bun\n", []string{`diploi.yaml:6:17: addons[0].identifier: "web" is already the element on line 3`}},
		"folder escapes":      {head + "    folder: ../../etc\n", []string{`diploi.yaml:5:13: components[0].folder: "../../etc" leaves the repository`}},
		"folder escapes deep": {head + "    folder: /a/../../b\n", []string{`diploi.yaml:5:13: components[0].folder: "/a/../../b" leaves the repository`}},
		"folder of git":       {head + "    folder: .git/hooks\n", []string{`diploi.yaml:5:13: components[0].folder: ".git/hooks" is Git's own`}},
		"folder with shell":   {head + "    folder: a;b\n", []string{`diploi.yaml:5:13: components[0].folder: "a;b" may hold`}},
		"folder with newline": {head + "    folder: \"a\\nb\"\n", []string{`diploi.yaml:5:13: components[0].folder: "a\nb" may hold`}},
		"package escapes":     {strings.Replace(head, "nodejs", "./../x", 1), []string{`diploi.yaml:4:14: components[0].package: "/../x" leaves the repository`}},
		"package by ssh":      {strings.Replace(head, "nodejs", "git@github.com:o/r.git", 1), []string{`diploi.yaml:4:14: components[0].package: "git@github.com:o/r.git" is not a Git URL`}},
		"package password":    {strings.Replace(head, "nodejs", "https://me:pw@host/o/r", 1), []string{`diploi.yaml:4:14: components[0].package: the package's URL holds a user or password`}},
		"port zero":           {head + "    hosts: [{identifier: app, port: 0}]\n", []string{"diploi.yaml:5:37: components[0].hosts[0].port: must be a whole number between 1 and 65535"}},
		"port too high":       {head + "    hosts: [{identifier: app, port: 65536}]\n", []string{"diploi.yaml:5:37: components[0].hosts[0].port: must be a whole number"}},
		"port a word":         {head + "    hosts: [{identifier: app, port: http}]\n", []string{"diploi.yaml:5:37: components[0].hosts[0].port: must be a whole number"}},
		"host twice":          {head + "    hosts: [{identifier: a}, {identifier: a}]\n", []string{`diploi.yaml:5:43: components[0].hosts[1].identifier: "a" is already the host`}},
		"path and value":      {head + "    env: {include: [{path: a.B, value: c}]}\n", []string{"diploi.yaml:5:21: components[0].env.include[0]: has both path and value"}},
		"rename of many":      {head + "    env: {include: ['a.*:B']}\n", []string{`diploi.yaml:5:21: components[0].env.include[0]: gives one name to everything`}},
		"not a variable":      {head + "    env: {include: [{name: A B, value: c}]}\n", []string{`diploi.yaml:5:28: components[0].env.include[0].name: "A B" is not a name for a variable`}},
		"star in a flow list": {head + "    env: {include: [*]}\n", []string{"diploi.yaml:5:21: a * on its own has a meaning in YAML; quote it"}},
		"star as value":       {head + "    env: {include: *}\n", []string{"diploi.yaml:5:20: a * on its own has a meaning in YAML; quote it"}},
		"star and more":       {head + "    env:\n      include:\n        - * b\n", []string{"diploi.yaml:7:11: a * on its own has a meaning in YAML; quote it"}},
		"context outside":     {head + "    berth: {context: ../x}\n", []string{`diploi.yaml:5:22: components[0].berth.context: "../x" leaves the repository`}},
		"volume twice":        {head + "    berth: {storage: [{identifier: a, path: /a}, {identifier: a, path: /b}]}\n", []string{`diploi.yaml:5:63: components[0].berth.storage[1].identifier: "a" is given twice`}},
		"mount twice":         {head + "    berth: {storage: [{identifier: a, path: /a}, {identifier: b, path: /a/}]}\n", []string{`diploi.yaml:5:72: components[0].berth.storage[1].path: "/a" has a volume already`}},
		"stage twice":         {head + "berth: {stages: [{identifier: a, kind: build}, {identifier: a, kind: build}]}\n", []string{`diploi.yaml:5:61: berth.stages[1].identifier: "a" is given twice`}},
		"unknown alias":       {head + "    env: {include: [*.URL]}\n", []string{"diploi.yaml:5:21: components[0].env.include[0]: refers to *.URL, but nothing above is marked &.URL"}},
		"size":                {head + "    berth: {storage: [{identifier: a, path: /a, size: 2GB}]}\n", []string{`diploi.yaml:5:55: components[0].berth.storage[0].size: "2GB" is not a size`}},
		"size out of range":   {head + "    berth: {storage: [{identifier: a, path: /a, size: 99999999Ti}]}\n", []string{`diploi.yaml:5:55: components[0].berth.storage[0].size: "99999999Ti" is out of range`}},
		"mount over root":     {head + "    berth: {storage: [{identifier: a, path: /}]}\n", []string{`diploi.yaml:5:45: components[0].berth.storage[0].path: "/" must be a directory`}},
		"mount over proc":     {head + "    berth: {storage: [{identifier: a, path: /proc/1}]}\n", []string{`diploi.yaml:5:45: components[0].berth.storage[0].path: "/proc/1" belongs to the system`}},
		"relative mount":      {head + "    berth: {storage: [{identifier: a, path: data}]}\n", []string{`diploi.yaml:5:45: components[0].berth.storage[0].path: "data" must be a directory`}},
		"two health checks":   {head + "    berth: {health: {path: /, port: 80}}\n", []string{"diploi.yaml:5:21: components[0].berth.health: has more than one of"}},
		"health timeout":      {head + "    berth: {health: {port: 80, timeout: 2h}}\n", []string{`diploi.yaml:5:41: components[0].berth.health.timeout: must be a duration between`}},
		"stage size":          {head + "berth: {stages: [{identifier: live, kind: build, size: XXL}]}\n", []string{`diploi.yaml:5:56: berth.stages[0].size: "XXL" is not a size; choose S, M, L or XL`}},
		"stage branch":        {head + "berth: {stages: [{identifier: live, kind: build, branch: --upload-pack=x}]}\n", []string{`diploi.yaml:5:58: berth.stages[0].branch: "--upload-pack=x" is not the name of a branch`}},
		"stage kind":          {head + "berth: {stages: [{identifier: live, kind: prod}]}\n", []string{"diploi.yaml:5:43: berth.stages[0].kind: must be development"}},
		"a package's file":    {"diploiVersion: v1.0\ntype: addon\nimages: []\nhosts: []\n", []string{`diploi.yaml:2:1: type: says that this is the file of a package ("addon")`}},
		"an old template":     {"diploiTemplateVersion: V1.0\nrepositories: []\n", []string{"diploi.yaml:1:1: diploiTemplateVersion: marks a template of the old format"}},
		"all at once": {"diploiVersion: v1.0\ncomponents:\n  - identifier: Web\n    packag: nodejs\naddons: 5\n", []string{
			"diploi.yaml:3:5: components[0].package: is missing",
			"diploi.yaml:3:17: components[0].identifier: the identifier must be",
			"diploi.yaml:4:5: components[0].packag: is not a key of the format; did you mean package?",
			"diploi.yaml:5:9: addons: must be a list",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			project, _, err := stackfile.ParseProject("diploi.yaml", []byte(test.file))
			var all *stackfile.Errors
			if !errors.As(err, &all) || project != nil {
				t.Fatalf("got project %v and error %v", project, err)
			}
			if berth.CodeOf(err) != berth.EInvalid || berth.MessageOf(err) != err.Error() {
				t.Errorf("as a coded error: %v %q", berth.CodeOf(err), berth.MessageOf(err))
			}
			if len(all.List) != len(test.want) {
				t.Fatalf("got %d findings:\n%v", len(all.List), err)
			}
			for i, want := range test.want {
				if got := all.List[i].String(); !strings.HasPrefix(got, want) {
					t.Errorf("finding %d\n got %s\nwant %s…", i, got, want)
				}
			}
		})
	}
}
