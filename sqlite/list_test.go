package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// crowd stores n deployments of 20 projects, as busy as real ones.
func crowd(tb testing.TB, s *Store, n int) {
	tb.Helper()
	update(tb, s, func(tx *Tx) error {
		var projects []berth.ID
		for i := range 20 {
			p := berth.Project{ID: berth.NewID(), Name: fmt.Sprintf("project-%d", i), Stages: berth.DefaultStages()}
			projects = append(projects, p.ID)
			if err := tx.CreateProject(p); err != nil {
				return err
			}
		}
		for i := range n {
			if err := busy(tx, projects[i%len(projects)], i); err != nil {
				return err
			}
		}
		return nil
	})
}

func busy(tx *Tx, project berth.ID, i int) error {
	d := berth.Deployment{ID: berth.NewID(), ProjectID: project, Name: fmt.Sprintf("d%d", i), Slug: fmt.Sprintf("d%d-p", i),
		Stage: "production", Kind: berth.KindBuild, Branch: "main", Size: "M", Desire: berth.DesireRun}
	errs := []error{tx.CreateDeployment(d)}
	var o berth.Observed
	for _, element := range []string{"web", "api", "postgres"} {
		errs = append(errs, tx.AddHost(berth.Host{Deployment: d.ID, Element: element, Label: element + "-" + d.Slug}))
		instance := berth.InstanceStatus{ID: string(berth.NewID()), Element: element, Workload: "app", Run: 3, State: berth.InstanceRunning,
			Ready: true, Wanted: true, StartedAt: noon}
		o.Elements = append(o.Elements, berth.ElementStatus{Identifier: element, Kind: berth.KindComponent, Status: berth.Green,
			Reason: "Ready", Message: "1 of 1 instances is ready", Instances: []berth.InstanceStatus{instance}})
		o.Instances = append(o.Instances, instance)
	}
	errs = append(errs, tx.PutObserved(d.ID, o))
	for revision := range 3 {
		state := berth.ReleaseSuperseded
		if revision == 2 {
			state = berth.ReleaseServing
		}
		_, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: state, Commit: "0123456789abcdef",
			Hashes:   map[string]string{"web/app": "1", "api/app": "2", "postgres/app": "3"},
			Elements: []berth.ReleaseElement{{Identifier: "web", Objects: make([]byte, 4096)}}})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// list is what GET /deployments asks of the store.
func list(tb testing.TB, s *Store, want int) {
	tb.Helper()
	view(tb, s, func(tx *Tx) error {
		scope := berth.Everything()
		deployments, err1 := tx.Deployments(scope, "")
		observed, err2 := tx.ObservedAll(scope)
		latest, err3 := tx.LatestReleases(scope)
		serving, err4 := tx.ServingReleases(scope)
		if len(deployments) != want || len(observed) != want || len(latest) != want || len(serving) != want || len(deployments[0].Hosts) != 3 {
			tb.Fatalf("%d deployments, %d observed, %d latest, %d serving", len(deployments), len(observed), len(latest), len(serving))
		}
		return errors.Join(err1, err2, err3, err4)
	})
}

