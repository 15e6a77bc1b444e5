package proxy

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	headerTimeout    = 15 * time.Second
	idleTimeout      = 2 * time.Minute
	maxRequestHeader = 64 << 10
)

// NewServer returns a server for the open internet: whoever is slow with a header or idle is let
// go, a body may take as long as it moves. What goes wrong with a client is logged at level debug.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxRequestHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
