package main

import (
	"os"
	"sync"
)

// feed writes a program's input behind whoever brings it, so that a program that does not read holds nothing else up.
type feed struct {
	to *os.File

	mu      sync.Mutex
	changed *sync.Cond
	waiting []byte
	ended   bool // nothing more comes
	closed  bool // nobody reads
}

func newFeed(to *os.File) *feed {
	f := &feed{to: to}
	f.changed = sync.NewCond(&f.mu)
	go f.run()
	return f
}

// write waits while too much is waiting already.
func (f *feed) write(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiting) >= maxInput && !f.closed {
		f.changed.Wait()
	}
	if !f.closed && !f.ended {
		f.waiting = append(f.waiting, b...)
		f.changed.Broadcast()
	}
}

// end closes the input once all of it is written.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.changed.Broadcast()
}

// close is for a program that has ended.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}

func (f *feed) run() {
	for {
		next, more := f.next()
		if !more {
			return
		}
		if len(next) == 0 {
			_ = f.to.Close() // its end
			return
		}
		if _, err := f.to.Write(next); err != nil {
			f.close()
			return
		}
	}
}

// next is empty at the end of input; more is false when nobody reads.
func (f *feed) next() (b []byte, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiting) == 0 && !f.ended && !f.closed {
		f.changed.Wait()
	}
	if f.closed {
		return nil, false
	}
	b, f.waiting = f.waiting, nil
	f.changed.Broadcast()
	return b, true
}
