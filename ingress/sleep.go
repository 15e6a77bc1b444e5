package ingress

import (
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// wakeHold is how long a request waits for a deployment that it woke: container and application start
// meanwhile. wakeTime is how long that counts as waking up.
const (
	wakeHold = time.Minute
	wakeTime = 2 * time.Minute
)

// wakes lets the requests wait that wake a deployment, and has it woken.
func (c tableContext) wakes(deployment berth.ID) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if isOfOpenPage(r) {
			return false
		}
		c.wake(deployment)
		return true
	}
}

// isOfOpenPage reports whether a page sent a request by itself: one that somebody left open asks for its development
// server again and again, and nothing would ever sleep under it. A person's visit is a navigation (Fetch Metadata,
// W3C, 2.3); programs send neither header.
func isOfOpenPage(r *http.Request) bool {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return r.Header.Get("Origin") != ""
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate"
}

// wakesUp reports whether an element has not failed since something woke its deployment.
func (s state) wakesUp(element string, now time.Time) bool {
	woken := s.deployment.Rest.Woken
	return !woken.IsZero() && now.Sub(woken) < wakeTime && s.current() != nil && s.leadsTo(element) && s.statusOf(element).Status != berth.Red
}
