package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func guarded(t *testing.T, change func(*Route)) (*Proxy, *http.Header) {
	t.Helper()
	p := New(Config{Trusted: TrustedProxies{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	t.Cleanup(p.Close)
	seen := new(http.Header)
	route := &Route{Targets: []Target{backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { *seen = r.Header })}}
	change(route)
	p.Swap(&Table{Hosts: map[string]*Route{testHost: route}})
	return p, seen
}

func askFrom(p *Proxy, peer string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
	r.RemoteAddr = peer + ":4000"
	change(r)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestAllowedNetworksOnly(t *testing.T) {
	p, _ := guarded(t, func(r *Route) { r.Allow = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Forwarded-For", address) }
	}
	for _, c := range []struct {
		peer   string
		change func(*http.Request)
		want   int
	}{
		{"198.51.100.7", func(*http.Request) {}, http.StatusOK},
		{"203.0.113.1", func(*http.Request) {}, http.StatusForbidden},
		{"203.0.113.1", from("198.51.100.7"), http.StatusForbidden}, // a stranger's word
		{"10.0.0.1", from("198.51.100.7"), http.StatusOK},
		{"10.0.0.1", from("203.0.113.1"), http.StatusForbidden},
		{"10.0.0.1", from("198.51.100.7, 203.0.113.1"), http.StatusForbidden},
	} {
		if w := askFrom(p, c.peer, c.change); w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.peer, w.Code, c.want)
		}
	}
}

func TestAPasswordIsAskedForAndNotPassedOn(t *testing.T) {
	p, seen := guarded(t, func(r *Route) {
		r.Password = func(name, password string) bool { return name == "ada" && password == "secret: ü" }
	})
	for _, c := range []struct {
		change func(*http.Request)
		want   int
	}{
		{func(*http.Request) {}, http.StatusUnauthorized},
		{func(r *http.Request) { r.SetBasicAuth("ada", "wrong") }, http.StatusUnauthorized},
		{func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusUnauthorized},
		{func(r *http.Request) { r.SetBasicAuth("ada", "secret: ü") }, http.StatusOK},
	} {
		w := askFrom(p, "203.0.113.1", c.change)
		if w.Code != c.want {
			t.Errorf("%d, want %d", w.Code, c.want)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge == `Basic realm="`+testHost+`", charset="UTF-8"`) != (c.want == http.StatusUnauthorized) {
			t.Errorf("challenge %q", challenge)
		}
	}
	if got := seen.Get("Authorization"); got != "" {
		t.Errorf("the application got %s", got)
	}
}

func TestStrangersAreNotHeld(t *testing.T) {
	p, _ := guarded(t, func(r *Route) {
		r.Targets, r.Hold, r.Password = nil, time.Hour, func(string, string) bool { return false }
	})
	if w := askFrom(p, "203.0.113.1", func(*http.Request) {}); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "password") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestARedirectIsNotGuarded(t *testing.T) {
	p, _ := guarded(t, func(r *Route) {
		r.Redirect, r.Password = "other.test", func(string, string) bool { return false }
	})
	if w := askFrom(p, "203.0.113.1", func(*http.Request) {}); w.Code != http.StatusPermanentRedirect {
		t.Errorf("%d", w.Code)
	}
}
