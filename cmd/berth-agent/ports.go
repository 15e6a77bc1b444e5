package main

import (
	"context"
	"log"
	"strconv"
	"sync"
)

// extraPorts listens at the ports that a table asks for besides the standing ones.
type extraPorts struct {
	socket   string
	standing map[int]string

	mu      sync.Mutex
	open    map[int]extraPort // nil once closed
	running sync.WaitGroup
}

type extraPort struct {
	listening
	as int
}

func newExtraPorts(socket string, standing map[int]string) *extraPorts {
	return &extraPorts{socket: socket, standing: standing, open: map[int]extraPort{}}
}

// follow opens what the table has and is not open, and closes what it has no more. A port that
// cannot be opened costs its streams, not the names.
func (p *extraPorts) follow(t *nameTable) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return
	}
	for port, l := range p.open {
		if t.ports[port] != l.as {
			_ = l.close() // there is nobody to tell
			delete(p.open, port)
		}
	}
	for port, as := range t.ports {
		if p.open[port].as == as || p.standing[port] != "" {
			continue
		}
		l, err := listenStreams(context.Background(), as, ":"+strconv.Itoa(port), p.socket)
		if err != nil {
			log.Printf("listen for port %d: %v", port, err)
			continue
		}
		p.open[port] = extraPort{l, as}
		p.running.Go(func() {
			if err := l.serve(); err != nil {
				log.Print(err)
			}
		})
	}
}

func (p *extraPorts) close() {
	p.mu.Lock()
	for _, l := range p.open {
		_ = l.close()
	}
	p.open = nil
	p.mu.Unlock()
	p.running.Wait()
}
