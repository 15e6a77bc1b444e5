package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func metricsOf(t *testing.T, p *Proxy) string {
	t.Helper()
	var out strings.Builder
	if err := p.WriteMetrics(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMetricsCountWhatHappens(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	g := newGate()
	target := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			g.ServeHTTP(w, r)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	p.Swap(table(7, target))
	for _, path := range []string{"/", "/", "/broken"} {
		get(t, server, path)
	}
	p.Swap(table(8, target)) // counts go on
	done := make(chan struct{})
	go func() { defer close(done); get(t, server, "/wait") }()
	<-g.arrived
	has := func(lines ...string) {
		t.Helper()
		text := metricsOf(t, p)
		for _, line := range lines {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("no %q in:\n%s", line, text)
			}
		}
	}
	eventually(t, "the last one is counted", func() bool { return strings.Contains(metricsOf(t, p), `status="5xx"} 1`) })
	has("berth_proxy_table_version 8", "berth_proxy_held_requests 0", "berth_proxy_draining_targets 0",
		`berth_proxy_requests_total{host="web.example.test",status="2xx"} 2`,
		`berth_proxy_requests_in_flight{host="web.example.test"} 1`,
		`berth_proxy_request_duration_seconds_bucket{host="web.example.test",le="+Inf"} 3`,
		`berth_proxy_request_duration_seconds_count{host="web.example.test"} 3`)
	p.Swap(holding(9, time.Hour))
	held := make(chan struct{})
	go func() { defer close(held); get(t, server, "/") }()
	eventually(t, "one is held", func() bool { return p.Held() == 1 })
	has("berth_proxy_held_requests 1", "berth_proxy_draining_targets 1")
	close(g.leave)
	p.Swap(table(10, target))
	<-done
	<-held
	if strings.Contains(metricsOf(t, p), "nowhere.test") {
		t.Error("a host that a stranger made up")
	}
}

func TestTimesFallIntoTheirBuckets(t *testing.T) {
	var c tally
	for _, took := range []time.Duration{0, 5 * time.Millisecond, 6 * time.Millisecond, time.Hour} {
		c.add(200, took)
	}
	c.add(101, time.Hour)
	if c.buckets[0].Load() != 2 || c.buckets[1].Load() != 1 || c.buckets[len(bounds)].Load() != 1 || c.classes[1].Load() != 1 {
		t.Errorf("%v", &c)
	}
}
