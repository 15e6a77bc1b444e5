package daemon

import (
	"net/http"
	"strings"
)

// beside answers with ours below a prefix, and with next elsewhere.
func beside(prefix string, ours, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			ours.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
