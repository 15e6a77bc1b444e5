package api

import (
	"errors"
	"io"
	"sync"

	"github.com/berth-dev/berth/apiwire"
)

// inbox is a command's stdin between the socket and the command. put never waits, because the client
// keeps within a window that Read opens again.
type inbox struct {
	taken func(n int)

	mu    sync.Mutex
	more  *sync.Cond
	bytes []byte
	ended bool
}

func newInbox(taken func(n int)) *inbox {
	b := &inbox{taken: taken}
	b.more = sync.NewCond(&b.mu)
	return b
}

func (b *inbox) put(p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bytes)+len(p) > apiwire.StdinWindow {
		return errors.New("client sent more stdin than it may")
	}
	if !b.ended {
		b.bytes = append(b.bytes, p...)
		b.more.Signal()
	}
	return nil
}

// end lets Read return io.EOF once everything was read.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.more.Broadcast()
}

func (b *inbox) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := b.take(p)
	if n == 0 {
		return 0, io.EOF
	}
	b.taken(n)
	return n, nil
}

func (b *inbox) take(p []byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.bytes) == 0 && !b.ended {
		b.more.Wait()
	}
	n := copy(p, b.bytes)
	b.bytes = b.bytes[n:]
	return n
}
