package stackfile_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The packages below are written in the shape of the public ones.

const laravel = `diploiVersion: v1.0
type: component
name: Laravel
description: A PHP framework
hosts:
  - {name: App, identifier: app, port: 8000}
  - {name: Vite, identifier: vite, port: 5173}
supportsAdditionalHosts:
  serviceName: app
images:
  - identifier: app
    prebuildImage: registry.example/component-laravel:[tag]
parameterGroups:
  - name: Laravel
    identifier: laravel
    description: Settings
    parameters:
      - name: Key
        identifier: APP_KEY
        type: secret
        defaultValue: base64:${generate-random-bytes:32}
        description: Encrypts sessions
      - name: URL
        identifier: APP_URL
        type: string
        defaultValue: ${VITE_ENDPOINT}
environmentVariables:
  - {identifier: LOG_LEVEL, defaultValue: debug}
  - {identifier: DEBUG, defaultValue: true}
`

const supabaseLike = `diploiVersion: v1.0
type: component
name: Supabase
hosts:
  - name: Studio
    identifier: app
    urlFormat: '[label].[default-domain]'
    link: https://${DASHBOARD_USERNAME}:${DASHBOARD_PASSWORD}@${HOST}
images:
  - {identifier: functions, prebuildImage: 'ghcr.example/functions:[tag]'}
parameterGroups:
  - name: OpenAI
    identifier: openai
    toggleable: true
    defaultValue: false
    parameters:
      - {name: Key, identifier: OPENAI_API_KEY, type: secret, defaultValue: ''}
  - name: Email
    identifier: email
    toggleable: true
    defaultValue: true
    parameters:
      - {name: Port, identifier: SMTP_PORT, type: number, defaultValue: 2525, contexts: 'label=app'}
storage:
  - {identifier: supabase, sizeMiB: 8192}
  - {identifier: build, sizeMiB: 8192, stages: [staging, production], uid: 1000, gid: 1000}
connectionStrings:
  - {name: URL, value: 'postgres://kong.${DIPLOI_NAMESPACE}', description: d}
logs:
  - {name: Kong, type: log, labelSelector: app=kong}
contexts:
  - {name: x, identifier: y}
defaultContainer: supabase-functions
`

const n8n = `diploiVersion: v1.0
type: component
name: n8n
hosts: [{name: App, identifier: app, port: 5678}]
supportsAdditionalHosts: {serviceName: app}
images: [{identifier: app, prebuildImage: 'x:[tag]'}]
dependencies:
  - identifier: postgres
    package: https://github.com/diploi/addon-postgres#v1
    env:
      include:
        - POSTGRES_HOST:DB_POSTGRESDB_HOST
        - POSTGRES_DB
`

func parsePackage(t *testing.T, file string) *stackfile.Package {
	t.Helper()
	p, warnings, err := stackfile.ParsePackage("diploi.yaml", []byte(file))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	return p
}

