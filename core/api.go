package core

import (
	"net"
	"net/http"
	"strings"
)

// ownHosts answers for core.diploi and core.berth, and leaves every other host to next.
func ownHosts(next http.Handler) http.Handler {
	api := newAPI()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch hostname(r.Host) {
		case "core.diploi", "core.berth":
			api.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func hostname(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func newAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, "application/json", `{"status":"ok"}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, "application/problem+json",
			`{"title":"Not found","status":404,"code":"not_found","detail":"core does not answer this in this version of Berth"}`)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body + "\n")) // whoever asked may be gone
}
