package sqlite

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// Whatever is renamed to whatever, and however much time goes by: every host has one label that nobody else has, and a
// former one leads to it, without a detour, for as long as was said and no longer.
func TestRenamedHostsAreAlwaysFound(t *testing.T) {
	const hosts, redirects = 3, 30 * 24 * time.Hour
	labels := []string{"a", "b", "c", "d", "e"}
	for seed := range uint64(20) {
		s := open(t)
		now := noon
		s.now = func() time.Time { return now }
		_, d, _ := world(t, s)
		r := rand.New(rand.NewPCG(seed, 0))
		current := map[string]string{} // label by identifier
		type former struct {
			identifier string
			until      time.Time
		}
		formers := map[string]former{}
		for i := range hosts {
			id := string(rune('x' + i))
			current[id] = labels[i]
			update(t, s, func(tx *Tx) error {
				return tx.AddHost(berth.Host{Deployment: d.ID, Element: "web", Identifier: id, Label: labels[i]})
			})
		}
		for range 40 {
			id, to := string(rune('x'+r.IntN(hosts))), labels[r.IntN(len(labels))]
			now = now.Add(time.Duration(r.IntN(20*24)) * time.Hour)
			from := current[id]
			if from == to {
				continue
			}
			taken := false
			for other, label := range current {
				taken = taken || other != id && label == to
			}
			if f, was := formers[to]; was && f.identifier != id && f.until.After(now) {
				taken = true
			}
			err := s.Update(t.Context(), func(tx *Tx) error { return tx.RenameHost(from, to, now.Add(redirects)) })
			if (err != nil) != taken || taken && berth.CodeOf(err) != berth.EConflict {
				t.Fatalf("seed %d: %s to %s: %v, taken %v", seed, from, to, err, taken)
			}
			if err == nil {
				current[id] = to
				delete(formers, to)
				formers[from] = former{id, now.Add(redirects)}
			}
			var order []string
			for _, h := range get(t, s, func(tx *Tx) ([]berth.Host, error) { return tx.Hosts(d.ID) }) {
				if h.Label != current[h.Identifier] && current[h.Identifier] != "" {
					t.Fatalf("seed %d: host %s is %s, want %s", seed, h.Identifier, h.Label, current[h.Identifier])
				}
				if current[h.Identifier] != "" {
					order = append(order, h.Identifier)
				}
			}
			if !slices.Equal(order, []string{"x", "y", "z"}) {
				t.Fatalf("seed %d: the hosts are in the order %v", seed, order)
			}
			for label, f := range formers {
				var h berth.Host
				err := s.View(t.Context(), func(tx *Tx) (err error) { h, err = tx.HostByLabel(label); return err })
				if !f.until.After(now) {
					if berth.CodeOf(err) != berth.ENotFound {
						t.Fatalf("seed %d: %s is there after its time: %v", seed, label, err)
					}
				} else if err != nil || h.RedirectTo != current[f.identifier] || h.Identifier != f.identifier {
					t.Fatalf("seed %d: %s leads to %+v (%v), want %s", seed, label, h, err, current[f.identifier])
				}
			}
		}
	}
}
