package ingress

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// answers says who answers at the two hosts of the shop: an instance's id, or a page's code.
func (w *world) answers() (web, api string) { return w.answer(shopWeb), w.answer(shopAPI) }

func (w *world) answer(label string) string {
	status, body := w.get(label)
	if status == http.StatusOK {
		return body
	}
	var page struct{ Code string }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		w.t.Fatalf("%s: %d %q", label, status, body)
	}
	return page.Code
}

func TestWhoAnswers(t *testing.T) {
	const build, dev = berth.KindBuild, berth.KindDevelopment
	web1, web2 := instance("web", "w1", "10.0.0.2"), instance("web", "w2", "10.0.0.3")
	api1, api2 := instance("api", "a1", "10.0.0.4"), instance("api", "a2", "10.0.0.5")
	with := func(i berth.InstanceStatus, options ...func(*berth.InstanceStatus)) berth.InstanceStatus {
		for _, option := range options {
			option(&i)
		}
		return i
	}
	serving1 := shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1"))
	incomplete2 := berth.Release{ID: "release002", Deployment: "shop000000", Revision: 2, State: berth.ReleaseBuilding}
	for name, c := range map[string]struct {
		kind      berth.StageKind
		desire    berth.Desire
		releases  []berth.Release // newest first
		instances []berth.InstanceStatus
		web, api  string
	}{
		"nothing is there yet": {build, "", nil, nil, "starting", "starting"},
		"being built":          {build, "", []berth.Release{incomplete2}, nil, "starting", "starting"},
		"the first release, as instances come": {build, "", []berth.Release{shopRelease(1, berth.ReleaseStarting, nil)},
			[]berth.InstanceStatus{web1, with(api1, notReady)}, "web-w1", "starting"},
		"the first release failed": {build, "", []berth.Release{shopRelease(1, berth.ReleaseFailed, nil)}, nil, "failed", "failed"},
		"serving":                  {build, "", []berth.Release{serving1}, []berth.InstanceStatus{web1, api1}, "web-w1", "api-a1"},
		"serving, one died":        {build, "", []berth.Release{serving1}, []berth.InstanceStatus{web1, with(api1, exited)}, "web-w1", "starting"},
		"a new release is being built beside the serving one": {build, "", []berth.Release{incomplete2, serving1},
			[]berth.InstanceStatus{web1, api1}, "web-w1", "api-a1"},
		"a rollout is not seen before all of it is proven": {build, "", []berth.Release{shopRelease(2, berth.ReleaseStarting, nil), serving1},
			[]berth.InstanceStatus{with(web1, unwanted), with(api1, unwanted), web2, with(api2, notReady)}, "web-w1", "api-a1"},
		"all at once after it": {build, "", []berth.Release{shopRelease(2, berth.ReleaseServing, hashes("w2", "a2", "p1")), shopRelease(1, berth.ReleaseSuperseded, hashes("w1", "a1", "p1"))},
			[]berth.InstanceStatus{with(web1, unwanted), with(api1, unwanted), web2, api2}, "web-w2", "api-a2"},
		"a release that failed leaves the old one serving": {build, "", []berth.Release{shopRelease(2, berth.ReleaseFailed, nil), serving1},
			[]berth.InstanceStatus{web1, api1, with(web2, unwanted)}, "web-w1", "api-a1"},
		"development follows the newest, instance by instance": {dev, "", []berth.Release{shopRelease(2, berth.ReleaseStarting, nil), serving1},
			[]berth.InstanceStatus{with(web1, unwanted), with(api1, unwanted), web2, with(api2, notReady)}, "web-w2", "api-a1"},
		"development after a failed release": {dev, "", []berth.Release{shopRelease(2, berth.ReleaseFailed, nil), serving1},
			[]berth.InstanceStatus{web1, api1}, "web-w1", "api-a1"},
		"an older release is started while a newer one is prepared": {build, "", []berth.Release{incomplete2, shopRelease(1, berth.ReleaseStarting, nil)},
			[]berth.InstanceStatus{web1, api1}, "web-w1", "api-a1"},
		"without an address nobody can answer": {build, "", []berth.Release{serving1},
			[]berth.InstanceStatus{instance("web", "w1", ""), api1}, "starting", "api-a1"},
		"stopped":       {build, berth.DesireStop, []berth.Release{serving1}, []berth.InstanceStatus{web1, api1}, "stopped", "stopped"},
		"being deleted": {build, berth.DesireDelete, []berth.Release{serving1}, []berth.InstanceStatus{web1, api1}, "deleting", "deleting"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.instances.start(t, "web-w1", "web-w2", "api-a1", "api-a2")
			d, hosts := shop(c.kind)
			if c.desire != "" {
				d.Desire = c.desire
			}
			w.store.deployments, w.store.hosts = []berth.Deployment{d}, hosts
			if c.releases != nil {
				w.store.releases[d.ID] = c.releases
			}
			w.store.observed[d.ID] = berth.Observed{Instances: c.instances}
			w.refresh()
			if web, api := w.answers(); web != c.web || api != c.api {
				t.Errorf("web: %s, want %s; api: %s, want %s", web, c.web, api, c.api)
			}
		})
	}
}

