package ui

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// ticketLife is how long a ticket waits to be used.
	ticketLife = 30 * time.Second
	// maxTickets bounds what waits.
	maxTickets = 1000
)

// ticket opens one terminal, once, for the login that asked for it: a WebSocket's address carries no proof of its own.
type ticket struct {
	proof               string // of the login
	deployment, element string
	until               time.Time
}

// tickets are those that nobody has used yet.
type tickets struct {
	mu      sync.Mutex
	waiting map[string]ticket
}

func (t *tickets) give(one ticket, now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, old := range t.waiting {
		if now.After(old.until) {
			delete(t.waiting, name)
		}
	}
	if len(t.waiting) >= maxTickets {
		return "", berth.Errorf(berth.EUnavailable, "Too many terminals are being opened. Try again in a moment.")
	}
	if t.waiting == nil {
		t.waiting = map[string]ticket{}
	}
	name := rand.Text()
	one.until = now.Add(ticketLife)
	t.waiting[name] = one
	return name, nil
}

// take uses a ticket up, whoever shows it.
func (t *tickets) take(name string, now time.Time) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.waiting[name]
	delete(t.waiting, name)
	return one, ok && now.Before(one.until)
}
