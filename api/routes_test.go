package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// The OpenAPI document is the list of routes, so that a new one cannot be left out of these walks.
type document struct {
	OpenAPI string                               `json:"openapi"`
	Paths   map[string]map[string]describedRoute `json:"paths"`

	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type describedRoute struct {
	RequestBody *struct {
		Content map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Additional any               `json:"additionalProperties"`
}

// request is one route with everything made up that it needs.
type request struct {
	method, path string
	pattern      string // method and path as they are described
	foreign      bool   // the path names something
	body         []byte
	contentType  string
}

var pathParameter = regexp.MustCompile(`\{[^}]+\}`)

func routes(t *testing.T, s *server, name func(parameter string) string) []request {
	t.Helper()
	var doc document
	response := s.do(t, request{method: "GET", path: "/openapi.json"}, s.ownerToken(t))
	if err := json.Unmarshal(response.body, &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("OpenAPI %q: %v", doc.OpenAPI, err)
	}
	var list []request
	for path, methods := range doc.Paths {
		for method, described := range methods {
			r := request{method: strings.ToUpper(method), foreign: pathParameter.MatchString(path)}
			r.pattern = r.method + " " + strings.TrimPrefix(path, apiwire.Prefix)
			r.path = pathParameter.ReplaceAllStringFunc(path, func(p string) string { return name(strings.Trim(p, "{}")) })
			if described.RequestBody != nil {
				for contentType, content := range described.RequestBody.Content {
					r.contentType = contentType
					if contentType == "application/json" {
						r.body, _ = json.Marshal(example(doc, content.Schema))
					} else {
						r.body = []byte(bundle)
					}
				}
			}
			list = append(list, r)
		}
	}
	if len(list) < 35 {
		t.Fatalf("only %d routes are described", len(list))
	}
	slices.SortFunc(list, func(a, b request) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return list
}

// example makes a value that a schema accepts, with an entry in every map and list.
func example(doc document, s schema) any {
	if s.Ref != "" {
		s = doc.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok && len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "object":
		value := map[string]any{}
		for name, property := range s.Properties {
			if _, isMap := property.Additional.(map[string]any); isMap || slices.Contains(s.Required, name) {
				value[name] = example(doc, property)
				if isMap {
					value[name] = map[string]any{"X_" + name: "x"} // no key twice
				}
			}
		}
		return value
	case "array":
		return []any{"x"}
	case "integer", "number":
		return 1
	case "boolean":
		return true
	}
	return "x"
}

type response struct {
	status  int
	body    []byte
	problem apiwire.Problem
	header  http.Header
}

func (s *server) ownerToken(t *testing.T) berth.Secret {
	t.Helper()
	_, secret, err := s.control.As(s.owner).CreateToken(t.Context(), berth.NewToken{Name: "walk"})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// do sends a request over TLS, as it is.
func (s *server) do(t *testing.T, r request, token berth.Secret, change ...func(*http.Request)) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, s.url+r.path, bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	for _, f := range change {
		f(req)
	}
	c := trusting(s.ca)
	defer c.CloseIdleConnections()
	answer, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out := response{status: answer.StatusCode, header: answer.Header}
	if out.body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), apiwire.ProblemType) {
		if err := json.Unmarshal(out.body, &out.problem); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestNoRouteAnswersNobody(t *testing.T) {
	s := newServer(t)
	nobodies := map[string]berth.Secret{
		"nothing": {}, "not ours": berth.NewSecret("x"), "unknown": berth.NewSecret("berth_AAAAAAAAAAAAAAAAAAAAAAAAAA"),
	}
	list := routes(t, s, func(string) string { return "x" })
	for _, path := range []string{"/", "/openapi.json", "/healthz", "/api", "/api/v1/absent", "/login", "/docs", "/schemas/Problem.json"} {
		list = append(list, request{method: "GET", path: path})
	}
	for _, r := range list {
		for who, token := range nobodies {
			got := s.do(t, r, token)
			if got.status != http.StatusUnauthorized || got.problem.Code != berth.EUnauthenticated || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %s: %d %s, want 401", r.method, r.path, who, got.status, got.body)
			}
		}
	}
}

// somebodys names what somebodysProject makes, by the parameter of a path.
func somebodys(d berth.Deployment, build, token berth.ID) map[string]string {
	return map[string]string{
		"project": "shop", "deployment": d.Slug, "element": "web", "volume": "data", "build": string(build), "token": string(token),
		"package": "nodejs", "mail": "mmmmmmmmmm", "domain": "shop.example.com", "person": "ada", "login": "aaaaaaaaaa", "key": "laptop",
	}
}

// personal tells routes to what no role on a project counts for.
func personal(r request) bool {
	return strings.Contains(r.path, "/tokens/") || strings.Contains(r.path, "/keys/") || strings.Contains(r.path, "/logins/") || strings.Contains(r.path, "/persons/")
}

func TestEveryRouteHidesWhatIsForeign(t *testing.T) {
	s := newServer(t)
	d, build, token := s.somebodysProject(t)
	foreign := somebodys(d, build, token)
	foreign["package"] = "cobol"
	mallory, secret := s.person(t, "mallory", berth.RoleNone)
	before := s.snapshot(t, d)
	walked := 0
	for _, r := range routes(t, s, func(p string) string { return foreign[p] }) {
		if !r.foreign {
			continue
		}
		walked++
		got := s.do(t, r, secret)
		if got.status != http.StatusNotFound || got.problem.Code != berth.ENotFound {
			t.Errorf("%s %s: %d %s, want 404", r.method, r.path, got.status, got.body)
		}
	}
	if walked < 25 {
		t.Fatalf("only %d routes name something", walked)
	}
	if after := s.snapshot(t, d); after != before {
		t.Errorf("somebody foreign changed\n%s to\n%s", before, after)
	}
	for _, list := range []func() (int, error){
		func() (int, error) { l, err := s.as(mallory).Projects(t.Context()); return len(l), err },
		func() (int, error) { l, err := s.as(mallory).Deployments(t.Context(), ""); return len(l), err },
		func() (int, error) {
			n := 0
			for e, err := range s.as(mallory).Events(t.Context(), berth.EventQuery{}) {
				if err != nil || e.Deployment != "" {
					return 1, err
				}
			}
			return n, nil
		},
	} {
		if n, err := list(); n != 0 || err != nil {
			t.Errorf("a list shows %d foreign things, %v", n, err)
		}
	}
}

// TestViewerMayOnlyRead walks every route as somebody who may read the project: what changes anything is
// refused, and nothing has changed.
func TestViewerMayOnlyRead(t *testing.T) {
	s := newServer(t)
	d, build, token := s.somebodysProject(t)
	foreign := somebodys(d, build, token)
	viewer, secret := s.person(t, "vera", berth.RoleNone)
	s.member(t, viewer.Person, d, berth.RoleViewer)
	before := s.snapshot(t, d)
	for _, r := range routes(t, s, func(p string) string { return foreign[p] }) {
		if !r.foreign || personal(r) || strings.HasSuffix(r.path, "/exec") || strings.HasSuffix(r.path, "/plan") {
			continue // a production deployment has no plan
		}
		got := s.do(t, r, secret)
		want := http.StatusForbidden
		if r.method == "GET" && !strings.Contains(r.path, "/mail") { // which may hold links that log somebody in
			want = http.StatusOK
		}
		if got.status != want {
			t.Errorf("%s %s as viewer: %d %s, want %d", r.method, r.path, got.status, got.body, want)
		}
	}
	if after := s.snapshot(t, d); after != before {
		t.Errorf("a viewer changed\n%s to\n%s", before, after)
	}
	c := s.overTLS(t, secret)
	_, err := c.Exec(t.Context(), d.Slug, berth.Exec{Command: []string{"cat"}, Stdout: io.Discard})
	if berth.CodeOf(err) != berth.EForbidden {
		t.Errorf("exec as viewer: %v, want forbidden", err)
	}
}
