// Package core serves what a deployment's own containers ask for through their core container: the
// public hosts of applications, so that one of them can be reached and verified from inside as from
// outside, the small API of core.diploi and core.berth, and their mail.
//
// Streams come over a Unix socket that only this deployment has mounted: the socket is the identity.
// It must not know deployments beyond their id, nor how hosts are routed: it is handed handlers.
package core

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
	"github.com/emersion/go-smtp"
)

const (
	headerTimeout    = 15 * time.Second
	idleTimeout      = 2 * time.Minute
	maxRequestHeader = 64 << 10
)

// Config is what a Core is made of.
type Config struct {
	// RunDir holds <deployment id>/net, the directory that the deployment's core has mounted.
	RunDir string
	// TLS has the certificates of public hosts.
	TLS *tls.Config
	// HTTPS and HTTP answer for public hosts. They must not know Berth's own hosts: whoever runs code in
	// a deployment is nobody to the console.
	HTTPS http.Handler
	HTTP  http.Handler
	// Inbox takes mail of at most MaxMail bytes each.
	Inbox   Inbox
	MaxMail int64
	Log     *slog.Logger // nil: none
}

// Core owns the sockets of all deployments and the two servers behind them.
type Core struct {
	config  Config
	servers []*http.Server
	mail    *smtp.Server
	ports   map[int]*streamListener // by the port that was dialled
	serving sync.WaitGroup

	mu      sync.Mutex
	sockets map[berth.ID]*socket
	closed  bool
}

// New starts the servers, with no socket open. Close ends them.
func New(config Config) *Core {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c := &Core{config: config, sockets: map[berth.ID]*socket{}, ports: map[int]*streamListener{
		80: newStreamListener(), 443: newStreamListener(), smtpPort: newStreamListener(),
	}}
	plain, secure := c.newServer(ownHosts(config.HTTP)), c.newServer(ownHosts(config.HTTPS))
	secure.TLSConfig = config.TLS.Clone()
	c.servers = []*http.Server{plain, secure}
	c.serving.Go(func() { c.report(plain.Serve(c.ports[80])) })
	c.serving.Go(func() { c.report(secure.ServeTLS(c.ports[443], "", "")) })
	c.mail = newMail(config.Inbox, config.MaxMail, config.Log)
	c.serving.Go(func() { c.report(c.mail.Serve(c.ports[smtpPort])) })
	return c
}

func (c *Core) newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxRequestHeader,
		ErrorLog:          slog.NewLogLogger(c.config.Log.Handler(), slog.LevelDebug),
	}
}

func (c *Core) report(err error) {
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		c.config.Log.Error("serve deployments' own requests", "error", err)
	}
}

// Sync opens the sockets of these deployments that are not open yet, and closes all others with
// the streams that came through them. One that cannot be opened does not keep the others closed;
// the next Sync tries it again.
func (c *Core) Sync(deployments []berth.ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for id, s := range c.sockets {
		if !slices.Contains(deployments, id) {
			s.close()
			delete(c.sockets, id)
		}
	}
	var failed error
	for _, id := range deployments {
		if s := c.sockets[id]; s != nil && s.isThere() {
			continue
		}
		if err := c.open(id); err != nil {
			failed = errors.Join(failed, fmt.Errorf("open socket of deployment %s: %w", id, err))
		}
	}
	return failed
}

func (c *Core) open(id berth.ID) error {
	if s := c.sockets[id]; s != nil {
		s.close()
		delete(c.sockets, id)
	}
	s, err := listen(id, filepath.Join(c.config.RunDir, string(id), "net", agentwire.SocketFile))
	if err != nil {
		return err
	}
	c.sockets[id] = s
	s.serve(c.ports, c.config.Log.With("deployment", id))
	return nil
}

// Close ends every stream and waits for all that New and Sync started.
func (c *Core) Close() error {
	c.mu.Lock()
	c.closed = true
	for id, s := range c.sockets {
		s.close()
		delete(c.sockets, id)
	}
	c.mu.Unlock()
	var failed error
	for _, server := range c.servers {
		failed = errors.Join(failed, server.Close())
	}
	failed = errors.Join(failed, c.mail.Close())
	for _, listener := range c.ports {
		failed = errors.Join(failed, listener.Close())
	}
	c.serving.Wait()
	return failed
}
