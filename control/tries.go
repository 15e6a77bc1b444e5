package control

import (
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// triesOfAddress is how often one address may try to log in within a minute. A link's secret has 128 bits:
	// there this only keeps the database quiet.
	triesOfAddress = 10
	// triesOfName is how often the password of one name may be guessed within nameWindow, from wherever.
	triesOfName = 20
	nameWindow  = 15 * time.Minute
	// triesRemembered bounds what is held of either.
	triesRemembered = 10_000
)

// tries counts what is tried, by whom or for whom, in windows of time.
type tries struct {
	most   int
	window time.Duration

	mu    sync.Mutex
	began time.Time
	by    map[string]int
}

// allow counts one more, unless there were too many in the window.
func (t *tries) allow(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil || now.Sub(t.began) >= t.window {
		t.began, t.by = now, map[string]int{}
	}
	if _, known := t.by[key]; !known && len(t.by) >= triesRemembered {
		return false
	}
	t.by[key]++
	return t.by[key] <= t.most
}

// forget lets a key begin anew.
func (t *tries) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, key)
}

// mayTry refuses who tries to log in too often.
func (c *Control) mayTry(client berth.LoginClient) error {
	if c.byAddress.allow(berth.NetworkOf(client.Address).String(), c.Now()) {
		return nil
	}
	return berth.Errorf(berth.EUnavailable, "%w: too many logins from your address, wait a minute", berth.ErrTooOften)
}

// mayGuess refuses to look at too many passwords of one name. Names that nobody has count alike, or this would tell them.
func (c *Control) mayGuess(name string) error {
	if c.byName.allow(name, c.Now()) {
		return nil
	}
	return berth.Errorf(berth.EUnavailable, "%w: too many passwords were tried for this name, wait a quarter of an hour or use a login link", berth.ErrTooOften)
}
