package control

import (
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// rests is until when origins are left alone that could not be read: what looks at all of them now and then
// must not knock at a closed door each time.
type rests struct {
	mu    sync.Mutex
	until map[berth.ID]time.Time
}

func (r *rests) begin(project berth.ID, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[berth.ID]time.Time{}
	}
	r.until[project] = until
}

func (r *rests) end(project berth.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, project)
}

func (r *rests) left(project berth.ID, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until[project].Sub(now)
}
