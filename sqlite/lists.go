package sqlite

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/berth-dev/berth"
)

// A list of a thousand deployments takes tens of milliseconds to read and decode, and is asked for
// far more often than it changes. So each topic has a counter, in the database, which every
// transaction that changes the topic counts up; a snapshot's counter says exactly whether a list
// that was read before is still what the snapshot holds.
type topic string

const (
	aboutDeployments topic = "deployments" // with their hosts and their projects' names
	aboutReleases    topic = "releases"    // newest and serving ones
	aboutObserved    topic = "observed"
)

// changed counts a topic up, once in a transaction.
func (tx *Tx) changed(t topic) error {
	if tx.counted[t] {
		return nil
	}
	_, err := tx.write("count change", "", `INSERT INTO changes (topic, n) VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1`, t)
	if err == nil {
		tx.counted[t] = true
	}
	return err
}

// lists keeps the last list of each topic.
type lists struct {
	deployments kept[[]berth.Deployment]
	latest      kept[map[berth.ID]berth.Release]
	serving     kept[map[berth.ID]berth.Release]
	observed    kept[map[berth.ID]berth.Observed]
}

// ListVersion differs from that of another snapshot wherever Deployments, LatestReleases,
// ServingReleases or ObservedAll may differ, so that who makes something of them can keep it.
func (tx *Tx) ListVersion() (string, error) {
	counters, err := all(tx, "read counters", scanValue[string], `SELECT topic || ' ' || n FROM changes ORDER BY topic`)
	return strings.Join(counters, " "), err
}

// kept is a value and the counter of the snapshots that hold it. The value is never written to.
type kept[T any] struct {
	mu    sync.Mutex
	n     int64
	known bool
	value T
}

// within returns the value for tx's snapshot, reading it only when it may differ from the last one.
// An Update reads for itself: what it sees may yet be rolled back.
func (k *kept[T]) within(tx *Tx, t topic, read func() (T, error)) (T, error) {
	if !tx.snapshot {
		return read()
	}
	n, _, err := one(tx, "read counter", scanValue[int64], `SELECT n FROM changes WHERE topic = ?`, t)
	if err != nil {
		var none T
		return none, err
	}
	k.mu.Lock()
	value, hit := k.value, k.known && k.n == n
	k.mu.Unlock()
	if hit {
		return value, nil
	}
	if value, err = read(); err != nil {
		return value, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.known || k.n < n { // a slow reader must not replace what a later one saw
		k.n, k.known, k.value = n, true, value
	}
	return value, nil
}

// lets returns what a scope lets through, by project.
func (tx *Tx) lets(scope berth.Scope) (func(project berth.ID) bool, error) {
	if scope.All {
		return func(berth.ID) bool { return true }, nil
	}
	projects, err := all(tx, "list memberships", scanValue[berth.ID], `SELECT project FROM memberships WHERE person = ?`, scope.Person)
	return func(project berth.ID) bool { return slices.Contains(projects, project) }, err
}

// own returns copies of the deployments that pass, for the caller to write to.
func own(list []berth.Deployment, pass func(project berth.ID) bool) []berth.Deployment {
	var copies []berth.Deployment
	for _, d := range list {
		if pass(d.ProjectID) {
			d.Hosts, d.Restarts = slices.Clone(d.Hosts), maps.Clone(d.Restarts)
			copies = append(copies, d)
		}
	}
	return copies
}
