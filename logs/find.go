package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// container is one container of one run, present or gone.
type container struct {
	Instance  engine.Instance
	Container string
	base      string // the file that the engine writes; empty when the container is gone
	kept      string // the directory that keeps its files, whether it exists or not
}

func (c container) key() string { return c.Instance.ID + "/" + c.Container }

// find returns the containers that a query is about, oldest first.
func (l *Logs) find(ctx context.Context, deployment berth.ID, q berth.LogQuery) ([]container, error) {
	// The engine first: what is removed after it answered is in what is kept.
	files, err := l.config.Files(ctx, deployment)
	if err != nil {
		return nil, fmt.Errorf("find log files: %w", err)
	}
	var found []container
	live := map[string]bool{}
	for _, f := range files {
		if len(f.Paths) == 0 {
			continue
		}
		c := container{Instance: f.Instance, Container: f.Container, base: f.Paths[len(f.Paths)-1]}
		c.kept = l.keptDir(deployment, c)
		live[c.key()] = true
		found = append(found, c)
	}
	kept, err := l.keptContainers(deployment)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		if !live[k.key()] {
			found = append(found, k.container)
		}
	}
	found = slices.DeleteFunc(found, func(c container) bool {
		return q.Element != "" && c.Instance.Element != q.Element || q.Instance != "" && c.Instance.ID != q.Instance
	})
	slices.SortStableFunc(found, byStart)
	if q.Previous {
		found = previous(found)
	}
	return found, nil
}

// byStart orders runs: the counter decides, and the time where a new workload counts from 1 again.
func byStart(a, b container) int {
	return cmp.Or(a.Instance.StartedAt.Compare(b.Instance.StartedAt), cmp.Compare(a.Instance.Run, b.Instance.Run), cmp.Compare(a.key(), b.key()))
}

// slot is where one run follows another.
type slot struct {
	element, workload string
	slot              int
}

func slotOf(c container) slot { return slot{c.Instance.Element, c.Instance.Workload, c.Instance.Slot} }

// previous keeps, of each slot, the containers of the run before the present one. A run that ended
// and has no successor yet is that run: there is no present one.
func previous(found []container) []container {
	runs := map[slot][]string{} // ids of instances, oldest first
	for _, c := range found {
		if s := slotOf(c); !slices.Contains(runs[s], c.Instance.ID) {
			runs[s] = append(runs[s], c.Instance.ID)
		}
	}
	ended := map[string]bool{}
	for _, c := range found {
		ended[c.Instance.ID] = c.base == "" || c.Instance.State == berth.InstanceExited
	}
	return slices.DeleteFunc(found, func(c container) bool {
		ids := runs[slotOf(c)]
		newest := len(ids) - 1
		if !ended[ids[newest]] {
			newest--
		}
		return newest < 0 || ids[newest] != c.Instance.ID
	})
}