func TestParsePackage(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want stackfile.Package
	}{
		"laravel": {laravel, stackfile.Package{
			Type: berth.KindComponent, Name: "Laravel", Description: "A PHP framework",
			Hosts:                   []stackfile.Host{{Identifier: "app", Name: "App", Port: 8000}, {Identifier: "vite", Name: "Vite", Port: 5173}},
			SupportsAdditionalHosts: map[string]string{"serviceName": "app"},
			Images:                  []stackfile.Image{{Identifier: "app", Prebuild: "registry.example/component-laravel:[tag]"}},
			ParameterGroups: []stackfile.ParameterGroup{{Identifier: "laravel", Name: "Laravel", Description: "Settings", Parameters: []stackfile.Parameter{
				{Identifier: "APP_KEY", Name: "Key", Type: "secret", Default: "base64:${generate-random-bytes:32}", Description: "Encrypts sessions"},
				{Identifier: "APP_URL", Name: "URL", Type: "string", Default: "${VITE_ENDPOINT}"},
			}}},
			EnvironmentVariables: []stackfile.Parameter{{Identifier: "LOG_LEVEL", Type: "string", Default: "debug"}, {Identifier: "DEBUG", Type: "string", Default: "true"}},
		}},
		"supabase": {supabaseLike, stackfile.Package{
			Type: berth.KindComponent, Name: "Supabase",
			Hosts:  []stackfile.Host{{Identifier: "app", Name: "Studio", Legacy: true, Link: "https://${DASHBOARD_USERNAME}:${DASHBOARD_PASSWORD}@${HOST}"}},
			Images: []stackfile.Image{{Identifier: "functions", Prebuild: "ghcr.example/functions:[tag]"}},
			ParameterGroups: []stackfile.ParameterGroup{
				{Identifier: "openai", Name: "OpenAI", Toggleable: true, Parameters: []stackfile.Parameter{{Identifier: "OPENAI_API_KEY", Name: "Key", Type: "secret"}}},
				{Identifier: "email", Name: "Email", Toggleable: true, Enabled: true, Parameters: []stackfile.Parameter{{Identifier: "SMTP_PORT", Name: "Port", Type: "integer", Default: "2525"}}},
			},
			Storage: []stackfile.Storage{
				{Identifier: "supabase", SizeMiB: 8192, UID: -1, GID: -1},
				{Identifier: "build", SizeMiB: 8192, Stages: []string{"staging", "production"}, UID: 1000, GID: 1000},
			},
			ConnectionStrings: []stackfile.ConnectionString{{Name: "URL", Value: "postgres://kong.${DIPLOI_NAMESPACE}", Description: "d"}},
			Logs:              []stackfile.Log{{Name: "Kong", Type: "log", LabelSelector: "app=kong"}},
			DefaultContainer:  "supabase-functions",
		}},
		"n8n": {n8n, stackfile.Package{
			Type: berth.KindComponent, Name: "n8n",
			Hosts:                   []stackfile.Host{{Identifier: "app", Name: "App", Port: 5678}},
			SupportsAdditionalHosts: map[string]string{"serviceName": "app"},
			Images:                  []stackfile.Image{{Identifier: "app", Prebuild: "x:[tag]"}},
			Dependencies: []stackfile.Dependency{{
				Identifier: "postgres", Package: stackfile.PackageRef{Kind: stackfile.PackageGit, URL: "https://github.com/diploi/addon-postgres", Ref: "v1"},
				Includes: []stackfile.Include{{Path: "POSTGRES_HOST", As: "DB_POSTGRESDB_HOST"}, {Path: "POSTGRES_DB"}},
			}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ignorePositions := cmpopts.IgnoreTypes(stackfile.Position{})
			if diff := cmp.Diff(&test.want, parsePackage(t, test.file), ignorePositions, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParsePackageIsLenient(t *testing.T) {
	const file = "type: addon\nversion: 1\nimages: [{identifier: a, image: minio, tag: x}]\nparameterGroups:\n  - identifier: g\n    parameters:\n      - {identifier: MINIO_API_ROOT_ACCESS, type: switch, defaultValue: on}\nfuture: yes\n"
	p, warnings, err := stackfile.ParsePackage("p/diploi.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.ParameterGroups[0].Parameters[0]; got.Default != "on" || got.Type != "string" {
		t.Errorf("got %+v", got)
	}
	want := []string{
		"p/diploi.yaml:1:1: diploiVersion: is missing",
		"p/diploi.yaml:2:1: version: is not part of the format",
		"p/diploi.yaml:3:40: images[0].tag: is not a key of the format",
		`p/diploi.yaml:7:51: parameterGroups[0].parameters[0].type: "switch" is not string`,
		"p/diploi.yaml:8:1: future: is not a key of the format",
	}
	if len(warnings) != len(want) {
		t.Fatalf("warnings: %v", warnings)
	}
	for i := range want {
		if !strings.HasPrefix(warnings[i].String(), want[i]) {
			t.Errorf("got %s\nwant %s…", warnings[i], want[i])
		}
	}
}

func TestParsePackageRefuses(t *testing.T) {
	const start = "diploiVersion: v1.0\ntype: addon\n"
	for name, test := range map[string]struct{ file, want string }{
		"a project's file": {head, "diploi.yaml:1:1: is the file of a project"},
		"another type":     {"diploiVersion: v1.0\ntype: stack\n", `diploi.yaml:2:7: type: must be component or addon, not "stack"`},
		"no type":          {"diploiVersion: v1.0\n", `type: must be component or addon, not ""`},
		"a variable":       {start + "environmentVariables: [{identifier: \"A\\nB\"}]\n", `environmentVariables[0].identifier: "A\nB" is not a name`},
		"a bad port":       {start + "hosts: [{identifier: app, port: 70000}]\n", "hosts[0].port: must be a whole number"},
		"the code volume":  {start + "storage: [{identifier: code}]\n", `storage[0].identifier: "code" is the volume of the working tree`},
		"a volume's path":  {start + "storage: [{identifier: ../x}]\n", "storage[0].identifier: the identifier must be"},
		"a bad owner":      {start + "storage: [{identifier: x, uid: -5}]\n", "storage[0].uid: must be a whole number between 0"},
		"an image unnamed": {start + "images: [{image: x}]\n", "images[0].identifier: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := stackfile.ParsePackage("diploi.yaml", []byte(test.file))
			if p != nil || berth.CodeOf(err) != berth.EInvalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

func TestStorageIn(t *testing.T) {
	p := parsePackage(t, supabaseLike)
	if s := p.Storage[0]; !s.In("development") || !s.In("production") {
		t.Error("a volume without stages is not in all of them")
	}
	if s := p.Storage[1]; s.In("development") || !s.In("staging") {
		t.Error("a volume is not in exactly its stages")
	}
}

func TestMergeHosts(t *testing.T) {
	yes, no := true, false
	packaged := parsePackage(t, laravel).Hosts
	legacy := parsePackage(t, supabaseLike).Hosts
	additional := map[string]string{"serviceName": "web"}
	for name, test := range map[string]struct {
		packaged, element []stackfile.Host
		additional        map[string]string
		want              []stackfile.Host
		warning           string
	}{
		"nothing said": {packaged, nil, additional, []stackfile.Host{{Identifier: "app", Name: "App", Port: 8000, Service: "web"}, {Identifier: "vite", Name: "Vite", Port: 5173, Service: "web"}}, ""},
		"none":         {packaged, []stackfile.Host{}, additional, nil, ""},
		"name only":    {packaged[:1], []stackfile.Host{{Identifier: "app", Name: "Mine"}}, additional, []stackfile.Host{{Identifier: "app", Name: "Mine", Port: 8000, Service: "web"}}, ""},
		"port only":    {packaged[:1], []stackfile.Host{{Identifier: "app", Port: 80}}, additional, []stackfile.Host{{Identifier: "app", Name: "App", Port: 80, Service: "web"}}, ""},
		"made internal": {packaged[:1], []stackfile.Host{{Identifier: "app", Endpoint: &no}}, additional,
			[]stackfile.Host{{Identifier: "app", Name: "App", Port: 8000, Service: "web", Internal: true}}, ""},
		"added": {packaged[:1], []stackfile.Host{{Identifier: "admin", Name: "Admin", Port: 9000, Endpoint: &yes}}, additional,
			[]stackfile.Host{{Identifier: "app", Name: "App", Port: 8000, Service: "web"}, {Identifier: "admin", Name: "Admin", Port: 9000, Endpoint: &yes, Service: "web"}}, ""},
		"added as a port": {nil, []stackfile.Host{{Identifier: "metrics", Port: 9000}}, additional,
			[]stackfile.Host{{Identifier: "metrics", Port: 9000, Service: "web", Internal: true}}, "port 9000 (metrics) has no public host; add endpoint: true"},
		"added, not public": {nil, []stackfile.Host{{Identifier: "metrics", Port: 9000, Endpoint: &no}}, additional,
			[]stackfile.Host{{Identifier: "metrics", Port: 9000, Endpoint: &no, Service: "web", Internal: true}}, ""},
		"added without port": {nil, []stackfile.Host{{Identifier: "x"}}, additional, nil, "host x is left out: it has no port"},
		"not supported":      {nil, []stackfile.Host{{Identifier: "x", Port: 1}}, nil, nil, "host x is left out: the package has fixed hosts only"},
		"fixed port": {legacy, []stackfile.Host{{Identifier: "app", Port: 1}}, nil,
			[]stackfile.Host{{Identifier: "app", Name: "Studio", Legacy: true, Link: legacy[0].Link, Service: "app"}}, "the port of host app stays as it is"},
		"twice in the package": {[]stackfile.Host{packaged[0], packaged[0]}, nil, nil, []stackfile.Host{{Identifier: "app", Name: "App", Port: 8000, Service: "app"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := append([]stackfile.Host(nil), test.packaged...)
			got, warnings := stackfile.MergeHosts(test.packaged, test.element, test.additional)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			said := strings.Join(warnings, "\n")
			if (said == "") != (test.warning == "") || !strings.HasPrefix(said, test.warning) {
				t.Errorf("warnings %q", said)
			}
			if diff := cmp.Diff(before, test.packaged); diff != "" {
				t.Errorf("the package's hosts were changed:\n%s", diff)
			}
		})
	}
}
