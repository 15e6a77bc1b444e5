package sqlite

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/berth-dev/berth"
	driver "modernc.org/sqlite"
	code "modernc.org/sqlite/lib"
)

// explain wraps what the driver said, as a coded error where a person can do something about it.
// It decides by the driver's code, never by its text.
func (s *Store) explain(doing string, err error) error {
	var known *berth.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch extended := codeOf(err); {
	case extended == code.SQLITE_FULL, extended == code.SQLITE_IOERR_SHMSIZE, errors.Is(err, syscall.ENOSPC):
		return coded(berth.EUnavailable, err, "the disk that holds Berth's data directory %s is full: free some space there, then try again; nothing was changed", s.dir)
	case extended&0xff == code.SQLITE_BUSY:
		return coded(berth.EUnavailable, err, "Berth's database in %s is locked by another program: is a second Berth or a backup running?", s.dir)
	case extended&0xff == code.SQLITE_CORRUPT, extended == code.SQLITE_NOTADB:
		return coded(berth.EUnavailable, err, "Berth's database in %s is damaged: stop Berth and restore a backup", s.dir)
	case extended == code.SQLITE_READONLY_DIRECTORY, extended&0xff == code.SQLITE_CANTOPEN, errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS):
		return coded(berth.EUnavailable, err, "Berth's database in %s cannot be opened for writing: check the directory's owner, mode and mount", s.dir)
	}
	return err
}

func coded(c berth.Code, cause error, format string, args ...any) error {
	e := berth.Errorf(c, format, args...)
	e.Err = cause
	return e
}

// codeOf returns SQLite's extended result code, 0 for errors of other origin.
func codeOf(err error) int {
	if e := (*driver.Error)(nil); errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// clash reports whether a constraint refused a row.
func clash(err error) bool { return codeOf(err)&0xff == code.SQLITE_CONSTRAINT }
