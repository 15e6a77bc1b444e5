package ingress

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/proxy"
)

// page tells people why nothing answers for an element's host. A development deployment's visitors
// are its developers and hear everything; others hear what concerns a visitor.
func (s state) page(element string) *proxy.Page {
	slug := s.deployment.Slug
	status := s.statusOf(element)
	switch {
	case s.broken != nil:
		return &proxy.Page{Code: "unavailable", Title: "Not available", Retry: 30 * time.Second, Refresh: true,
			Message: fmt.Sprintf("The server cannot read what it stored about %s. Its log says more.", slug)}
	case s.deployment.Desire == berth.DesireDelete:
		return &proxy.Page{Code: "deleting", Title: "Being deleted", Retry: time.Minute,
			Message: fmt.Sprintf("The deployment %s is being deleted.", slug)}
	case s.deployment.Desire == berth.DesireStop:
		return &proxy.Page{Code: "stopped", Title: "Stopped", Retry: time.Minute,
			Message: fmt.Sprintf("The deployment %s was stopped.", slug),
			Details: []string{"To start it: berth start " + slug}}
	case s.deployment.Desire == berth.DesireSleep:
		return &proxy.Page{Code: "sleeping", Title: "Asleep", Retry: time.Minute,
			Message: fmt.Sprintf("The deployment %s is asleep. Loading this page wakes it.", slug)}
	case s.hasFailed():
		return s.withDetails(&proxy.Page{Code: "failed", Title: "It could not start", Retry: 15 * time.Second, Refresh: true,
			Message: fmt.Sprintf("The deployment %s could not be started.", slug),
			Details: []string{"To see why: berth status " + slug}}, s.latest.Message)
	case s.current() != nil && !s.leadsTo(element):
		return &proxy.Page{Code: "no_route", Title: "Nothing answers here", Retry: time.Minute,
			Message: fmt.Sprintf("%s serves nothing at this host of %s.", element, slug)}
	case status.Status == berth.Red:
		return s.withDetails(&proxy.Page{Code: "failed", Title: "It does not run", Retry: 5 * time.Second, Refresh: true,
			Message: fmt.Sprintf("%s of %s does not run at the moment.", element, slug),
			Details: []string{fmt.Sprintf("To see why: berth logs %s %s", slug, element)}}, status.Message)
	}
	return s.withDetails(&proxy.Page{Code: "starting", Title: "Starting", Retry: 2 * time.Second, Refresh: true,
		Message: fmt.Sprintf("The deployment %s is starting.", slug)}, s.progress()...)
}

// hasFailed reports whether nothing serves and what should have has failed.
func (s state) hasFailed() bool {
	return s.serving == nil && s.latest != nil && s.latest.State == berth.ReleaseFailed
}

func (s state) leadsTo(element string) bool {
	for _, r := range s.current().routes {
		if r.Element == element {
			return true
		}
	}
	return false
}

func (s state) statusOf(element string) berth.ElementStatus {
	for _, e := range s.observed.Elements {
		if e.Identifier == element {
			return e
		}
	}
	return berth.ElementStatus{}
}

// progress says what is going on, and how far each element is.
func (s state) progress() (lines []string) {
	switch {
	case s.observed.Error != "":
		lines = append(lines, s.observed.Error)
	case s.latest != nil && s.latest.Step != "":
		lines = append(lines, s.latest.Step)
	case s.observed.Step != "":
		lines = append(lines, s.observed.Step)
	}
	for _, e := range s.observed.Elements {
		lines = append(lines, e.Identifier+": "+e.Message)
	}
	return lines
}

func (s state) withDetails(p *proxy.Page, details ...string) *proxy.Page {
	if !s.isLive() {
		return p
	}
	for _, line := range details {
		if line != "" {
			p.Details = append(p.Details, line)
		}
	}
	return p
}
