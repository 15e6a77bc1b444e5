package ingress

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
	"github.com/google/go-cmp/cmp"
)

func (w *world) namesPath() string {
	return filepath.Join(w.dir, "shop000000", "net", agentwire.NamesFile)
}

func (w *world) names() (names agentwire.Names) {
	w.t.Helper()
	data, err := os.ReadFile(w.namesPath())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &names); err != nil {
		w.t.Fatal(err)
	}
	return names
}

func TestNamesOfAServingDeployment(t *testing.T) {
	w := serving(t)
	want := agentwire.Names{
		Generation: 1, Core: "10.0.0.1",
		PublicHosts: []string{hostName(shopAPI), hostName(shopWeb)},
		Services: []agentwire.Service{
			{Element: "postgres", Name: "postgres", First: true, Addresses: []string{"10.0.0.6"}},
			{Element: "postgres", Name: "replica", Addresses: []string{"10.0.0.6"}},
			{Element: "web", Name: "app", First: true, Addresses: []string{"10.0.0.2"}},
			{Element: "api", Name: "app", First: true, Addresses: []string{"10.0.0.4"}},
		},
		Askers: []agentwire.Asker{{Address: "10.0.0.2", Element: "web"}, {Address: "10.0.0.4", Element: "api"}, {Address: "10.0.0.6", Element: "postgres"}},
	}
	if diff := cmp.Diff(want, w.names()); diff != "" {
		t.Error(diff)
	}
}

func service(t *testing.T, names agentwire.Names, element string) agentwire.Service {
	t.Helper()
	i := slices.IndexFunc(names.Services, func(s agentwire.Service) bool { return s.Element == element })
	if i < 0 {
		t.Fatalf("no service of %s", element)
	}
	return names.Services[i]
}

func TestARolloutSeesItsOwnInstances(t *testing.T) {
	w := serving(t)
	next := shopRelease(2, berth.ReleaseStarting, nil)
	next.Elements = append(next.Elements, berth.ReleaseElement{Identifier: "cache", Workloads: map[string]int{"app": 1},
		Services: []berth.ServiceName{{Element: "cache", Name: "app", Workload: "app"}}})
	w.store.releases["shop000000"] = append([]berth.Release{next}, w.store.releases["shop000000"]...)
	w.store.observed["shop000000"] = berth.Observed{Core: "10.0.0.1", Instances: []berth.InstanceStatus{
		instance("web", "w1", "10.0.0.2", unwanted), instance("api", "a1", "10.0.0.4", unwanted), instance("postgres", "p1", "10.0.0.6"),
		instance("web", "w2", "10.0.0.3", notReady), instance("api", "a2", "10.0.0.5"), instance("api", "a3", "10.0.0.15", notReady),
		instance("cache", "c1", "10.0.0.7"), instance("cache", "c0", "10.0.0.8", exited)}}
	w.refresh()
	names := w.names()
	for element, want := range map[string]agentwire.Service{
		// The old ones for everybody, the new ones for the rollout: ready ones, or starting ones if none is.
		"web": {Element: "web", Name: "app", First: true, Addresses: []string{"10.0.0.2"}, Next: []string{"10.0.0.3"}},
		"api": {Element: "api", Name: "app", First: true, Addresses: []string{"10.0.0.4"}, Next: []string{"10.0.0.5"}},
		// What both use is no matter of the rollout.
		"postgres": {Element: "postgres", Name: "postgres", First: true, Addresses: []string{"10.0.0.6"}},
		// What is new nobody else knows.
		"cache": {Element: "cache", Name: "app", First: true, Addresses: []string{}, Next: []string{"10.0.0.7"}},
	} {
		if diff := cmp.Diff(want, service(t, names, element)); diff != "" {
			t.Errorf("%s: %s", element, diff)
		}
	}
	next2 := map[string]bool{"10.0.0.3": true, "10.0.0.5": true, "10.0.0.15": true, "10.0.0.7": true}
	for _, a := range names.Askers {
		if a.Next != next2[a.Address] {
			t.Errorf("asker %s: next %v", a.Address, a.Next)
		}
		if a.Address == "10.0.0.8" {
			t.Error("what has exited may ask")
		}
	}
}

