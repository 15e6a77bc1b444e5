package proxy

import (
	"context"
	"errors"
	"io"
	"time"
)

// Answers counts what has become of the requests that a target answered since it came into a table.
type Answers struct {
	Requests uint64 // finished, upgraded ones included
	Failures uint64 // of these: a status of 5xx, or no answer at all
}

// lately is Answers of the last minute, by slices of ten seconds.
type lately [7]struct {
	slice int64 // of Unix time
	Answers
}

const sliceSeconds = 10

func (l *lately) add(now time.Time, failed bool) {
	slice := now.Unix() / sliceSeconds
	at := &l[slice%int64(len(l))]
	if at.slice != slice {
		at.slice, at.Answers = slice, Answers{}
	}
	at.add(failed)
}

// sum is what the six whole slices before now and the present one have.
func (l *lately) sum(now time.Time) (sum Answers) {
	oldest := now.Unix()/sliceSeconds - int64(len(l)) + 1
	for _, at := range l {
		if at.slice >= oldest {
			sum.Requests += at.Requests
			sum.Failures += at.Failures
		}
	}
	return sum
}

func (a *Answers) add(failed bool) {
	a.Requests++
	if failed {
		a.Failures++
	}
}

// Answers returns the counts of all targets of an ID; zeros for one that is in no table and has no
// flight. What a client broke off before there was an answer does not count.
func (p *Proxy) Answers(id string) Answers {
	return p.sumOf(id, func(t *target) Answers { return t.answers })
}

// AnswersLately returns the counts of the last minute (60 to 70 s) of all targets of an ID.
func (p *Proxy) AnswersLately(id string) Answers {
	now := time.Now()
	return p.sumOf(id, func(t *target) Answers { return t.lately.sum(now) })
}

// sumOf adds up what all targets of an ID count.
func (p *Proxy) sumOf(id string, of func(*target) Answers) (sum Answers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, t := range p.targets {
		if key.id == id {
			one := of(t)
			sum.Requests += one.Requests
			sum.Failures += one.Failures
		}
	}
	return sum
}

// count notes one more answer. Proxy.mu is held.
func (t *target) count(failed bool) {
	t.answers.add(failed)
	t.lately.add(time.Now(), failed)
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
