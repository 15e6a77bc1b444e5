package proxy

import (
	"context"
	"errors"
	"io"
)

// Answers counts what has become of the requests that a target answered since it came into a table.
type Answers struct {
	Requests uint64 // finished, upgraded ones included
	Failures uint64 // of these: a status of 5xx, or no answer at all
}

func (a *Answers) add(failed bool) {
	a.Requests++
	if failed {
		a.Failures++
	}
}

// Answers returns the counts of all targets of an ID; zeros for one that is in no table and has no
// flight. What a client broke off before there was an answer does not count.
func (p *Proxy) Answers(id string) (sum Answers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, t := range p.targets {
		if key.id == id {
			sum.Requests += t.answers.Requests
			sum.Failures += t.answers.Failures
		}
	}
	return sum
}

// answered reports whether the flight says anything about its target.
func (f *flight) answered() bool { return f.failed || f.status != 0 }

// answer is the body of an answer; it notes when the target breaks off.
type answer struct {
	io.ReadCloser
	ctx    context.Context
	flight *flight
}

func (a answer) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && a.ctx.Err() == nil && !a.flight.bodyBroke.Load() {
		a.flight.failed = true
	}
	return n, err
}
