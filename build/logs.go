package build

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/berth-dev/berth"
)

// Logs keeps the log of each build as a file.
type Logs struct {
	dir string

	mu      sync.Mutex
	writing map[berth.ID]*live
}

// live is a log that is being written.
type live struct {
	changed chan struct{} // closed, and replaced, when there is more or the end
}

// NewLogs keeps logs in dir, which it makes with the first of them.
func NewLogs(dir string) *Logs {
	return &Logs{dir: dir, writing: make(map[berth.ID]*live)}
}

// Create opens a build's log for writing. A build that is run again goes on where its log ended.
func (l *Logs) Create(build berth.ID) (io.WriteCloser, error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of build logs: %w", err)
	}
	file, err := l.open(build, os.O_CREATE|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing[build] != nil {
		return nil, errors.Join(fmt.Errorf("create log of build %s: it is being written", build), file.Close())
	}
	l.writing[build] = &live{changed: make(chan struct{})}
	return &logWriter{logs: l, build: build, file: file}, nil
}

// Open opens a build's log for reading, fs.ErrNotExist where it has none. A reader that follows waits
// at the end of a log that is still being written, until the build ends or the reader is closed;
// one that does not may be asked again for what was written since.
func (l *Logs) Open(build berth.ID, follow bool) (io.ReadCloser, error) {
	file, err := l.open(build, os.O_RDONLY)
	if err != nil || !follow {
		return file, err
	}
	return &follower{logs: l, build: build, file: file, closed: make(chan struct{})}, nil
}

// OpenBuildLog opens a build's log as far as it is written.
func (l *Logs) OpenBuildLog(build berth.ID) (io.ReadCloser, error) { return l.Open(build, false) }

// Remove removes a build's log. That there is none is success.
func (l *Logs) Remove(build berth.ID) error {
	root, err := os.OpenRoot(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open build logs: %w", err)
	}
	defer root.Close()
	if err := root.Remove(logName(build)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove log of build %s: %w", build, err)
	}
	return nil
}

func logName(build berth.ID) string { return string(build) + ".log" }

func (l *Logs) open(build berth.ID, flag int) (*os.File, error) {
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return nil, fmt.Errorf("open build logs: %w", err)
	}
	defer root.Close()
	file, err := root.OpenFile(logName(build), flag, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of build %s: %w", build, err)
	}
	return file, nil
}

// notify tells followers that there is more, or the end.
func (l *Logs) notify(build berth.ID, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.writing[build]
	if w == nil {
		return
	}
	close(w.changed)
	w.changed = make(chan struct{})
	if ended {
		delete(l.writing, build)
	}
}

// next returns what closes when there is more of the log than now; nil when it is complete.
func (l *Logs) next(build berth.ID) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.writing[build]; w != nil {
		return w.changed
	}
	return nil
}

type logWriter struct {
	logs  *Logs
	build berth.ID
	file  *os.File
}

func (w *logWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.logs.notify(w.build, false)
	return n, err
}

func (w *logWriter) Close() error {
	err := w.file.Close()
	w.logs.notify(w.build, true)
	return err
}

type follower struct {
	logs   *Logs
	build  berth.ID
	file   *os.File
	once   sync.Once
	closed chan struct{}
}

func (f *follower) Read(p []byte) (int, error) {
	for {
		// Asked before the file is read, so that nothing written in between is waited for.
		next := f.logs.next(f.build)
		n, err := f.file.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) || next == nil {
			return n, err
		}
		select {
		case <-next:
		case <-f.closed:
			return 0, io.EOF
		}
	}
}

func (f *follower) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.file.Close()
}
