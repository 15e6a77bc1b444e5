package sqlite

import (
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestADeliveryIsHeardOnce(t *testing.T) {
	s := open(t)
	p, _, _ := world(t, s)
	hook := berth.StoredHook{Project: p.ID, Path: "path", Sealed: []byte("sealed"), CreatedAt: time.Unix(1, 0).UTC()}
	update(t, s, func(tx *Tx) error { return tx.PutHook(hook) })
	hear := func(hash string, since time.Time) (first bool) {
		update(t, s, func(tx *Tx) (err error) { first, err = tx.HearHook(p.ID, hash, "a push", since); return err })
		return first
	}
	long := time.Unix(0, 0)
	if !hear("a", long) || hear("a", long) || !hear("b", long) {
		t.Error("a delivery is heard other than once")
	}
	view(t, s, func(tx *Tx) error {
		got, err := tx.HookByPath("path")
		if got.Heard != "a push" || got.HeardAt.IsZero() {
			t.Errorf("%+v", got)
		}
		return err
	})
	if !hear("a", time.Now().Add(100*365*24*time.Hour)) {
		t.Error("what was delivered long ago is remembered for ever")
	}
	hook.Path = "other"
	update(t, s, func(tx *Tx) error { return tx.PutHook(hook) })
	view(t, s, func(tx *Tx) error {
		if _, err := tx.HookByPath("path"); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("the former hook: %v", err)
		}
		return nil
	})
}
