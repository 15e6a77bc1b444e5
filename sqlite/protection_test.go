package sqlite

import (
	"testing"

	"github.com/berth-dev/berth"
)

func TestProtectionsAreReplacedAsAWhole(t *testing.T) {
	s := open(t)
	p, _, _ := world(t, s)
	for _, id := range []berth.ID{"one", "two"} {
		update(t, s, func(tx *Tx) error {
			return tx.CreateDeployment(berth.Deployment{ID: id, ProjectID: p.ID, Name: string(id), Slug: string(id) + "-slug", Desire: berth.DesireRun})
		})
	}
	all := berth.Protection{Deployment: "one", Hash: "x", Password: true}
	own := berth.Protection{Deployment: "one", Element: "web", Identifier: "app", Allow: []string{"10.0.0.0/8"}}
	update(t, s, func(tx *Tx) error { return tx.PutProtections("one", []berth.Protection{own, all}) })
	update(t, s, func(tx *Tx) error { return tx.PutProtections("two", []berth.Protection{all}) })
	update(t, s, func(tx *Tx) error { return tx.PutProtections("two", nil) })
	view(t, s, func(tx *Tx) error {
		got, err := tx.Protections("one")
		same(t, got, []berth.Protection{all, own})
		everyone, allErr := tx.AllProtections()
		same(t, everyone, got)
		if err != nil {
			return err
		}
		return allErr
	})
	update(t, s, func(tx *Tx) error { return tx.DeleteDeployment("one") })
	view(t, s, func(tx *Tx) error {
		if left, err := tx.AllProtections(); len(left) != 0 || err != nil {
			t.Errorf("left of a deleted deployment: %+v (%v)", left, err)
		}
		return nil
	})
}