func BenchmarkList1000(b *testing.B) {
	s := open(b)
	crowd(b, s, 1000)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		list(b, s, 1000)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func TestListOfMany(t *testing.T) {
	s := open(t)
	crowd(t, s, 40)
	list(t, s, 40)
}

// TestListsAreNeverStale changes everything that lists are made of, one after another, and looks
// each time through a View that has looked before.
func TestListsAreNeverStale(t *testing.T) {
	s := open(t)
	p, d, ada := world(t, s)
	var release berth.Release
	type seen struct {
		deployments     []berth.Deployment
		latest, serving map[berth.ID]berth.Release
		observed        map[berth.ID]berth.Observed
		version         string
	}
	look := func(scope berth.Scope) (x seen) {
		view(t, s, func(tx *Tx) (err error) {
			var err2, err3, err4, err5 error
			x.observed, err4 = tx.ObservedAll(scope)
			x.version, err5 = tx.ListVersion()
			x.deployments, err = tx.Deployments(scope, "")
			x.latest, err2 = tx.LatestReleases(scope)
			x.serving, err3 = tx.ServingReleases(scope)
			return errors.Join(err, err2, err3, err4, err5)
		})
		return x
	}
	steps := []struct {
		name   string
		change func(tx *Tx) error
		holds  func(x seen) bool
	}{
		{"rename deployment", func(tx *Tx) error { d.Name = "b"; return tx.UpdateDeployment(d) },
			func(x seen) bool { return x.deployments[0].Name == "b" }},
		{"rename project", func(tx *Tx) error { p.Name = "c"; return tx.UpdateProject(p) },
			func(x seen) bool { return x.deployments[0].Project == "c" }},
		{"add host", func(tx *Tx) error { return tx.AddHost(berth.Host{Deployment: d.ID, Label: "x"}) },
			func(x seen) bool { return len(x.deployments[0].Hosts) == 2 }},
		{"rename host", func(tx *Tx) error { return tx.RenameHost("x", "y", noon.Add(time.Hour)) },
			func(x seen) bool { return x.deployments[0].Hosts[1].Label == "y" }},
		{"delete host", func(tx *Tx) error { return tx.DeleteHost("y") },
			func(x seen) bool { return len(x.deployments[0].Hosts) == 1 }},
		{"create release", func(tx *Tx) (err error) {
			release, err = tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID})
			return err
		}, func(x seen) bool { return x.latest[d.ID].Revision == 1 && len(x.serving) == 0 }},
		{"serve release", func(tx *Tx) error { release.State = berth.ReleaseServing; return tx.UpdateRelease(release) },
			func(x seen) bool { return x.serving[d.ID].Revision == 1 }},
		{"observe", func(tx *Tx) error { return tx.PutObserved(d.ID, berth.Observed{Step: "one"}) },
			func(x seen) bool { return x.observed[d.ID].Step == "one" }},
		{"observe again", func(tx *Tx) error { return tx.PutObserved(d.ID, berth.Observed{Step: "two"}) },
			func(x seen) bool { return x.observed[d.ID].Step == "two" }},
		{"create deployment", func(tx *Tx) error {
			return tx.CreateDeployment(berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "z", Slug: "z"})
		}, func(x seen) bool { return len(x.deployments) == 2 }},
		{"delete deployment", func(tx *Tx) error { return tx.DeleteDeployment(d.ID) },
			func(x seen) bool { return len(x.deployments) == 1 && len(x.latest)+len(x.serving)+len(x.observed) == 0 }},
	}
	for _, step := range steps {
		before := look(berth.Everything())
		update(t, s, step.change)
		if x := look(berth.Everything()); x.version == before.version {
			t.Errorf("%s: the lists' version is still %q", step.name, x.version)
		}
		for _, scope := range []berth.Scope{berth.Everything(), {Person: ada.ID}} {
			if x := look(scope); !step.holds(x) {
				t.Errorf("%s: %+v sees %+v", step.name, scope, x)
			}
		}
	}
	if x := look(berth.Scope{Person: "nobody"}); len(x.deployments)+len(x.latest)+len(x.serving)+len(x.observed) != 0 {
		t.Errorf("nobody sees %+v", x)
	}
}

func TestListBelongsToItsCaller(t *testing.T) {
	s := open(t)
	world(t, s)
	read := func(tx *Tx) ([]berth.Deployment, error) { return tx.Deployments(berth.Everything(), "") }
	mine := get(t, s, read)
	mine[0].Hosts[0].URL, mine[0].Name, mine[0].Restarts["web"] = "changed", "changed", 99
	if d := get(t, s, read)[0]; d.Hosts[0].URL != "" || d.Name != "prod" || d.Restarts["web"] != 2 {
		t.Errorf("one caller's change reached another: %+v", d)
	}
}
