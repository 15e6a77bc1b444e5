// Package requestlog keeps the latest requests of every deployment, a line of JSON each, in two files of
// bounded size: what is newest, and what was before that.
//
// It must not know who answers requests, the store or people.
package requestlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	defaultFile = 16 << 20
	// delay is how long a record waits for others to be written with it.
	delay = 200 * time.Millisecond
	// maxWaiting bounds what waits for a disk that is slow; what comes above it is lost, and said so.
	maxWaiting = 8 << 20

	newest = "newest.jsonl"
	before = "before.jsonl"
)

// Config is what a Log is made of.
type Config struct {
	Dir  string // has a directory for each deployment
	File int64  // bytes of each of a deployment's two files; zero: 16 MiB
	Log  *slog.Logger
}

// Log is every deployment's requests. It is safe for concurrent use.
type Log struct {
	config Config
	now    func() time.Time
	files  sync.Mutex // held while files are written, turned or removed

	mu      sync.Mutex
	waiting map[berth.ID][]byte // whole lines
	size    int
	lost    int

	due  chan struct{} // something waits
	stop chan struct{}
	done chan struct{}
}

// New returns a Log that writes until Close.
func New(c Config) *Log {
	if c.File == 0 {
		c.File = defaultFile
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	l := &Log{config: c, now: time.Now, waiting: map[berth.ID][]byte{}, due: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Close writes what waits and ends.
func (l *Log) Close() error {
	close(l.stop)
	<-l.done
	return l.flush()
}

// Add keeps a request, in a moment. It does not block on the disk.
func (l *Log) Add(deployment berth.ID, r berth.Request) {
	line, err := json.Marshal(r)
	if err != nil {
		return // a Request has nothing that JSON cannot hold
	}
	l.mu.Lock()
	first := l.size == 0
	if l.size+len(line) > maxWaiting {
		l.lost++
	} else {
		l.waiting[deployment] = append(append(l.waiting[deployment], line...), '\n')
		l.size += len(line) + 1
	}
	l.mu.Unlock()
	if first {
		select {
		case l.due <- struct{}{}:
		default:
		}
	}
}

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case <-l.stop:
			return
		case <-l.due:
		}
		select {
		case <-l.stop:
			return
		case <-time.After(delay):
		}
		if err := l.flush(); err != nil {
			l.config.Log.Warn("write requests", "error", err)
		}
	}
}

// flush writes what waits.
func (l *Log) flush() error {
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	waiting, lost := l.waiting, l.lost
	l.waiting, l.size, l.lost = map[berth.ID][]byte{}, 0, 0
	l.mu.Unlock()
	var failures []error
	if lost > 0 {
		failures = append(failures, fmt.Errorf("%d requests came faster than the disk takes them and are not in the log", lost))
	}
	for deployment, lines := range waiting {
		failures = append(failures, l.write(deployment, lines))
	}
	return errors.Join(failures...)
}

func (l *Log) write(deployment berth.ID, lines []byte) (err error) {
	dir := l.dir(deployment)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of requests: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, newest), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open requests: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at requests: %w", err)
	}
	written, err := file.Write(lines)
	if err != nil {
		return errors.Join(fmt.Errorf("write requests: %w", err), file.Truncate(info.Size()))
	}
	if info.Size()+int64(written) < l.config.File {
		return nil
	}
	if err := os.Rename(filepath.Join(dir, newest), filepath.Join(dir, before)); err != nil {
		return fmt.Errorf("turn file of requests: %w", err)
	}
	return nil
}

// Forget drops a deployment's requests; again is no error.
func (l *Log) Forget(deployment berth.ID) error {
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	l.size -= len(l.waiting[deployment])
	delete(l.waiting, deployment)
	l.mu.Unlock()
	if err := os.RemoveAll(l.dir(deployment)); err != nil {
		return fmt.Errorf("remove requests: %w", err)
	}
	return nil
}

func (l *Log) dir(deployment berth.ID) string { return filepath.Join(l.config.Dir, string(deployment)) }
