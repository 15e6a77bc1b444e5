package release

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
)

// wantedHost is a public host that an element's package or project file asks for.
type wantedHost struct{ element, identifier string }

// hosts makes sure that every wanted host has its stored row, and returns the rows of this release.
// A label is chosen once and never derived again; a clash is settled in the same transaction.
func (l *Loop) hosts(ctx context.Context, j *job, wanted []wantedHost) (rows []berth.Host, err error) {
	err = l.Store.Update(ctx, func(tx Tx) error {
		known, err := tx.Hosts(j.deployment.ID)
		if err != nil {
			return err
		}
		rows = nil
		seen := map[string]bool{}
		for _, w := range wanted {
			h, found := findHost(known, w)
			if !found {
				if h, err = addHost(tx, j, w, !seen[w.element]); err != nil {
					return err
				}
			}
			seen[w.element] = true
			h.Name, h.URL = l.HostName(h.Label), l.HostURL(h.Label)
			rows = append(rows, h)
		}
		return nil
	})
	return rows, err
}

func findHost(known []berth.Host, w wantedHost) (berth.Host, bool) {
	for _, h := range known {
		if h.Element == w.element && h.Identifier == w.identifier && h.RedirectTo == "" {
			return h, true
		}
	}
	return berth.Host{}, false
}

func addHost(tx Tx, j *job, w wantedHost, first bool) (berth.Host, error) {
	name := w.identifier
	if first {
		name = ""
	}
	label := berth.HostLabel(w.element, name, j.deployment.Slug)
	h := berth.Host{Deployment: j.deployment.ID, Element: w.element, Identifier: w.identifier, Label: label}
	err := tx.AddHost(h)
	if berth.CodeOf(err) == berth.EConflict {
		h.Label = berth.WithHash(label, fmt.Sprintf("%s/%s/%s", j.deployment.ID, w.element, w.identifier), berth.MaxLabel)
		err = tx.AddHost(h)
	}
	if err != nil {
		return h, fmt.Errorf("add host %s: %w", h.Label, err)
	}
	return h, nil
}
