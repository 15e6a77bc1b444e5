package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// bounds are the upper ends of the histogram's buckets.
var bounds = [...]time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second}

// tally counts the requests of a host, for as long as some table has it. Upgraded connections count as
// requests, and not in the times.
type tally struct {
	classes  [6]atomic.Uint64 // by the first digit of the status
	buckets  [len(bounds) + 1]atomic.Uint64
	total    atomic.Int64 // nanoseconds
	inFlight atomic.Int64
}

func (t *tally) add(status int, took time.Duration) {
	t.classes[min(max(status/100, 0), 5)].Add(1)
	if status == 101 {
		return
	}
	at, _ := slices.BinarySearch(bounds[:], took)
	t.buckets[at].Add(1)
	t.total.Add(int64(took))
}

// InFlight counts the requests and upgraded connections at present, of the routes whose Key is of.
func (p *Proxy) InFlight(of func(key string) bool) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, route := range p.hosts {
		if route.Key != "" && of(route.Key) {
			n += route.tally.inFlight.Load()
		}
	}
	return n
}

// WriteMetrics writes what there is to measure in Prometheus' text format, version 0.0.4. Counters of a host
// begin anew when a table was without it.
func (p *Proxy) WriteMetrics(w io.Writer) error {
	p.mu.Lock()
	version, held, draining := p.version, p.held, 0
	for _, t := range p.targets {
		if t.left {
			draining++
		}
	}
	hosts := make(map[string]*tally, len(p.hosts))
	for name, route := range p.hosts {
		hosts[name] = route.tally
	}
	p.mu.Unlock()
	out := bufio.NewWriter(w)
	gauge := func(name, help string, value int64) {
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", name, help, name, name, value)
	}
	gauge("berth_proxy_table_version", "Version of the table of hosts that is applied.", version)
	gauge("berth_proxy_held_requests", "Requests that wait for an instance.", int64(held))
	gauge("berth_proxy_draining_targets", "Targets that get no more requests and still have some.", int64(draining))
	names := slices.Sorted(maps.Keys(hosts))
	writeClasses(out, names, hosts)
	writeInFlight(out, names, hosts)
	writeDurations(out, names, hosts)
	return out.Flush()
}

func writeClasses(out io.Writer, names []string, hosts map[string]*tally) {
	fmt.Fprint(out, "# HELP berth_proxy_requests_total Requests by host and class of status.\n# TYPE berth_proxy_requests_total counter\n")
	for _, name := range names {
		for class := 1; class <= 5; class++ {
			if n := hosts[name].classes[class].Load(); n > 0 {
				fmt.Fprintf(out, "berth_proxy_requests_total{host=%q,status=\"%dxx\"} %d\n", name, class, n)
			}
		}
	}
}

func writeInFlight(out io.Writer, names []string, hosts map[string]*tally) {
	fmt.Fprint(out, "# HELP berth_proxy_requests_in_flight Requests and upgraded connections at present.\n# TYPE berth_proxy_requests_in_flight gauge\n")
	for _, name := range names {
		fmt.Fprintf(out, "berth_proxy_requests_in_flight{host=%q} %d\n", name, hosts[name].inFlight.Load())
	}
}

func writeDurations(out io.Writer, names []string, hosts map[string]*tally) {
	fmt.Fprint(out, "# HELP berth_proxy_request_duration_seconds Time to the end of the answer.\n# TYPE berth_proxy_request_duration_seconds histogram\n")
	for _, name := range names {
		sum := uint64(0)
		for i := range hosts[name].buckets {
			sum += hosts[name].buckets[i].Load()
			le := "+Inf"
			if i < len(bounds) {
				le = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
			}
			fmt.Fprintf(out, "berth_proxy_request_duration_seconds_bucket{host=%q,le=%q} %d\n", name, le, sum)
		}
		total := time.Duration(hosts[name].total.Load()).Seconds()
		fmt.Fprintf(out, "berth_proxy_request_duration_seconds_sum{host=%q} %g\nberth_proxy_request_duration_seconds_count{host=%q} %d\n", name, total, name, sum)
	}
}
