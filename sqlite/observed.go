package sqlite

import (
	"bytes"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// PutObserved stores what the reconciler saw. Subscribers hear of it only when more than the time
// of looking differs, so that a loop that looks again does not wake itself.
func (tx *Tx) PutObserved(deployment berth.ID, o berth.Observed) error {
	before, err := tx.Observed(deployment)
	if err != nil {
		return err
	}
	if !sameButTime(before, o) {
		tx.touch(deployment)
	}
	if err := tx.changed(aboutObserved); err != nil {
		return err
	}
	_, err = tx.write("store observation", "the deployment is gone",
		`INSERT INTO observed (deployment, version, value) VALUES (?, 1, ?)
		 ON CONFLICT (deployment) DO UPDATE SET version = version + 1, value = excluded.value`, deployment, jsonOf{o})
	return err
}

// sameButTime compares two observations as they are stored.
func sameButTime(a, b berth.Observed) bool {
	a.At, b.At = time.Time{}, time.Time{}
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// Observed returns what was last seen of a deployment, the zero value when nothing was.
func (tx *Tx) Observed(deployment berth.ID) (berth.Observed, error) {
	o, _, err := one(tx, "read observation", scanObserved, `SELECT value FROM observed WHERE deployment = ?`, deployment)
	return o, err
}

func scanObserved(r row) (o berth.Observed, err error) {
	err = r.Scan(jsonInto{&o})
	return o, err
}

// ObservedAll returns what was last seen of every deployment within scope. The values are shared
// with other callers: read them, never write into their slices.
func (tx *Tx) ObservedAll(scope berth.Scope) (map[berth.ID]berth.Observed, error) {
	everything, err := tx.store.lists.observed.within(tx, aboutObserved, tx.allObserved)
	if err != nil || scope.All {
		return maps.Clone(everything), err
	}
	return ofScope(tx, scope, everything)
}

func (tx *Tx) allObserved() (map[berth.ID]berth.Observed, error) {
	present, err := all(tx, "list observations", scanObservedRow, `SELECT deployment, version, NULL FROM observed`)
	if err != nil {
		return nil, err
	}
	seen := make(map[berth.ID]berth.Observed, len(present))
	var unknown []berth.ID
	for _, r := range present {
		if o, ok := tx.store.observed.get(r.deployment, r.version); ok {
			seen[r.deployment] = o
		} else {
			unknown = append(unknown, r.deployment)
		}
	}
	if len(unknown) == 0 {
		return seen, nil
	}
	decoded, err := all(tx, "list observations", scanObservedRow,
		`SELECT deployment, version, value FROM observed WHERE deployment IN (SELECT value FROM json_each(?))`, jsonOf{unknown})
	for _, r := range decoded {
		seen[r.deployment] = r.value
		if tx.snapshot {
			tx.store.observed.put(r)
		}
	}
	return seen, err
}

type observedRow struct {
	deployment berth.ID
	version    int64
	value      berth.Observed
}

func scanObservedRow(r row) (o observedRow, err error) {
	err = r.Scan(&o.deployment, &o.version, jsonInto{&o.value})
	return o, err
}

// observedCache keeps decoded observations, because decoding a thousand of them takes longer than
// all else that a list of deployments needs. It is fed by View only: what an Update reads may yet be
// rolled back, and its version given to another value.
type observedCache struct {
	mu   sync.Mutex
	rows map[berth.ID]observedRow
}

func newObservedCache() *observedCache { return &observedCache{rows: map[berth.ID]observedRow{}} }

func (c *observedCache) get(deployment berth.ID, version int64) (berth.Observed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.rows[deployment]
	return r.value, ok && r.version == version
}

// put keeps the newer one: a slow reader must not bring back what it saw before a fast one.
func (c *observedCache) put(r observedRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows[r.deployment].version < r.version {
		c.rows[r.deployment] = r
	}
}

func (c *observedCache) forget(deployment berth.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rows, deployment)
}
