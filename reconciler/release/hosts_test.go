package release_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

func (b *bench) hosts(of berth.ID) (all []berth.Host) {
	b.Helper()
	b.view(func(tx *sqlite.Tx) (err error) { all, err = tx.Hosts(of); return err })
	return all
}

func TestAPortComesFromWhatTheImageExposes(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	b.prepare(prod, id)
	b.build(id, 7000, 9000)
	e := element(b.prepare(prod, id), "web")
	if len(e.Routes) != 1 || e.Routes[0].Port != 7000 || e.Routes[0].Host != "web-prod-shop.berth.test" {
		t.Errorf("routes %+v", e.Routes)
	}
	for _, p := range e.Parameters { // the internal endpoint names the port, too
		if p.Name == "APP_INTERNAL_ENDPOINT" && !strings.HasSuffix(p.Value, ":7000") {
			t.Errorf("%s is %s", p.Name, p.Value)
		}
	}
}

func TestAPortThatNothingTellsIsAskedFor(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	id := b.ask(prod, "c1")
	b.prepare(prod, id)
	b.build(id) // exposes nothing
	b.wantFailed(b.prepare(prod, id), "web: host app has no port", "EXPOSE", "diploi.yaml")
}

func TestAHostKeepsItsLabelThroughAllReleases(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.commit("c2", "diploi.yaml", head+api+web, "web/Dockerfile", from, "api/Dockerfile", from)
	b.complete(prod, "c1")
	first := b.hosts(prod)
	b.update(func(tx *sqlite.Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), prod)
		if err != nil {
			return err
		}
		d.Name = "renamed"
		return tx.UpdateDeployment(d)
	})
	b.complete(prod, "c2")
	b.complete(prod, "c1")
	now := b.hosts(prod)
	if len(first) != 1 || len(now) != 2 || now[0].Label != first[0].Label || now[1].Element != "api" {
		t.Errorf("first %+v, now %+v", first, now)
	}
}

func TestALabelThatIsTakenGetsAHash(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.update(func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: dev, Element: "other", Identifier: "app", Label: "web-prod-shop"})
	})
	r := b.complete(prod, "c1")
	hosts := b.hosts(prod)
	if len(hosts) != 1 || hosts[0].Label == "web-prod-shop" || !strings.HasPrefix(hosts[0].Label, "web-prod-shop-") {
		t.Fatalf("hosts %+v", hosts)
	}
	if route := element(r, "web").Routes[0]; route.Host != hosts[0].Label+".berth.test" {
		t.Errorf("the route's host is %s, the row's label %s", route.Host, hosts[0].Label)
	}
	label := hosts[0].Label
	b.complete(prod, "c1")
	if hosts := b.hosts(prod); len(hosts) != 1 || hosts[0].Label != label {
		t.Errorf("the next release has %+v", hosts)
	}
}

func TestTwoHostsOfOneElementAreToldApart(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+"  - {name: Web, identifier: web, package: dockerfile, hosts: [{name: Admin, identifier: admin, port: 9000, endpoint: true}]}\n", "web/Dockerfile", from)
	b.complete(prod, "c1")
	hosts := b.hosts(prod)
	if len(hosts) != 2 || hosts[0].Label != "web-prod-shop" || hosts[1].Label != "web-admin-prod-shop" {
		t.Errorf("hosts %+v", hosts)
	}
}
