package sqlite

import (
	"errors"
	"reflect"
	"testing"

	"github.com/berth-dev/berth"
)

// TestForeignPersonSeesNothing walks every method that takes a scope, found by reflection: one that
// is added later and forgets its scope fails here.
func TestForeignPersonSeesNothing(t *testing.T) {
	s := open(t)
	p, d, ada := world(t, s)
	update(t, s, func(tx *Tx) error {
		_, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseServing})
		return err
	})
	eve, other := berth.Person{ID: berth.NewID(), Name: "eve"}, berth.Project{ID: berth.NewID(), Name: "other"}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.CreatePerson(eve), tx.CreateProject(other),
			tx.PutMembership(berth.Membership{Person: eve.ID, Project: other.ID, Role: berth.RoleOwner}))
	})
	// What each method is asked for, besides its scope.
	asked := map[string][]any{
		"Project": {p.Name}, "ProjectByID": {p.ID}, "Projects": {},
		"Deployment": {d.Slug}, "DeploymentByID": {d.ID}, "Deployments": {p.ID},
		"ObservedAll": {}, "LatestReleases": {}, "ServingReleases": {},
		"Events": {d.ID, int64(0), 0},
	}
	lists := map[string]bool{"Projects": true, "ObservedAll": true, "LatestReleases": true, "ServingReleases": true}

	methods := reflect.TypeFor[*Tx]()
	for i := range methods.NumMethod() {
		m := methods.Method(i)
		if m.Type.NumIn() < 2 || m.Type.In(1) != reflect.TypeFor[berth.Scope]() {
			continue
		}
		args, known := asked[m.Name]
		if !known {
			t.Errorf("%s takes a scope and is not tested here", m.Name)
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			call := func(scope berth.Scope) (result reflect.Value, err error) {
				view(t, s, func(tx *Tx) error {
					in := []reflect.Value{reflect.ValueOf(tx), reflect.ValueOf(scope)}
					for _, a := range args {
						in = append(in, reflect.ValueOf(a))
					}
					out := m.Func.Call(in)
					result = out[0]
					err, _ = out[1].Interface().(error)
					return nil
				})
				return result, err
			}
			for _, scope := range []berth.Scope{berth.Everything(), {Person: ada.ID}} {
				if v, err := call(scope); err != nil || v.IsZero() || (v.Kind() != reflect.Struct && v.Len() == 0) {
					t.Errorf("%+v may see it and got %v, %v", scope, v, err)
				}
			}
			for _, scope := range []berth.Scope{{Person: eve.ID}, {}} {
				v, err := call(scope)
				switch {
				case !lists[m.Name]:
					wantCode(t, err, berth.ENotFound)
				case err != nil:
					t.Error(err)
				case m.Name == "Projects":
					for _, seen := range v.Interface().([]berth.Project) {
						if seen.ID == p.ID {
							t.Errorf("%+v sees a foreign project", scope)
						}
					}
				case v.Len() != 0:
					t.Errorf("%+v sees %v", scope, v)
				}
			}
		})
	}
}

func TestForeignPersonSeesNoEventsOfOthers(t *testing.T) {
	s := open(t)
	_, _, ada := world(t, s)
	update(t, s, func(tx *Tx) error { return tx.AppendEvent(berth.Event{Kind: "server.started"}) })
	for scope, want := range map[berth.Scope]int{berth.Everything(): 2, {Person: ada.ID}: 1, {Person: berth.NewID()}: 0, {}: 0} {
		if events := get(t, s, func(tx *Tx) ([]berth.Event, error) { return tx.Events(scope, "", 0, 0) }); len(events) != want {
			t.Errorf("%+v sees %v", scope, events)
		}
	}
}

func TestBareNameWithinScope(t *testing.T) {
	s := open(t)
	_, prod, ada := world(t, s)
	hidden := berth.Project{ID: berth.NewID(), Name: "hidden"}
	twin := berth.Deployment{ID: berth.NewID(), ProjectID: hidden.ID, Name: "prod", Slug: "prod-hidden"}
	update(t, s, func(tx *Tx) error { return errors.Join(tx.CreateProject(hidden), tx.CreateDeployment(twin)) })
	find := func(scope berth.Scope, ref string) (d berth.Deployment, err error) {
		view(t, s, func(tx *Tx) error {
			d, err = tx.Deployment(scope, ref)
			return nil
		})
		return d, err
	}
	if d, err := find(berth.Scope{Person: ada.ID}, "prod"); d.ID != prod.ID || len(d.Hosts) != 1 || err != nil {
		t.Errorf("the only prod of ada's: %v, %v", d, err)
	}
	_, err := find(berth.Everything(), "prod")
	wantCode(t, err, berth.EInvalid)
	mustContain(t, err.Error(), "prod-hidden, prod-shop")
	if d, err := find(berth.Everything(), "prod-hidden"); d.ID != twin.ID || err != nil {
		t.Error(d, err)
	}
	_, err = find(berth.Scope{Person: ada.ID}, "prod-hidden")
	wantCode(t, err, berth.ENotFound)

	// A slug goes before another deployment's equal name.
	update(t, s, func(tx *Tx) error {
		return tx.CreateDeployment(berth.Deployment{ID: berth.NewID(), ProjectID: hidden.ID, Name: "prod-shop", Slug: "prod-shop-hidden"})
	})
	if d, err := find(berth.Everything(), "prod-shop"); d.ID != prod.ID || err != nil {
		t.Error(d, err)
	}
}
