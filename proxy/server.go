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
	maxStreams       = 200              // of one connection of HTTP/2 at a time
	pingAfter        = 30 * time.Second // of silence on one, to see whether the client is there
	pingTimeout      = 15 * time.Second
)

// NewServer returns a server for the open internet: whoever is slow with a header or idle is let
// go, a body may take as long as it moves. What goes wrong with a client is logged at level debug.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxRequestHeader,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
			WriteByteTimeout: stallLimit},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
