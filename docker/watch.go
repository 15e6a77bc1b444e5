package docker

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// hints fans out "something of this deployment may have changed". A watcher that is slow gets each
// deployment once, however often it was hinted at.
type hints struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
}

type watcher struct {
	pending map[berth.ID]bool
	wake    chan struct{}
}

func newHints() *hints { return &hints{watchers: map[*watcher]bool{}} }

func (h *hints) send(id berth.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.pending[id] = true
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// take returns one pending hint.
func (h *hints) take(w *watcher) (berth.ID, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range w.pending {
		delete(w.pending, id)
		return id, true
	}
	return "", false
}

// watch delivers hints until ctx ends.
func (h *hints) watch(ctx context.Context) <-chan berth.ID {
	w := &watcher{pending: map[berth.ID]bool{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.watchers[w] = true
	h.mu.Unlock()
	out := make(chan berth.ID)
	go func() {
		defer close(out)
		defer h.drop(w)
		for {
			for id, ok := h.take(w); ok; id, ok = h.take(w) {
				select {
				case out <- id:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (h *hints) drop(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// Watch sends a hint when a container ended or vanished and when readiness changed.
func (e *Engine) Watch(ctx context.Context) <-chan berth.ID { return e.hints.watch(ctx) }

const (
	reconnectMin = 500 * time.Millisecond
	reconnectMax = 15 * time.Second
)

// followEvents turns Docker's events into hints, over restarts of Docker.
func (e *Engine) followEvents(ctx context.Context) {
	wait := reconnectMin
	for ctx.Err() == nil {
		connected := time.Now()
		err := e.readEvents(ctx)
		if ctx.Err() != nil {
			return
		}
		e.log.Warn("Docker's events ended; connecting again", "error", err)
		if time.Since(connected) > reconnectMax {
			wait = reconnectMin
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, reconnectMax)
		// Docker may have been restarted: rules may be gone, containers may have ended unseen.
		if err := e.firewall.close(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("firewall", "error", err)
		}
		e.hints.send("")
	}
}

// followed are the events that tell news: what the engine does itself (create, start, exec) is not.
var followed = [...]events.Action{events.ActionDie, events.ActionOOM, events.ActionDestroy}

func (e *Engine) readEvents(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filters := e.docker.labelled().Add("label", labelRole).Add("type", string(events.ContainerEventType))
	for _, a := range followed {
		filters.Add("event", string(a))
	}
	stream := e.docker.client.Events(ctx, client.EventsListOptions{Filters: filters})
	for {
		select {
		case m := <-stream.Messages:
			e.docker.forget(m.Actor.ID)
			e.hints.send(berth.ID(m.Actor.Attributes[labelDeployment]))
		case err := <-stream.Err:
			return err
		}
	}
}
