package githttp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Watched is a release that a push began.
type Watched struct {
	Slug     string
	Revision int
}

// Releases is where it is read how releases get on.
type Releases interface {
	Deployment(ctx context.Context, ref string) (berth.Deployment, error)
	Releases(ctx context.Context, ref string) ([]berth.Release, error)
}

const (
	lookEvery = 200 * time.Millisecond
	// watchFor is how long a client is kept; its releases go on.
	watchFor = 30 * time.Minute
)

// Watch says how releases get on until all have ended, or nobody listens any more.
func Watch(ctx context.Context, from Releases, all []Watched, say func(line string) error) {
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	began := time.Now()
	w := watcher{from: from, say: say, steps: map[Watched]string{}, began: began}
	for len(all) > 0 {
		going := all[:0:0]
		for _, one := range all {
			ended, err := w.look(ctx, one)
			if err != nil {
				return
			}
			if !ended {
				going = append(going, one)
			}
		}
		if all = going; len(all) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

type watcher struct {
	from  Releases
	say   func(string) error
	steps map[Watched]string
	began time.Time
}

// look says what is new of one release. Its error is that nobody listens.
func (w *watcher) look(ctx context.Context, one Watched) (ended bool, err error) {
	list, err := w.from.Releases(ctx, one.Slug)
	if err != nil {
		return true, w.say(one.Slug + ": " + berth.MessageOf(err))
	}
	for _, r := range list {
		if r.Revision == one.Revision {
			return w.tell(ctx, one, r)
		}
	}
	return true, nil
}

func (w *watcher) tell(ctx context.Context, one Watched, r berth.Release) (ended bool, err error) {
	seconds := time.Since(w.began).Seconds()
	switch r.State {
	case berth.ReleaseServing:
		d, err := w.from.Deployment(ctx, one.Slug)
		if err != nil {
			return true, w.say(fmt.Sprintf("%s: release %d serves after %.1f s", one.Slug, r.Revision, seconds))
		}
		urls := make([]string, len(d.Hosts))
		for i, h := range d.Hosts {
			urls[i] = h.URL
		}
		return true, w.say(strings.TrimSpace(fmt.Sprintf("%s: release %d serves after %.1f s %s", one.Slug, r.Revision, seconds, strings.Join(urls, " "))))
	case berth.ReleaseFailed:
		for line := range strings.Lines(r.Message) {
			if err := w.say(one.Slug + ": " + strings.TrimRight(line, "\n")); err != nil {
				return true, err
			}
		}
		return true, w.say(fmt.Sprintf("%s: release %d failed after %.1f s; what served before goes on", one.Slug, r.Revision, seconds))
	case berth.ReleaseSuperseded:
		return true, w.say(fmt.Sprintf("%s: a newer release took the place of release %d", one.Slug, r.Revision))
	}
	step := r.Step
	if step == "" || step == w.steps[one] {
		return false, ctx.Err()
	}
	w.steps[one] = step
	return false, w.say(fmt.Sprintf("%s: %s (%.1f s)", one.Slug, step, seconds))
}
