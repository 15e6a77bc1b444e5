package proxy

import (
	"net/http"
	"net/netip"
	"slices"
)

var (
	notAllowedPage = &Page{
		Status: http.StatusForbidden, Code: "not_allowed",
		Title:   "Not from here",
		Message: "This host answers certain networks only, and yours is none of them.",
	}
	passwordPage = &Page{
		Status: http.StatusUnauthorized, Code: "password_required",
		Title:   "A password is needed",
		Message: "This host asks for a name and a password.",
	}
)

// admit lets through whom the route's guards let through, and answers everybody else. A guard's own
// password does not reach the application.
func (r *route) admit(w http.ResponseWriter, request *http.Request, f *flight) bool {
	if r == nil || r.Redirect != "" {
		return true
	}
	if len(r.Allow) > 0 && !slices.ContainsFunc(r.Allow, func(n netip.Prefix) bool { return n.Contains(f.origin.client) }) {
		notAllowedPage.ServeHTTP(w, request)
		return false
	}
	if r.Password == nil {
		return true
	}
	if name, password, ok := request.BasicAuth(); !ok || !r.Password(name, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+f.host+`", charset="UTF-8"`)
		passwordPage.ServeHTTP(w, request)
		return false
	}
	f.guarded = true
	return true
}
