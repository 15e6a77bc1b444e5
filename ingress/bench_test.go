package ingress

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/proxy"
)

// BenchmarkRefresh is one pass over a thousand deployments in which nothing changed.
func BenchmarkRefresh(b *testing.B) {
	store := newMemory()
	for n := range 1000 {
		d, hosts := shop(berth.KindBuild)
		d.ID = berth.ID(fmt.Sprintf("shop%06d", n))
		for i := range hosts {
			hosts[i].Deployment, hosts[i].Label = d.ID, fmt.Sprintf("%s-%d", hosts[i].Label, n)
		}
		r := shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1"))
		r.ID, r.Deployment, r.Elements = d.ID, d.ID, shopElements(hosts[0].Label, hosts[1].Label)
		store.deployments, store.hosts = append(store.deployments, d), append(store.hosts, hosts...)
		store.releases[d.ID] = []berth.Release{r}
		store.observed[d.ID] = berth.Observed{Core: "10.0.0.1", Instances: []berth.InstanceStatus{
			instance("web", "w1", "10.0.0.2"), instance("api", "a1", "10.0.0.4"), instance("postgres", "p1", "10.0.0.6")}}
	}
	p := proxy.New(proxy.Config{})
	defer p.Close()
	i := New(Config{Store: store, Dialer: &instances{}, Proxy: p, RunDir: b.TempDir(), HostName: hostName, Handlers: map[string]http.Handler{}})
	if err := i.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := i.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
