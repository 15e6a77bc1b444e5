package proxy

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTableDecidesWhatAnswers(t *testing.T) {
	p := newTestProxy(t)
	app := backend(t, "a", says("the application"))
	p.Swap(&Table{Version: 7, Hosts: map[string]*Route{
		testHost:           {Targets: []Target{app}},
		"console.test":     {Handler: says("the console")},
		"former.test":      {Redirect: testHost},
		"starting.test":    {Page: &Page{Code: "starting", Title: "Starting", Retry: 2e9, Refresh: true}},
		"nothing.test":     {},
		"MiXed.Case.test.": {Handler: says("mixed")},
	}})
	if p.Version() != 7 {
		t.Errorf("version %d", p.Version())
	}
	server := front(t, p)
	for _, c := range []struct {
		host, path string
		status     int
		body       string
		location   string
	}{
		{testHost, "/", 200, "the application", ""},
		{"WEB.example.test.:8443", "/", 200, "the application", ""},
		{"console.test", "/", 200, "the console", ""},
		{"mixed.case.test", "/", 200, "mixed", ""},
		{"starting.test", "/", 503, "Starting", ""},
		{"nothing.test", "/", 503, "Not available", ""},
		{"unknown.test", "/", 404, "There is nothing here", ""},
		{"", "/", 404, "There is nothing here", ""},
		{"former.test", "/a%2Fb?x=1;y", 308, "", "http://" + testHost + "/a%2Fb?x=1;y"},
		{"former.test:8443", "//evil.test/..", 308, "", "http://" + testHost + ":8443//evil.test/.."},
	} {
		r := request(t, server, http.MethodGet, c.path, nil)
		r.Host = c.host
		if c.host == "" {
			r.Host = "-"
		}
		response, body := do(t, server, r)
		if response.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", c.host, response.StatusCode, c.status)
		}
		contains(t, body, c.body)
		if got := response.Header.Get("Location"); got != c.location {
			t.Errorf("%s: Location %q, want %q", c.host, got, c.location)
		}
	}
}

func TestPlainHTTPRedirectsExceptWhereItMayAnswer(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(&Table{Hosts: map[string]*Route{
		"tls.test":        {Handler: says("over tls")},
		"plain.localhost": {Handler: says("plain"), PlainHTTP: true},
	}})
	for _, c := range []struct {
		port     int
		host     string
		status   int
		location string
	}{
		{443, "tls.test:80", 308, "https://tls.test/p%20q?z"},
		{8443, "tls.test", 308, "https://tls.test:8443/p%20q?z"},
		{443, "plain.localhost", 200, ""},
		{443, "unknown.test", 404, ""},
	} {
		server := front(t, p.Plain(c.port))
		r := request(t, server, http.MethodGet, "/p%20q?z", nil)
		r.Host = c.host
		response, _ := do(t, server, r)
		if response.StatusCode != c.status || response.Header.Get("Location") != c.location {
			t.Errorf("%s: %d %q, want %d %q", c.host, response.StatusCode, response.Header.Get("Location"), c.status, c.location)
		}
	}
}

func TestRedirectOfFormerHostKeepsTLS(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(&Table{Hosts: map[string]*Route{testHost: {Redirect: "new.test"}}})
	r := request(t, front(t, p), http.MethodPost, "/x", nil)
	r.RequestURI = "/x"
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "https://new.test/x" {
		t.Errorf("Location %q", got)
	}
}

func TestHostname(t *testing.T) {
	for in, want := range map[string]string{
		"a.test": "a.test", "A.Test.": "a.test", "a.test:443": "a.test", "a.test.:443": "a.test",
		"[::1]:80": "::1", "[::1]": "::1", "": "", ":80": "",
	} {
		if got := hostname(in); got != want {
			t.Errorf("hostname(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestApplicationsHidesHandlers(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(&Table{Hosts: map[string]*Route{
		testHost:       {Targets: []Target{backend(t, "a", says("the application"))}, PlainHTTP: true},
		"console.test": {Handler: says("the console"), PlainHTTP: true},
	}})
	for _, handler := range []http.Handler{p.Applications(), p.PlainApplications(443)} {
		server := front(t, handler)
		if _, body := get(t, server, "/"); body != "the application" {
			t.Errorf("application: %q", body)
		}
		for _, host := range []string{"console.test", "CONSOLE.test.", "console.test:443", "console.test.:1"} {
			r := request(t, server, http.MethodGet, "/", nil)
			r.Host = host
			if response, body := do(t, server, r); response.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d %q", host, response.StatusCode, body)
			}
		}
	}
}
