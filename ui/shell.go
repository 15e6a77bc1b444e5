package ui

import (
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// when is a time as it is told now.
type when struct{ at, now time.Time }

func (q *query) when(at time.Time) when { return when{at, q.console.Now()} }

func orSystem(theme string) string {
	if theme == "" {
		return "as the system"
	}
	return theme
}

func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return "?"
}

func roleWords(r berth.Role) string {
	if r == berth.RoleNone {
		return "Member of projects"
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:]) + " of this server"
}

func tabsLabel(p place) string {
	switch {
	case p.deployment != "":
		return "Deployment " + p.name
	case p.project != "":
		return "Project " + p.project
	}
	return "Server"
}

func aboutPlace(p place) string {
	if p.deployment != "" {
		return p.deployment
	}
	return p.project
}

// isHere reports whether a tab is the page that is shown, or holds it.
func isHere(href string, p place, path string) bool {
	if p.tab != "" {
		return href == p.tab
	}
	path, _, _ = strings.Cut(path, "?")
	return href == path
}

func problemTitle(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing here"
	case http.StatusForbidden:
		return "This is not for you"
	case http.StatusUnauthorized:
		return "Nobody is logged in"
	case http.StatusServiceUnavailable:
		return "Not just now"
	case http.StatusInternalServerError:
		return "Something went wrong"
	}
	return "This did not work"
}

func problemIcon(status int) string {
	switch status {
	case http.StatusNotFound:
		return "search"
	case http.StatusForbidden, http.StatusUnauthorized:
		return "lock"
	}
	return "alert"
}