func serving(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.instances.start(t, "web-w1", "api-a1", "web-w2", "api-a2")
	d, hosts := shop(berth.KindBuild)
	w.store.deployments, w.store.hosts = []berth.Deployment{d}, hosts
	w.store.releases[d.ID] = []berth.Release{shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1"))}
	w.store.observed[d.ID] = berth.Observed{Core: "10.0.0.1", Instances: []berth.InstanceStatus{
		instance("web", "w1", "10.0.0.2"), instance("api", "a1", "10.0.0.4"), instance("postgres", "p1", "10.0.0.6")}}
	w.refresh()
	return w
}

func TestARenamedHostKeepsWorking(t *testing.T) {
	w := serving(t)
	w.store.hosts[0].Label = "shop"
	w.store.hosts = append(w.store.hosts, berth.Host{Deployment: "shop000000", Element: "web", Label: shopWeb, RedirectTo: "shop", Until: w.clock.Add(time.Hour)})
	w.refresh()
	if got := w.answer("shop"); got != "web-w1" {
		t.Errorf("the new name: %s", got)
	}
	if status, _ := w.get(shopWeb); status != http.StatusPermanentRedirect {
		t.Errorf("the former name: %d", status)
	}
	w.clock = w.clock.Add(time.Hour)
	w.refresh()
	if got := w.answer(shopWeb); got != "unknown_host" {
		t.Errorf("the former name after its time: %s", got)
	}
	w.store.hosts = w.store.hosts[:2] // which is how the store tells of it
	w.refresh()
	if got := w.answer("shop"); got != "web-w1" {
		t.Errorf("the new name, with no release since: %s", got)
	}
}

// A release of before routes had identifiers is found by its label, so that an upgrade takes nothing down.
func TestRoutesOfOldReleasesAreFoundByTheirLabel(t *testing.T) {
	w := serving(t)
	old := shopRelease(2, berth.ReleaseServing, hashes("w1", "a1", "p1"))
	for _, e := range old.Elements {
		for i := range e.Routes {
			e.Routes[i].Identifier = ""
		}
	}
	w.store.releases[old.Deployment] = []berth.Release{old}
	w.refresh()
	if web, api := w.answer(shopWeb), w.answer(shopAPI); web != "web-w1" || api != "api-a1" {
		t.Errorf("%s, %s", web, api)
	}
}

func TestAnotherBaseDomainKeepsRoutes(t *testing.T) {
	w := serving(t)
	r := &w.store.releases["shop000000"][0]
	r.Elements = shopElements(shopWeb, shopAPI)
	for e := range r.Elements {
		for i := range r.Elements[e].Routes {
			r.Elements[e].Routes[i].Host = strings.Replace(r.Elements[e].Routes[i].Host, "berth.localhost", "old.example.com", 1)
		}
	}
	r.ID = "other00000"
	w.refresh()
	if web, api := w.answers(); web != "web-w1" || api != "api-a1" {
		t.Errorf("%s %s", web, api)
	}
}

func TestAReplicaTooManyIsNotRouted(t *testing.T) {
	w := serving(t)
	w.instances.start(t, "web-extra")
	extra := instance("web", "w1", "10.0.0.9")
	extra.ID, extra.Slot = "web-extra", 1
	o := w.store.observed["shop000000"]
	o.Instances = append(o.Instances, extra)
	w.store.observed["shop000000"] = o
	w.refresh()
	for range 4 {
		if got := w.answer(shopWeb); got != "web-w1" {
			t.Fatalf("%s answers", got)
		}
	}
	if !w.Drained("web-extra") {
		t.Error("it could never be stopped")
	}
}

func TestADomainServesOnceItIsProven(t *testing.T) {
	w := serving(t)
	const name = "shop.example.com"
	w.store.domains = []berth.Domain{
		{Name: name, Deployment: "shop000000", Element: "web", Identifier: "web"},
		{Name: hostName("console"), Deployment: "shop000000", Element: "web", Identifier: "web", Proven: true}, // however it came there
		{Name: "db.example.com", Deployment: "shop000000", Element: "postgres", Identifier: "app", Proven: true},
	}
	w.refresh()
	if w.Serves(name) || w.Serves("db.example.com") {
		t.Error("a name is served that is not proven, or that leads to no public host")
	}
	if got := w.answer("console"); got != "console" {
		t.Errorf("%s answers at the console's host", got)
	}
	w.store.domains[0].Proven = true
	w.refresh()
	if status, _ := w.getHost(name); status != http.StatusOK || !w.Serves(name) {
		t.Errorf("a proven name answers %d", status)
	}
	if hosts := w.names().PublicHosts; !slices.Contains(hosts, name) {
		t.Errorf("the deployment's own containers know %v", hosts)
	}
}

func TestAProjectsDomainLeadsToTheHostsOfItsDeployments(t *testing.T) {
	w := serving(t)
	w.store.deployments[0].ProjectID = "shop"
	w.store.hosts = append(w.store.hosts, berth.Host{Deployment: "shop000000", Element: "web", Identifier: "web", Label: "old", RedirectTo: shopWeb, Until: w.clock.Add(time.Hour)})
	const added = "api-main-shop.apps.example.com"
	w.store.domains = []berth.Domain{
		{Name: "*.apps.example.com", ProjectID: "shop"},
		{Name: "*.others.example.com", ProjectID: "other", Proven: true},
		{Name: added, Deployment: "shop000000", ProjectID: "shop", Element: "web", Identifier: "web", Proven: true},
	}
	w.refresh()
	if w.Serves(shopWeb + ".apps.example.com") {
		t.Error("a name below a domain that is not proven is served")
	}
	w.store.domains[0].Proven = true
	w.refresh()
	for host, want := range map[string]int{
		shopWeb + ".apps.example.com": http.StatusOK, "old.apps.example.com": http.StatusPermanentRedirect, added: http.StatusOK,
		shopWeb + ".others.example.com": http.StatusNotFound, "any.apps.example.com": http.StatusNotFound, "apps.example.com": http.StatusNotFound,
	} {
		if status, body := w.getHost(host); status != want || host == added && body != "web-w1" {
			t.Errorf("%s answers %d %s, want %d", host, status, body, want)
		}
	}
	if hosts := w.names().PublicHosts; !slices.Contains(hosts, shopAPI+".apps.example.com") {
		t.Errorf("the deployment's own containers know %v", hosts)
	}
	w.store.deployments[0].CreatedAt = w.clock
	w.store.domains[0].CreatedAt = w.clock.Add(time.Second)
	w.refresh()
	if w.Serves(shopWeb + ".apps.example.com") {
		t.Error("a deployment that was there before the domain has a name below it")
	}
}

func TestADomainRedirectsOnceBothAreProven(t *testing.T) {
	w := serving(t)
	w.store.domains = []berth.Domain{
		{Name: "shop.example.com", Deployment: "shop000000", Element: "web", Identifier: "web"},
		{Name: "www.shop.example.com", Deployment: "shop000000", Element: "web", Identifier: "web", RedirectTo: "shop.example.com", Proven: true},
	}
	w.refresh()
	if w.Serves("www.shop.example.com") {
		t.Error("it redirects to a name that does not serve")
	}
	w.store.domains[0].Proven = true
	w.refresh()
	if status, _ := w.getHost("www.shop.example.com"); status != http.StatusPermanentRedirect {
		t.Errorf("it answers %d, want a permanent redirect", status)
	}
}

func TestOurOwnHostsCannotBeTaken(t *testing.T) {
	w := serving(t)
	w.store.hosts = append(w.store.hosts, berth.Host{Deployment: "shop000000", Element: "web", Label: "console"})
	w.refresh()
	if got := w.answer("console"); got != "console" {
		t.Errorf("%s answers at the console's host", got)
	}
	for host, want := range map[string]bool{hostName("console"): true, hostName(shopWeb): true, hostName("other"): false, "berth.localhost": false, "": false} {
		if w.Serves(host) != want {
			t.Errorf("Serves(%q) = %v", host, !want)
		}
	}
}

func TestABrokenDeploymentLeavesTheOthersCorrect(t *testing.T) {
	w := serving(t)
	broken := berth.Deployment{ID: "broken0000", Slug: "broken", Kind: berth.KindBuild, Desire: berth.DesireRun}
	w.store.deployments = append([]berth.Deployment{broken}, w.store.deployments...)
	w.store.hosts = append(w.store.hosts, berth.Host{Deployment: broken.ID, Element: "web", Label: "broken"})
	w.store.releases[broken.ID] = []berth.Release{{ID: "damaged000", Deployment: broken.ID, State: berth.ReleaseServing, StartingAt: time.Unix(1, 0)}}
	w.store.unreadable["damaged000"] = true
	w.store.observed[broken.ID] = berth.Observed{Instances: []berth.InstanceStatus{instance("web", "b1", "10.1.0.2")}}
	// And something in the shop changes at the same time.
	w.store.releases["shop000000"] = []berth.Release{shopRelease(2, berth.ReleaseServing, hashes("w2", "a2", "p1"))}
	o := w.store.observed["shop000000"]
	o.Instances = append(o.Instances, instance("web", "w2", "10.0.0.7"), instance("api", "a2", "10.0.0.8"))
	w.store.observed["shop000000"] = o
	if err := w.Refresh(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	if web, api := w.answers(); web != "web-w2" || api != "api-a2" {
		t.Errorf("the shop: %s %s", web, api)
	}
	if got := w.answer("broken"); got != "unavailable" {
		t.Errorf("the broken one: %s", got)
	}
	if w.Drained("web-b1") {
		t.Error("an instance of a deployment that cannot be read counts as drained")
	}
}

func TestReleasesAreReadOnce(t *testing.T) {
	w := serving(t)
	w.refresh()
	w.refresh()
	if n := w.store.reads["release001"]; n != 1 {
		t.Errorf("read %d times", n)
	}
	// What is not in use any more is forgotten.
	w.store.releases["shop000000"] = []berth.Release{shopRelease(2, berth.ReleaseServing, hashes("w1", "a1", "p1"))}
	w.refresh()
	if len(w.shapes) != 1 {
		t.Errorf("%d releases are kept", len(w.shapes))
	}
}

func TestPagesTellVisitorsLessThanDevelopers(t *testing.T) {
	const reason = "exited with code 3: password is hunter2"
	for _, kind := range []berth.StageKind{berth.KindBuild, berth.KindDevelopment} {
		w := newWorld(t)
		d, hosts := shop(kind)
		failed := shopRelease(1, berth.ReleaseFailed, nil)
		failed.Message = reason
		w.store.deployments, w.store.hosts = []berth.Deployment{d}, hosts
		w.store.releases[d.ID] = []berth.Release{failed}
		w.refresh()
		status, body := w.get(shopWeb)
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "main-shop") {
			t.Errorf("%s: %d %s", kind, status, body)
		}
		if told := strings.Contains(body, "hunter2"); told != (kind == berth.KindDevelopment) {
			t.Errorf("%s: told the reason: %v", kind, told)
		}
	}
}

func TestRequestsAreRecordedForTheirDeploymentAndElement(t *testing.T) {
	w := serving(t)
	w.get(shopWeb)
	select {
	case r := <-w.records:
		deployment, request := RequestOf(r)
		if deployment != "shop000000" || request.Element != "web" || request.Instance != "web-w1" || request.Status != http.StatusOK || request.Host != hostName(shopWeb) {
			t.Errorf("%s %+v", deployment, request)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing is recorded")
	}
}

// What cannot run beside its replacement is waited for; what fails, and what is developed, is not.
func TestRequestsAreHeldWhileAnInstanceIsReplaced(t *testing.T) {
	serving := shopRelease(1, berth.ReleaseServing, hashes("w1", "a1", "p1"))
	red := berth.ElementStatus{Identifier: "web", Status: berth.Red}
	for name, c := range map[string]struct {
		kind     berth.StageKind
		releases []berth.Release
		elements []berth.ElementStatus
		held     bool
	}{
		"replaced":                 {berth.KindBuild, []berth.Release{serving}, nil, true},
		"failing":                  {berth.KindBuild, []berth.Release{serving}, []berth.ElementStatus{red}, false},
		"starting the first time":  {berth.KindBuild, []berth.Release{shopRelease(1, berth.ReleaseStarting, nil)}, nil, false},
		"replaced, in development": {berth.KindDevelopment, []berth.Release{serving}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Hold = 30 * time.Second
			w.instances.start(t, "web-w1")
			d, hosts := shop(c.kind)
			w.store.deployments, w.store.hosts = []berth.Deployment{d}, hosts
			w.store.releases[d.ID] = c.releases
			w.store.observed[d.ID] = berth.Observed{Elements: c.elements}
			w.refresh()
			answered := make(chan string, 1)
			go func() {
				_, body := w.get(shopWeb)
				answered <- body
			}()
			if !c.held {
				if body := <-answered; strings.Contains(body, "web-w1") {
					t.Errorf("answered %q", body)
				}
				return
			}
			for w.proxy.Held() == 0 {
				select {
				case body := <-answered:
					t.Fatalf("it was not held: %q", body)
				case <-time.After(time.Millisecond):
				}
			}
			w.store.observed[d.ID] = berth.Observed{Instances: []berth.InstanceStatus{instance("web", "w1", "10.0.0.2")}}
			w.refresh()
			if body := <-answered; body != "web-w1" {
				t.Errorf("answered %q", body)
			}
		})
	}
}
