package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/berth-dev/berth"
)

// source reads one container's lines in the order they were written. It holds the file it is in
// open, so that neither rotation nor removal takes it away before its end.
type source struct {
	container container
	line      berth.LogLine // what all its lines have in common
	since     time.Time     // older lines are left out
	older     bool          // some were
	head      *berth.LogLine
	leaving   bool // its container was gone at the last look

	at     segment
	file   *os.File
	offset int64
	buffer []byte // read, not yet parsed
	join   joiner
	next   *segment // seen behind the present file: nobody writes to that one any more
	missed int      // looks in a row that did not find the present file among the container's
	begun  bool
}

func newSource(c container, since time.Time) *source {
	return &source{container: c, since: since, line: berth.LogLine{
		Element: c.Instance.Element, Instance: c.Instance.ID, Container: c.Container,
	}}
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

// take returns the head and makes room for the next one.
func (s *source) take() berth.LogLine {
	line := *s.head
	s.head = nil
	return line
}

// fill makes the next line the head, unless there is one or the container wrote no more by now.
func (s *source) fill() error {
	for s.head == nil {
		line, ok, err := s.read()
		if err != nil {
			return fmt.Errorf("read log of %s: %w", s.line.Instance, err)
		}
		if !ok {
			return nil
		}
		if line.Time.Before(s.since) {
			s.older = true
		} else {
			s.head = &line
		}
	}
	return nil
}

// read returns the next line; ok is false when there is none by now.
func (s *source) read() (line berth.LogLine, ok bool, err error) {
	if !s.begun {
		if ok, err := s.begin(); err != nil || !ok {
			return line, false, err
		}
	}
	for {
		if end := bytes.IndexByte(s.buffer, '\n'); end >= 0 {
			r, whole := parse(s.buffer[:end])
			s.buffer = s.buffer[end+1:]
			if !whole {
				continue
			}
			if line, ok := s.join.add(r, s.line); ok {
				return line, true, nil
			}
			continue
		}
		more, err := s.more()
		if err != nil || !more {
			return line, false, err
		}
	}
}

// begin opens the oldest file that may hold a line of interest.
func (s *source) begin() (bool, error) {
	list, ok, err := s.segments()
	if err != nil || !ok || len(list) == 0 {
		return false, err
	}
	first := 0
	for first < len(list)-1 && writtenBefore(list[first], s.since) {
		first++
	}
	if opened, err := s.open(list[first]); err != nil || !opened {
		return false, err
	}
	s.begun = true
	s.offset, err = seekTime(s.file, s.since)
	return true, err
}

func writtenBefore(f segment, t time.Time) bool {
	info, err := os.Stat(f.path)
	return err == nil && info.ModTime().Before(t)
}

// segments lists the container's files: where it writes, or where they are kept once it is gone.
func (s *source) segments() (list []segment, ok bool, err error) {
	if s.container.base != "" {
		list, ok, err := chain(s.container.base)
		if err != nil || !ok || len(list) > 0 {
			return list, ok, err
		}
	}
	list, err = keptSegments(s.container.kept)
	return list, true, err
}

// open makes f the present file; false when it is not there, or not itself, any more.
func (s *source) open(f segment) (bool, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := file.Stat()
	if err != nil {
		return false, errors.Join(err, file.Close())
	}
	if inode(info) != f.inode && !isBelow(f.path, s.container.kept) {
		return false, file.Close() // renamed since it was listed
	}
	s.close()
	s.file, s.at, s.offset, s.buffer, s.next, s.missed = file, f, 0, nil, nil, 0
	return true, nil
}

// more reads more of the container's output into the buffer; false when there is none by now.
func (s *source) more() (bool, error) {
	const chunk = 64 << 10
	for {
		if len(s.buffer) > maxLine { // no record is that long: skip what is
			s.buffer = nil
		}
		at := len(s.buffer)
		s.buffer = append(s.buffer, make([]byte, chunk)...)
		n, err := s.file.ReadAt(s.buffer[at:], s.offset)
		s.buffer = s.buffer[:at+n]
		s.offset += int64(n)
		switch {
		case n > 0:
			return true, nil
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		}
		if went, err := s.goOn(); err != nil || !went {
			return false, err
		}
	}
}

// goOn moves from a file's end to what was written after it. That a next file is seen proves that
// the present one is complete, but only what is read after it was seen is: so there is one more read
// in between.
func (s *source) goOn() (bool, error) {
	info, err := s.file.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < s.offset { // emptied in place: max-file=1
		s.offset, s.buffer = 0, nil
		return true, nil
	}
	if s.next != nil {
		opened, err := s.open(*s.next)
		if !opened {
			s.next = nil
		}
		return opened, err
	}
	list, ok, err := s.segments()
	if err != nil || !ok || len(list) == 0 {
		return false, err
	}
	for i, f := range list {
		if f.inode == s.at.inode {
			s.missed = 0
			if i == len(list)-1 {
				return false, nil
			}
			s.next = &list[i+1]
			return true, nil
		}
	}
	// Not among them: rotated out while nobody read. The oldest that is left comes next; but a file
	// that still has a name may only be on its way from one to another.
	if s.missed++; s.missed < 3 && links(info) > 0 {
		return false, nil
	}
	s.next = &list[0]
	return true, nil
}
