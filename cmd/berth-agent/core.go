package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"path/filepath"
	"sync"

	"github.com/berth-dev/berth/agentwire"
)

// coreConfig says where core listens and what it reads.
type coreConfig struct {
	Dir      string
	DNS      string
	Upstream []string       // addresses of the servers that know everybody else's names
	Streams  map[int]string // dialled port → address to listen at
}

// listening is something with an open listener. serve blocks until close, which is called once
// and makes serve and all that it started end promptly.
type listening interface {
	address() net.Addr
	serve() error
	close() error
}

// core answers names and passes streams on.
type core struct {
	names   listening // over UDP
	streams map[int]listening
	all     []listening
	ports   *extraPorts
	cancel  context.CancelFunc // of questions being asked upstream
}

func runCore(ctx context.Context, config coreConfig) error {
	c, err := openCore(ctx, config)
	if err != nil {
		return err
	}
	log.Printf("answering names at %s", c.names.address())
	return c.serve(ctx)
}

// openCore opens every listener before any of them is served, so that a taken port is an error at once.
func openCore(ctx context.Context, config coreConfig) (_ *core, err error) {
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	socket := filepath.Join(config.Dir, agentwire.SocketFile)
	c := &core{streams: map[int]listening{}, ports: newExtraPorts(socket, config.Streams), cancel: cancel}
	defer func() {
		if err != nil {
			_ = c.close() // the reason to give up says more than what a listener says when it goes
		}
	}()
	handler := &resolver{
		ctx:      asking,
		table:    openNameFile(filepath.Join(config.Dir, agentwire.NamesFile), c.ports.follow).current,
		upstream: newUpstream(config.Upstream),
	}
	if c.names, err = c.add(listenUDPNames(ctx, config.DNS, handler)); err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}
	// UDP's port, should the configured one be 0.
	if _, err = c.add(listenTCPNames(ctx, c.names.address().String(), handler)); err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}
	for port, address := range config.Streams {
		if c.streams[port], err = c.add(listenStreams(ctx, port, address, socket)); err != nil {
			return nil, fmt.Errorf("listen for port %d: %w", port, err)
		}
	}
	return c, nil
}

func (c *core) add(l listening, err error) (listening, error) {
	if err == nil {
		c.all = append(c.all, l)
	}
	return l, err
}

// serve returns when ctx ends, or with the reason when a listener fails. Every goroutine has ended then.
func (c *core) serve(ctx context.Context) error {
	ended := make(chan error, len(c.all))
	var running sync.WaitGroup
	for _, l := range c.all {
		running.Go(func() { ended <- l.serve() })
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	closed := c.close()
	running.Wait()
	return errors.Join(failed, closed)
}

func (c *core) close() error {
	c.cancel()
	c.ports.close()
	var failed error
	for _, l := range c.all {
		if err := l.close(); err != nil && !errors.Is(err, net.ErrClosed) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
