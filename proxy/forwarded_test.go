package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestTrustedProxiesAreBelieved(t *testing.T) {
	for _, c := range []struct {
		name, trusted, peer string
		header              map[string]string
		client, proxies     string
		proto, host         string
	}{
		{"nobody is trusted", "", "10.0.0.1", map[string]string{"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}, "10.0.0.1", "", "http", testHost},
		{"one proxy", "1", "10.0.0.1", map[string]string{"X-Forwarded-For": "198.51.100.4", "X-Forwarded-Proto": "https"}, "198.51.100.4", "10.0.0.1", "https", testHost},
		{"what its client made up", "1", "10.0.0.1", map[string]string{"X-Forwarded-For": "6.6.6.6, 7.7.7.7, 198.51.100.4"}, "198.51.100.4", "10.0.0.1", "http", testHost},
		{"two", "2", "10.0.0.1", map[string]string{"X-Forwarded-For": "6.6.6.6, 198.51.100.4,10.0.0.2", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "shop.test, inner.test"}, "198.51.100.4", "10.0.0.2, 10.0.0.1", "https", "shop.test"},
		{"two, of which one asks itself", "2", "10.0.0.1", map[string]string{"X-Forwarded-For": "198.51.100.4"}, "198.51.100.4", "10.0.0.1", "http", testHost},
		{"networks", "10.0.0.0/8, 192.0.2.1", "192.0.2.1", map[string]string{"X-Forwarded-For": "6.6.6.6, 198.51.100.4, 10.9.9.9"}, "198.51.100.4", "10.9.9.9, 192.0.2.1", "http", testHost},
		{"outside of the networks", "10.0.0.0/8", "198.51.100.4", map[string]string{"X-Forwarded-For": "10.0.0.7", "X-Forwarded-Proto": "https"}, "198.51.100.4", "", "http", testHost},
		{"an address inside that a stranger claims", "10.0.0.0/8", "10.0.0.1", map[string]string{"X-Forwarded-For": "10.0.0.7, 198.51.100.4"}, "198.51.100.4", "10.0.0.1", "http", testHost},
		{"no address", "1", "10.0.0.1", map[string]string{"X-Forwarded-For": "unknown, <script>"}, "10.0.0.1", "", "http", testHost},
		{"with a port, and IPv6", "1", "::ffff:10.0.0.1", map[string]string{"X-Forwarded-For": "[2001:db8::1]:4000"}, "2001:db8::1", "10.0.0.1", "http", testHost},
		{"nonsense", "1", "10.0.0.1", map[string]string{"X-Forwarded-For": "198.51.100.4", "X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "a.test/../<b>"}, "198.51.100.4", "10.0.0.1", "http", testHost},
		{"Forwarded is not believed", "1", "10.0.0.1", map[string]string{"Forwarded": "for=6.6.6.6;proto=https"}, "10.0.0.1", "", "http", testHost},
	} {
		t.Run(c.name, func(t *testing.T) {
			trusted, err := ParseTrustedProxies(c.trusted)
			if err != nil {
				t.Fatal(err)
			}
			records := make(chan Record, 1)
			p := New(Config{Trusted: trusted, Record: func(r Record) { records <- r }})
			t.Cleanup(p.Close)
			var seen http.Header
			p.Swap(keyed(backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })))
			r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
			r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(c.peer), 5000).String()
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			p.ServeHTTP(httptest.NewRecorder(), r)
			way := c.client
			node := func(address string) string {
				if strings.Contains(address, ":") {
					return `"[` + address + `]"`
				}
				return address
			}
			forwarded := "for=" + node(c.client) + `;host="` + c.host + `";proto=` + c.proto
			if c.proxies != "" {
				way += ", " + c.proxies
				for proxy := range strings.SplitSeq(c.proxies, ", ") {
					forwarded += ", for=" + node(proxy)
				}
			}
			for name, want := range map[string]string{"X-Forwarded-For": way, "X-Forwarded-Proto": c.proto, "X-Forwarded-Host": c.host, "X-Real-Ip": c.client, "Forwarded": forwarded} {
				if got := strings.Join(seen[name], "|"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if got := (<-records).Client.String(); got != c.client {
				t.Errorf("recorded as %s", got)
			}
		})
	}
}

func TestContainersAreNobodysProxy(t *testing.T) {
	p := New(Config{Trusted: TrustedProxies{Count: 1}})
	t.Cleanup(p.Close)
	var seen http.Header
	p.Swap(table(1, backend(t, "a", func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })))
	r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
	r.RemoteAddr = "172.20.0.3:4000"
	r.Header.Set("X-Forwarded-For", "6.6.6.6")
	p.Applications().ServeHTTP(httptest.NewRecorder(), r)
	if got := seen.Get("X-Forwarded-For"); got != "172.20.0.3" {
		t.Errorf("X-Forwarded-For: %s", got)
	}
}

// TestTLSThatEndedInFrontIsNotAskedForAgain would be a loop of redirects.
func TestTLSThatEndedInFrontIsNotAskedForAgain(t *testing.T) {
	p := New(Config{Trusted: TrustedProxies{Count: 1}})
	t.Cleanup(p.Close)
	p.Swap(table(1, backend(t, "a", says("answered"))))
	for _, c := range []struct {
		proto string
		front http.Handler
		want  int
	}{
		{"https", p.Plain(443), http.StatusOK}, {"http", p.Plain(443), http.StatusPermanentRedirect},
		{"https", p.PlainApplications(443), http.StatusPermanentRedirect},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
		r.Header.Set("X-Forwarded-For", "198.51.100.4")
		r.Header.Set("X-Forwarded-Proto", c.proto)
		w := httptest.NewRecorder()
		c.front.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.proto, w.Code, c.want)
		}
	}
}

func TestOurOwnHandlersSeeTheClient(t *testing.T) {
	p := New(Config{Trusted: TrustedProxies{Count: 1}})
	t.Cleanup(p.Close)
	var seen string
	p.Swap(&Table{Hosts: map[string]*Route{testHost: {Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr })}}})
	r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.4")
	p.ServeHTTP(httptest.NewRecorder(), r)
	if seen != "198.51.100.4:0" {
		t.Error(seen)
	}
}

func TestParseTrustedProxies(t *testing.T) {
	for _, text := range []string{"-1", "17", "10.0.0.0/33", "nobody", "10.0.0.1,", "1,2"} {
		if got, err := ParseTrustedProxies(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
	if got, err := ParseTrustedProxies(" 10.1.2.3/8 ,2001:db8::1"); err != nil || got.Networks[0].String() != "10.0.0.0/8" || got.Networks[1].String() != "2001:db8::1/128" {
		t.Errorf("%v %v", got, err)
	}
}

// FuzzOrigin holds that nothing a client says ends up where it could mean something else.
func FuzzOrigin(f *testing.F) {
	f.Add("1.2.3.4, 5.6.7.8", "https,http", "a.test, b.test:80")
	f.Add(`"[::1]:80", for=x`, "HTTPS", "a b\r\nX: y")
	f.Fuzz(func(t *testing.T, clients, proto, host string) {
		r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
		r.Header = http.Header{"X-Forwarded-For": {clients}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}}
		o := TrustedProxies{Count: 3}.originOf(r)
		if !o.client.IsValid() || o.proto != "http" && o.proto != "https" || strings.ContainsAny(o.host, "\r\n\"<>;, /\\") || len(o.proxies) > 3 {
			t.Errorf("%+v", o)
		}
	})
}
