// Package logs reads what containers wrote, from the files of Docker's json-file driver themselves:
// by inode and offset, so that a rotation neither loses nor repeats a line. Before a container is
// removed its files are kept here, so that the run before the present one can be read.
//
// It must not know any engine's client, the store or people.
package logs

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

const (
	poll     = 150 * time.Millisecond // between looks at files, while followed
	discover = time.Second            // between looks for new containers, while followed
)

// Config is what logs are read from.
type Config struct {
	Dir string // keeps the files of containers that are gone
	// Files says where the present containers of a deployment log to.
	Files func(ctx context.Context, deployment berth.ID) ([]engine.LogFile, error)
	// Runs is how many kept runs a slot has at most; zero: 5.
	Runs int
	// Budget is how many bytes a deployment's kept files may take; zero: 256 MiB.
	Budget int64
}

// Logs is every deployment's output. It is safe for concurrent use.
type Logs struct {
	config Config
	now    func() time.Time
	mu     sync.Mutex // held while kept files are added or removed
}

// New returns the logs. It opens nothing.
func New(c Config) *Logs {
	if c.Runs == 0 {
		c.Runs = 5
	}
	if c.Budget == 0 {
		c.Budget = 256 << 20
	}
	return &Logs{config: c, now: time.Now}
}

// Read yields a deployment's lines, those of several containers merged by time: of every run that
// is there or kept, or with q.Previous of the run before the present one in each slot. With q.Follow
// it goes on with what is written, and with containers that come later, until ctx ends; each line is
// yielded once, in the order that its container wrote it.
func (l *Logs) Read(ctx context.Context, deployment berth.ID, q berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		r := &reading{logs: l, deployment: deployment, query: q, known: map[string]bool{}}
		if q.Since > 0 {
			r.since = l.now().Add(-q.Since)
		}
		defer r.close()
		if err := r.run(ctx, yield); err != nil {
			yield(berth.LogLine{}, err)
		}
	}
}

// reading is one call of Read.
type reading struct {
	logs       *Logs
	deployment berth.ID
	query      berth.LogQuery
	since      time.Time
	sources    []*source
	known      map[string]bool // containers that were found, those that are gone included
	looked     time.Time       // for containers
}

func (r *reading) close() {
	for _, s := range r.sources {
		s.close()
	}
}

func (r *reading) run(ctx context.Context, yield func(berth.LogLine, error) bool) error {
	found, err := r.logs.find(ctx, r.deployment, r.query)
	if err != nil {
		return err
	}
	r.add(found)
	r.looked = time.Now()
	if r.query.Tail > 0 {
		lines, err := r.tail(ctx)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !yield(line, nil) {
				return nil
			}
		}
	}
	for {
		more, err := r.merge(ctx, yield)
		if err != nil || !more || !r.query.Follow || r.query.Previous {
			return err
		}
		if !r.wait(ctx) {
			return nil
		}
	}
}

func (r *reading) add(found []container) {
	for _, c := range found {
		if !r.known[c.key()] {
			r.known[c.key()] = true
			r.sources = append(r.sources, newSource(c, r.since))
		}
	}
}

// merge yields what the sources have now, oldest first. More is false when the receiver has enough.
func (r *reading) merge(ctx context.Context, yield func(berth.LogLine, error) bool) (more bool, err error) {
	for {
		taken, err := r.round(ctx, yield)
		if err != nil || taken < 0 {
			return false, err
		}
		if taken < roundSize {
			return true, nil
		}
	}
}

// roundSize is how many lines a round may have. A source that ran dry is asked again in the next
// round only, so one that never stops may not make a round last.
const roundSize = 4096

// round returns how many lines it yielded, -1 when the receiver has enough.
func (r *reading) round(ctx context.Context, yield func(berth.LogLine, error) bool) (int, error) {
	for _, s := range r.sources {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	for taken := range roundSize {
		if err := ctx.Err(); err != nil {
			if r.query.Follow {
				return -1, nil
			}
			return 0, err
		}
		s := r.oldest()
		if s == nil {
			return taken, nil
		}
		if !yield(s.take(), nil) {
			return -1, nil
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	return roundSize, nil
}

func (r *reading) oldest() (first *source) {
	for _, s := range r.sources {
		if s.head != nil && (first == nil || s.head.Time.Before(first.head.Time)) {
			first = s
		}
	}
	return first
}

// tail returns the newest lines, of all sources together, and leaves the sources behind them.
func (r *reading) tail(ctx context.Context) ([]berth.LogLine, error) {
	var lines []berth.LogLine
	for _, s := range r.sources {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		last, err := s.last(r.query.Tail)
		if err != nil {
			return nil, err
		}
		lines = append(lines, last...)
	}
	slices.SortStableFunc(lines, func(a, b berth.LogLine) int { return a.Time.Compare(b.Time) })
	return lines[max(0, len(lines)-r.query.Tail):], nil
}

// wait passes the time until the next look, and looks for containers that came or went when that is
// due. It returns false when ctx ended.
func (r *reading) wait(ctx context.Context) bool {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	if time.Since(r.looked) >= discover {
		r.discover(ctx)
	}
	return true
}

func (r *reading) discover(ctx context.Context) {
	r.looked = time.Now()
	found, err := r.logs.find(ctx, r.deployment, r.query)
	if err != nil {
		return // an engine that does not answer now may answer the next time
	}
	r.add(found)
	live := map[string]bool{}
	for _, c := range found {
		live[c.key()] = c.base != ""
	}
	r.sources = slices.DeleteFunc(r.sources, func(s *source) bool {
		// What is gone was read to its end since the last look.
		gone := s.leaving && s.head == nil
		if gone {
			s.close()
		}
		s.leaving = !live[s.container.key()]
		return gone
	})
}
