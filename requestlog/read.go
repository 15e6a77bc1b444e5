package requestlog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
)

// poll is how often a followed file is looked at.
const poll = 150 * time.Millisecond

// Read yields a deployment's requests in the order in which they ended, up to what was added when it was
// called; with q.Follow also what comes later, until ctx ends. Previous has no meaning here.
func (l *Log) Read(ctx context.Context, deployment berth.ID, q berth.LogQuery) iter.Seq2[berth.Request, error] {
	return func(yield func(berth.Request, error) bool) {
		if err := l.flush(); err != nil {
			l.config.Log.Warn("write requests", "error", err)
		}
		r := &reading{log: l, dir: l.dir(deployment), query: q}
		if q.Since > 0 {
			r.since = l.now().Add(-q.Since)
		}
		defer r.close()
		if err := r.run(ctx, yield); err != nil {
			yield(berth.Request{}, err)
		}
	}
}

// reading is one call of Read.
type reading struct {
	log   *Log
	dir   string
	query berth.LogQuery
	since time.Time

	file *os.File // the newest, as far as it was known
	in   *bufio.Reader
	part []byte // of a line that is not whole yet
}

func (r *reading) run(ctx context.Context, yield func(berth.Request, error) bool) error {
	older, err := r.open()
	if err != nil {
		return err
	}
	if older != nil {
		defer func() { _ = older.Close() }()
	}
	if r.query.Tail > 0 {
		yield = r.tail(yield, older)
		if yield == nil {
			return nil
		}
	} else if older != nil {
		if more, err := r.lines(bufio.NewReader(older), yield); err != nil || !more {
			return err
		}
	}
	for {
		more, err := r.next(yield)
		if err != nil || !more || !r.query.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(poll):
		}
	}
}

// tail yields the newest requests of what there is, and returns what goes on after them; nil when the receiver has enough.
func (r *reading) tail(yield func(berth.Request, error) bool, older *os.File) func(berth.Request, error) bool {
	var last []berth.Request
	keep := func(request berth.Request, _ error) bool {
		if last = append(last, request); len(last) >= 2*r.query.Tail {
			last = append(last[:0], last[len(last)-r.query.Tail:]...)
		}
		return true
	}
	var err error
	if older != nil {
		_, err = r.lines(bufio.NewReader(older), keep)
	}
	if err == nil {
		_, err = r.next(keep)
	}
	if err != nil {
		yield(berth.Request{}, err)
		return nil
	}
	for _, request := range last[max(0, len(last)-r.query.Tail):] {
		if !yield(request, nil) {
			return nil
		}
	}
	return yield
}

// open opens both files at one moment.
func (r *reading) open() (older *os.File, err error) {
	r.log.files.Lock()
	defer r.log.files.Unlock()
	older, err = openIfThere(filepath.Join(r.dir, before))
	if err != nil {
		return nil, err
	}
	r.file, err = openIfThere(filepath.Join(r.dir, newest))
	if r.file != nil {
		r.in = bufio.NewReader(r.file)
	}
	return older, err
}

func openIfThere(path string) (*os.File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open requests: %w", err)
	}
	return file, nil
}

// next yields what is new, of the file that is being read and of the one that took its place.
func (r *reading) next(yield func(berth.Request, error) bool) (more bool, err error) {
	turned, err := r.turned()
	if err != nil {
		return false, err
	}
	if r.file != nil {
		if more, err := r.lines(r.in, yield); err != nil || !more {
			return false, err
		}
	}
	if !turned {
		return true, nil
	}
	r.close()
	if r.file, err = openIfThere(filepath.Join(r.dir, newest)); err != nil || r.file == nil {
		return err == nil, err
	}
	r.in = bufio.NewReader(r.file)
	return r.lines(r.in, yield)
}

// turned reports whether another file is the newest now: then nothing is added to the present one any more.
func (r *reading) turned() (bool, error) {
	if r.file == nil {
		return true, nil
	}
	mine, err := r.file.Stat()
	if err != nil {
		return false, fmt.Errorf("look at requests: %w", err)
	}
	present, err := os.Stat(filepath.Join(r.dir, newest))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at requests: %w", err)
	}
	return !os.SameFile(mine, present), nil
}

func (r *reading) lines(in *bufio.Reader, yield func(berth.Request, error) bool) (more bool, err error) {
	for {
		line, err := in.ReadSlice('\n')
		r.part = append(r.part, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return true, nil // the rest of the line comes later
		case err != nil:
			return false, fmt.Errorf("read requests: %w", err)
		}
		var request berth.Request
		err = json.Unmarshal(r.part, &request)
		r.part = r.part[:0]
		if err != nil || request.Time.Before(r.since) || r.query.Element != "" && r.query.Element != request.Element {
			continue // a line that is none: what a full disk left
		}
		if !yield(request, nil) {
			return false, nil
		}
	}
}

func (r *reading) close() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}
