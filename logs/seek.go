package logs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
)

func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}

// seekTime returns an offset in front of the first record that is not older than t, close to it:
// records are in the order of time, but for small differences between the streams.
func seekTime(file *os.File, t time.Time) (int64, error) {
	const close = 256 << 10
	info, err := file.Stat()
	if err != nil || t.IsZero() {
		return 0, err
	}
	low, high := int64(0), info.Size() // low is in front of the record; from high on all are young enough
	for high-low > close {
		middle := low + (high-low)/2
		at, r, found, err := firstRecord(file, middle, high)
		if err != nil {
			return 0, err
		}
		if found && r.Time.Before(t.Add(-time.Second)) {
			low = at
		} else {
			high = middle
		}
	}
	return low, nil
}

// firstRecord finds the first whole record that begins in (from, to), and where.
func firstRecord(file *os.File, from, to int64) (at int64, r record, found bool, err error) {
	const chunk = 256 << 10
	data := make([]byte, min(chunk, to-from))
	n, err := file.ReadAt(data, from)
	if err != nil && err != io.EOF {
		return 0, r, false, err
	}
	data = data[:n]
	at = from
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return 0, r, false, nil
		}
		at += int64(end + 1)
		data = data[end+1:]
		if stop := bytes.IndexByte(data, '\n'); stop >= 0 {
			if r, ok := parse(data[:stop]); ok {
				return at, r, true, nil
			}
		}
	}
}

// last returns the newest n lines, and leaves the source behind them. It looks from the end: twice
// as far each time that long lines made fewer lines of the records.
func (s *source) last(n int) ([]berth.LogLine, error) {
	for records := 2*n + 16; ; records *= 2 {
		complete, err := s.rewind(records)
		if err != nil {
			return nil, fmt.Errorf("read log of %s: %w", s.line.Instance, err)
		}
		lines, total, err := s.newest(n)
		if err != nil {
			return nil, err
		}
		// The first lines of an incomplete look, one of each stream, may lack their beginning.
		if complete || s.older || total >= n+2 {
			return lines, nil
		}
	}
}

// newest reads to the end, keeps n lines and counts all.
func (s *source) newest(n int) (lines []berth.LogLine, total int, err error) {
	for {
		if err := s.fill(); err != nil {
			return nil, 0, err
		}
		if s.head == nil {
			return lines[max(0, len(lines)-n):], total, nil
		}
		lines = append(lines, s.take())
		if total++; len(lines) > 2*n+16 {
			lines = append(lines[:0], lines[len(lines)-n:]...)
		}
	}
}

// rewind puts the source in front of its newest records, as many as asked for; complete says that
// these are all of them.
func (s *source) rewind(records int) (complete bool, err error) {
	s.close()
	s.join, s.head, s.begun = joiner{}, nil, false
	s.older = false
	list, ok, err := s.segments()
	if err != nil || !ok || len(list) == 0 {
		return true, err
	}
	for i := len(list) - 1; ; i-- {
		opened, err := s.open(list[i])
		if err != nil {
			return false, err
		}
		if !opened { // rotated meanwhile: what is asked for is what is there now
			return s.rewind(records)
		}
		s.begun = true
		offset, seen, err := backward(s.file, records)
		if err != nil {
			return false, err
		}
		s.offset = offset
		if records -= seen; records <= 0 || i == 0 {
			return i == 0 && offset == 0, nil
		}
	}
}

// backward returns the offset of the n-th record from a file's end, 0 when it has fewer, and how
// many it has behind that.
func backward(file *os.File, n int) (offset int64, seen int, err error) {
	const chunk = 64 << 10
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	data := make([]byte, chunk)
	for end := info.Size(); end > 0; {
		from := max(0, end-chunk)
		part := data[:end-from]
		if _, err := file.ReadAt(part, from); err != nil && err != io.EOF {
			return 0, 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' {
				continue
			}
			if seen == n {
				return from + int64(i) + 1, seen, nil
			}
			seen++
		}
		end = from
	}
	return 0, seen, nil
}