func TestStartingInstancesAreNamedWhileNoneIsReady(t *testing.T) {
	w := serving(t)
	w.store.observed["shop000000"] = berth.Observed{Instances: []berth.InstanceStatus{
		instance("web", "w1", "10.0.0.2", notReady), instance("web", "w9", "10.0.0.9", unwanted)}}
	w.refresh()
	if got := service(t, w.names(), "web").Addresses; !slices.Equal(got, []string{"10.0.0.2"}) {
		t.Errorf("got %v", got)
	}
	if got := service(t, w.names(), "api").Addresses; len(got) != 0 {
		t.Errorf("api: %v", got)
	}
}

func TestNamesAreWrittenOnlyWhenTheyChange(t *testing.T) {
	w := serving(t)
	look := func() fs.FileInfo {
		info, err := os.Stat(w.namesPath())
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := look()
	w.refresh()
	if !os.SameFile(first, look()) {
		t.Error("written again without a change")
	}
	if mode := first.Mode().Perm(); mode != 0o644 {
		t.Errorf("core's user cannot read it: %v", mode)
	}
	// The next start of the server finds it as it left it.
	w.Ingress = New(w.config)
	w.refresh()
	if !os.SameFile(first, look()) {
		t.Error("written again by the next start")
	}
	swapRelease(w)
	if os.SameFile(first, look()) || w.names().Generation != 2 {
		t.Error("not replaced by a change")
	}
	if err := os.Remove(w.namesPath()); err != nil {
		t.Fatal(err)
	}
	w.refresh()
	if w.names().Generation != 3 {
		t.Error("not written again after somebody took it away")
	}
	entries, err := os.ReadDir(filepath.Dir(w.namesPath()))
	if err != nil || len(entries) != 1 {
		t.Errorf("files left behind: %v %v", entries, err)
	}
}

func TestADamagedNameFileIsReplaced(t *testing.T) {
	w := serving(t)
	if err := os.WriteFile(w.namesPath(), []byte(`{"generation": 9, "ser`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Ingress = New(w.config)
	w.refresh()
	if w.names().Core != "10.0.0.1" {
		t.Error("still damaged")
	}
}

func TestADeletedDeploymentGetsNoNewFiles(t *testing.T) {
	w := serving(t)
	w.store.deployments[0].Desire = berth.DesireDelete
	if err := os.RemoveAll(filepath.Join(w.dir, "shop000000")); err != nil {
		t.Fatal(err)
	}
	w.refresh()
	if _, err := os.Stat(filepath.Join(w.dir, "shop000000")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the engine's removal was undone: %v", err)
	}
}

func TestAnUnwritableDirectoryDoesNotStopRoutes(t *testing.T) {
	w := serving(t)
	if err := os.RemoveAll(filepath.Join(w.dir, "shop000000")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "shop000000"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.store.deployments[0].Desire = berth.DesireStop
	if err := w.Refresh(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	if got := w.answer(shopWeb); got != "stopped" {
		t.Errorf("the table was not applied: %s", got)
	}
	if w.Drained("postgres-p1") {
		t.Error("the old file may still lead there")
	}
}

func TestUnusualPortsArePassedOn(t *testing.T) {
	w := serving(t)
	w.config.Ports = map[int]int{8443: 443}
	w.Ingress = New(w.config)
	w.refresh()
	if got := w.names(); got.Ports[8443] != 443 || got.Generation != 2 {
		t.Errorf("%+v", got)
	}
	w.refresh()
	if w.names().Generation != 2 {
		t.Error("written again without a change")
	}
}

func TestDeploymentsAreTold(t *testing.T) {
	w := serving(t)
	var told []berth.ID
	w.config.Deployments = func(ids []berth.ID) { told = ids }
	w.Ingress = New(w.config)
	w.refresh()
	if !slices.Equal(told, []berth.ID{"shop000000"}) {
		t.Errorf("told %v", told)
	}
	w.store.deployments[0].Desire = berth.DesireDelete
	w.refresh()
	if len(told) != 0 {
		t.Errorf("told %v of a deployment that is being deleted", told)
	}
}
