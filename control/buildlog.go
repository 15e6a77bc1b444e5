package control

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// lookAgain is how often a followed log is asked for more.
const lookAgain = 200 * time.Millisecond

// buildLog reads a log that may not exist yet and may still grow. It starts no goroutine: reading waits.
type buildLog struct {
	ctx    context.Context
	follow bool
	open   func() (io.ReadCloser, error)
	done   func() (bool, error)

	file  io.ReadCloser
	ended bool // the build was done before the last read: what follows is all there is
}

func (l *buildLog) Read(p []byte) (int, error) {
	for {
		n, err := l.readSome(p)
		if n > 0 || (err != nil && err != io.EOF) {
			return n, ignoreEOF(err)
		}
		if !l.follow || l.ended {
			return 0, io.EOF
		}
		if l.ended, err = l.done(); err != nil {
			return 0, err
		}
		if l.ended {
			continue
		}
		select {
		case <-l.ctx.Done():
			return 0, context.Cause(l.ctx)
		case <-time.After(lookAgain):
		}
	}
}

func (l *buildLog) readSome(p []byte) (int, error) {
	if l.file == nil {
		file, err := l.open()
		if errors.Is(err, fs.ErrNotExist) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		l.file = file
	}
	return l.file.Read(p)
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// Close lets go of the log.
func (l *buildLog) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
