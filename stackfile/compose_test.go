package stackfile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berth-dev/berth/stackfile"
	"github.com/google/go-cmp/cmp"
)

func TestParseCompose(t *testing.T) {
	const text = `
x-env: &env {A: 1, B: two}
services:
  web:
    build: {context: ./web, dockerfile: Dockerfile.prod, target: run}
    command: [node, server.js, "it's", a$B, '']
    ports: ["80:3000/tcp", 127.0.0.1:8080:8081, 9, "${P:-1}:${Q:-2}", "1:${R}", {target: 70, published: 7}]
    expose: [12]
    environment:
      <<: *env
      B: 2
      C:
    volumes: [data:/data, ./a:/b:ro, /anonymous, {type: volume, source: x, target: /y}]
  api: {build: api, environment: [D=e=f, G], unknown: {deep: [1]}}
  db:
    image: postgres:17
    command: postgres -c x=1
  empty:
`
	got, err := stackfile.ParseCompose("compose.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Pos = stackfile.Position{}
	}
	want := []stackfile.ComposeService{
		{Name: "web", Build: true, Context: "./web", Dockerfile: "Dockerfile.prod", Command: `node server.js 'it'\''s' a$B ''`,
			Ports:       []string{"3000", "8081", "9", "${Q:-2}", "${R}", "70", "12"},
			Environment: []stackfile.ComposeVariable{{"A", "1", true}, {"B", "2", true}, {"C", "", false}},
			Volumes:     []stackfile.ComposeVolume{{"data", "/data"}, {"./a", "/b"}, {"", "/anonymous"}, {"x", "/y"}}},
		{Name: "api", Build: true, Context: "api", Environment: []stackfile.ComposeVariable{{"D", "e=f", true}, {"G", "", false}}},
		{Name: "db", Image: "postgres:17", Command: "postgres -c x=1"},
		{Name: "empty"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, part := range map[string]string{"services: [": "compose.yaml:1:", "version: '3'": "services: is missing", "- a": "must be a group of keys", "": "is empty"} {
		if _, err := stackfile.ParseCompose("compose.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseCompose(f *testing.F) {
	f.Add([]byte("services: {a: {build: ., ports: ['1:2'], environment: {A: b}, volumes: [x:/y], command: [a]}}"))
	f.Add([]byte("x: &x {a: *x}\nservices: {a: *x, b: {<<: *x}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := stackfile.ParseCompose("f", data)
		var all *stackfile.Errors
		if err != nil && (!errors.As(err, &all) || len(all.List) == 0) {
			t.Fatalf("not an error for people: %v", err)
		}
	})
}
