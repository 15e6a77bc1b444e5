package sqlite

import (
	"errors"
	"testing"

	"github.com/berth-dev/berth"
)

func TestADomainBelongsToOneDeployment(t *testing.T) {
	s := open(t)
	p, _, _ := world(t, s)
	for _, id := range []berth.ID{"one", "two"} {
		update(t, s, func(tx *Tx) error {
			return tx.CreateDeployment(berth.Deployment{ID: id, ProjectID: p.ID, Name: string(id), Slug: string(id) + "-slug", Desire: berth.DesireRun})
		})
	}
	domain := berth.Domain{Name: "shop.example.com", Deployment: "one", Slug: "one-slug", ProjectID: p.ID, Project: p.Name, Element: "web", Identifier: "app", RedirectTo: "example.com", Token: "t", Message: "not yet"}
	update(t, s, func(tx *Tx) error { return tx.AddDomain(domain) })
	update(t, s, func(tx *Tx) error {
		again := domain
		again.Deployment = "two"
		if err := tx.AddDomain(again); berth.CodeOf(err) != berth.EConflict {
			t.Errorf("another deployment has it, too: %v", err)
		}
		again.Proven = true
		return errors.Join(expect(t, tx.UpdateDomain(again), berth.ENotFound), expect(t, tx.DeleteDomain(again), berth.ENotFound))
	})
	view(t, s, func(tx *Tx) error {
		got, err := tx.Domains("one")
		if len(got) != 1 || got[0].CreatedAt.IsZero() {
			t.Fatalf("%+v (%v)", got, err)
		}
		domain.CreatedAt = got[0].CreatedAt
		same(t, got[0], domain)
		return err
	})
	domain.Proven, domain.Message = true, ""
	update(t, s, func(tx *Tx) error { return tx.UpdateDomain(domain) })
	view(t, s, func(tx *Tx) error {
		got, err := tx.Domain(domain.Name)
		same(t, got, domain)
		return err
	})
	update(t, s, func(tx *Tx) error { return tx.DeleteDeployment("one") })
	view(t, s, func(tx *Tx) error {
		if left, err := tx.AllDomains(); len(left) != 0 || err != nil {
			t.Errorf("left of a deleted deployment: %+v (%v)", left, err)
		}
		return nil
	})
}

func TestADomainOfAProject(t *testing.T) {
	s := open(t)
	p, d, _ := world(t, s)
	domain := berth.Domain{Name: "*.apps.example.com", ProjectID: p.ID, Project: p.Name, Token: "t", Message: "not yet"}
	update(t, s, func(tx *Tx) error { return tx.AddDomain(domain) })
	domain.Proven, domain.Message = true, ""
	update(t, s, func(tx *Tx) error {
		stranger := domain
		stranger.ProjectID = "somebody"
		return errors.Join(tx.UpdateDomain(domain), expect(t, tx.UpdateDomain(stranger), berth.ENotFound), expect(t, tx.DeleteDomain(stranger), berth.ENotFound),
			expect(t, tx.AddDomain(domain), berth.EConflict))
	})
	view(t, s, func(tx *Tx) error {
		of, err := tx.ProjectDomains(p.ID)
		if len(of) != 1 {
			t.Fatalf("%+v (%v)", of, err)
		}
		domain.CreatedAt = of[0].CreatedAt
		same(t, of[0], domain)
		if own, err := tx.Domains(d.ID); len(own) > 0 || err != nil {
			t.Errorf("a deployment has it: %+v (%v)", own, err)
		}
		if all, err := tx.AllDomains(); len(all) != 1 || err != nil {
			t.Errorf("%+v (%v)", all, err)
		}
		return err
	})
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteDeployment(d.ID), tx.DeleteProject(p.ID)) })
	view(t, s, func(tx *Tx) error {
		return expect(t, func() error { _, err := tx.Domain(domain.Name); return err }(), berth.ENotFound)
	})
}

// expect turns an error of the wanted code into none.
func expect(t *testing.T, err error, code berth.Code) error {
	t.Helper()
	if berth.CodeOf(err) != code {
		t.Errorf("%v, want %s", err, code)
	}
	return nil
}
