package release

import "sync"

// remembered keeps what was found out of contents that never change, a bounded number of them.
type remembered struct {
	mu    sync.Mutex
	known map[string]bool
}

// mostRemembered bounds them; when there are more, all are found out again.
const mostRemembered = 4096

// of returns what is known of a content, or finds it out.
func (r *remembered) of(content string, find func() (bool, error)) (bool, error) {
	r.mu.Lock()
	fact, ok := r.known[content]
	r.mu.Unlock()
	if ok {
		return fact, nil
	}
	fact, err := find()
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= mostRemembered {
		r.known = map[string]bool{}
	}
	r.known[content] = fact
	return fact, nil
}
