package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/api"
	"github.com/berth-dev/berth/client"
)

func TestOnlyOurHostsAndOrigins(t *testing.T) {
	s := newServer(t)
	token := s.ownerToken(t)
	host := strings.TrimPrefix(s.url, "https://")
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"plain client", func(*http.Request) {}, 200},
		{"console's name", func(r *http.Request) { r.Host = "console.test" }, 200},
		{"rebound name", func(r *http.Request) { r.Host = "evil.test" }, 421},
		{"own page", func(r *http.Request) {
			r.Header.Set("Origin", "https://"+host)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, 200},
		{"typed in", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, 200},
		{"another page", func(r *http.Request) { r.Header.Set("Origin", "https://app.console.test") }, 403},
		{"opaque origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"sibling application", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"another site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
	} {
		if got := s.do(t, request{method: "GET", path: "/api/v1/whoami"}, token, c.change); got.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.want)
		}
	}
}

func TestSocketIsForRootAndOwners(t *testing.T) {
	for _, c := range []struct {
		name   string
		owners []int
		uid    int
		want   int
	}{
		{"root", nil, 0, 200},
		{"owner", []int{1234}, 1234, 200},
		{"somebody else", []int{1234}, 4321, 401},
		{"unknown to the kernel", nil, -1, 401},
	} {
		handler := api.New(api.Config{
			Service: func(c berth.Caller) berth.Service { return whoService{name: c.Name} },
			Machine: func(context.Context) (berth.Caller, error) { return berth.Caller{Person: "p", Name: "ada"}, nil },
			OurHost: func(string) bool { return false }, OwnerUIDs: c.owners, Now: time.Now,
		})
		r := httptest.NewRequest("GET", "/api/v1/whoami", nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(api.PeerForTest(r.Context(), c.uid)))
		if w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

type whoService struct {
	berth.Service
	name string
}

func (s whoService) Whoami(context.Context) (berth.Whoami, error) {
	return berth.Whoami{Person: s.name}, nil
}

func TestHealthOverTheSocketOnly(t *testing.T) {
	s := newServer(t)
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	}}}
	defer c.CloseIdleConnections()
	answer, err := c.Get("http://berth/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || string(text) != "ok\n" {
		t.Fatalf("healthz: %d %q", answer.StatusCode, text)
	}
}

func TestLoginLinkWorksOnceAndVerifiesTheServer(t *testing.T) {
	s := newServer(t)
	link := func() string {
		t.Helper()
		l, err := s.control.As(s.owner).CreateLoginLink(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(l.URL.Reveal(), "https://console.test", s.url, 1)
	}
	login := func(text string) (client.Credentials, error) {
		l, err := client.ParseLink(text)
		if err != nil {
			t.Fatal(err)
		}
		return client.Login(t.Context(), l)
	}

	first := link()
	credentials, err := login(first)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, client.Config{URL: credentials.URL, CA: credentials.CA, Token: credentials.Token})
	who, err := c.Whoami(t.Context())
	mustBe(t, err, "ada", who.Person)
	_, err = login(first)
	mustFail(t, err, berth.EUnauthenticated, "this login link was used already, or its time is over: make a new one with berth login-link, or ask who sent it")

	// A server with another authority learns nothing: the link still works afterwards.
	second := link()
	at := strings.LastIndex(second, ".")
	_, err = login(second[:at+1] + strings.Repeat("ab", 32))
	if err == nil || !strings.Contains(err.Error(), "is not the one that made this link") {
		t.Fatalf("login with another fingerprint: %v", err)
	}
	if _, err = login(second); err != nil {
		t.Fatalf("the link was used up by a refused server: %v", err)
	}
}

func TestLoginsAreLimited(t *testing.T) {
	s := newServer(t)
	login := request{method: "POST", path: "/api/v1/login", body: []byte(`{"secret":"guess"}`), contentType: "application/json"}
	for i := range 10 {
		if got := s.do(t, login, berth.Secret{}); got.status != 401 {
			t.Fatalf("try %d: %d %s", i, got.status, got.body)
		}
	}
	if got := s.do(t, login, berth.Secret{}); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Fatalf("try 11: %d %s, want 429", got.status, got.body)
	}
}

func TestBodies(t *testing.T) {
	s := newServer(t)
	token := s.ownerToken(t)
	post := func(body string) response {
		return s.do(t, request{method: "POST", path: "/api/v1/projects", body: []byte(body), contentType: "application/json"}, token)
	}
	for _, c := range []struct {
		name, body  string
		status      int
		field, part string
	}{
		{"no JSON", `{`, 400, "", ""},
		{"unknown key", `{"name":"a","colour":"s3cret"}`, 422, "colour", "unexpected property"},
		{"missing key", `{}`, 422, "", "name"},
		{"wrong type", `{"name":1}`, 422, "name", "string"},
		{"our rule", `{"name":"A"}`, 422, "name", "lower-case"},
		{"too large", `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, 413, "", ""},
	} {
		got := post(c.body)
		if got.status != c.status || got.problem.Code != berth.EInvalid || !strings.Contains(got.problem.Field, c.field) || !strings.Contains(got.problem.Detail, c.part) {
			t.Errorf("%s: %d %.300s", c.name, got.status, got.body)
		}
		if strings.Contains(string(got.body), "s3cret") {
			t.Errorf("%s: the answer repeats what was sent: %s", c.name, got.body)
		}
	}
}

func TestUnknownErrorsStayInside(t *testing.T) {
	s := newServer(t)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.overSocket(t).Projects(t.Context())
	if berth.CodeOf(err) != berth.EInternal || strings.Contains(err.Error(), "sql") {
		t.Fatalf("a closed store is shown as %v", err)
	}
	if n := strings.Count(s.logs.String(), "\n"); n != 1 || !strings.Contains(s.logs.String(), "sql") {
		t.Fatalf("the log has %d lines: %s", n, s.logs)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	s := newServer(t)
	handler := api.New(api.Config{
		Service:      func(berth.Caller) berth.Service { return nil }, // every call panics
		Authenticate: func(context.Context, berth.Secret) (berth.Caller, error) { return berth.Caller{Person: "p"}, nil },
		OurHost:      func(string) bool { return true }, Now: time.Now, Log: s.log(),
	})
	for _, path := range []string{"/api/v1/whoami", "/api/v1/deployments/x/logs", "/api/v1/deployments/x/exec"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var p struct{ Code berth.Code }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 500 || p.Code != berth.EInternal {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
