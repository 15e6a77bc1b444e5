package certs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// refusal is an issuer's no, and when it is asked again.
type refusal struct {
	Message string    `json:"message"`
	Tries   int       `json:"tries"`
	Next    time.Time `json:"next"`
}

// refusals remembers them in a file: a server that is started again and again must not ask again and again.
type refusals struct {
	path string

	mu     sync.Mutex
	byHost map[string]refusal
}

// refusedPauses are how long an issuer is left in peace after its first, second, … refusal.
var refusedPauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

func openRefusals(path string) (*refusals, error) {
	r := &refusals{path: path, byHost: map[string]refusal{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	if json.Unmarshal(text, &r.byHost) != nil || r.byHost == nil {
		r.byHost = map[string]refusal{} // what a refusal said is not worth a server that does not start
	}
	return r, nil
}

func (r *refusals) of(host string) (refusal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.byHost[host]
	return known, ok
}

func (r *refusals) add(host, message string, now time.Time) refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.byHost[host]
	pause := refusedPauses[min(before.Tries, len(refusedPauses)-1)]
	fresh := refusal{Message: message, Tries: before.Tries + 1, Next: now.Add(pause).UTC()}
	r.byHost[host] = fresh
	r.store()
	return fresh
}

func (r *refusals) forget(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.byHost[host]; known {
		delete(r.byHost, host)
		r.store()
	}
}

// store must be called with mu held. A file that cannot be written costs a question too many, no more.
func (r *refusals) store() {
	if text, err := json.Marshal(r.byHost); err == nil {
		_ = writeOnce(r.path, text)
	}
}

// maxReason bounds what an issuer's words may take.
const maxReason = 400

// reasonOf is what the issuer itself said, where it said something.
func reasonOf(err error) string {
	if err == nil {
		return "the issuer did not say why"
	}
	reason := err.Error()
	if problem := (acme.Problem{}); errors.As(err, &problem) && problem.Detail != "" {
		reason = problem.Detail
		for _, sub := range problem.Subproblems {
			reason += "; " + sub.Detail
		}
	}
	reason = strings.ToValidUTF8(strings.TrimSpace(reason), "")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}
