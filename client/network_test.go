package client

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalhostNeedsNoResolver(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"console.berth.localhost", "Localhost", "a.localhost."} {
		conn, err := dial(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = conn.Close()
	}
	t.Setenv("HTTPS_PROXY", "http://proxy.test:1")
	r := httptest.NewRequest("GET", "https://console.berth.localhost/", nil)
	if via, err := proxy(r); via != nil || err != nil {
		t.Errorf("this machine is asked by way of %v, %v", via, err)
	}
	for host, want := range map[string]bool{"x.localhost.test": false, "notlocalhost": false, "localhost": true} {
		if isLocal(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}
