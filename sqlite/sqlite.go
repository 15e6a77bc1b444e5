package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// readers is how many View transactions may run at once; one more waits its turn.
const readers = 4

//go:embed migrations/*.sql
var migrations embed.FS

// Store is the database: one connection that writes, a few that read.
type Store struct {
	dir      string
	now      func() time.Time
	writer   *sql.DB
	reader   *sql.DB
	hints    *hints
	observed *observedCache
	lists    lists
}

// Open opens or creates the database at path and brings it up to date.
func Open(ctx context.Context, path string, now func() time.Time) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find database: %w", err)
	}
	s := &Store{dir: filepath.Dir(path), now: now, hints: newHints(), observed: newObservedCache()}
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) error {
	// Made here, because SQLite would make it readable by everybody.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return s.explain("create database", err)
	}
	if err := file.Close(); err != nil {
		return s.explain("create database", err)
	}
	if s.writer, err = sql.Open("sqlite", dsn(path, "immediate", "query_only(0)")); err != nil {
		return s.explain("open database", err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.reader, err = sql.Open("sqlite", dsn(path, "deferred", "query_only(1)")); err != nil {
		return s.explain("open database", err)
	}
	s.reader.SetMaxOpenConns(readers)
	return nil
}

// dsn carries every setting, because a PRAGMA sent later reaches one pooled connection only.
// synchronous is FULL: a person who was told yes must find it done after a power cut.
func dsn(path, lock, mode string) string {
	settings := url.Values{
		"_txlock": {lock},
		"_pragma": {
			"busy_timeout(10000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)",
			"journal_size_limit(16777216)", mode,
		},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String()
}

func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	present, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return s.explain("read database version", err)
	}
	if present > newest {
		return berth.Errorf(berth.EUnsupported,
			"the database in %s was written by a newer Berth (version %d, this one knows %d): start that one, or restore a backup made before the upgrade",
			s.dir, present, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return s.explain("migrate database", err)
	}
	return nil
}

// Close ends every subscription, then closes the database.
func (s *Store) Close() error {
	s.hints.close()
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// View runs fn in a read-only snapshot.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.within(ctx, s.reader, fn, func(t *sql.Tx) error { return t.Rollback() })
}

// Update runs fn in the one writing transaction and commits when it returns nil. What fn touched
// is told to subscribers after the commit. fn must not call Update or View: it would wait for itself.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	var touched []berth.ID
	err := s.within(ctx, s.writer, func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		for id := range tx.touched {
			touched = append(touched, id)
		}
		return nil
	}, (*sql.Tx).Commit)
	if err != nil {
		return err
	}
	s.hints.publish(touched)
	return nil
}

// Subscribe sends the id of every deployment that a commit touched, and "" when a project changed.
// Ids are hints: they come after the commit, several changes of one deployment may come as one, and
// a slow receiver holds nobody up. The channel closes with ctx or with the store.
func (s *Store) Subscribe(ctx context.Context) <-chan berth.ID { return s.hints.subscribe(ctx) }

func (s *Store) within(ctx context.Context, db *sql.DB, fn func(*Tx) error, end func(*sql.Tx) error) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return s.explain("begin transaction", err)
	}
	defer func() { _ = t.Rollback() }() // no effect once ended; needed when fn panics
	tx := &Tx{ctx: ctx, tx: t, store: s, now: s.now().UTC(), snapshot: db == s.reader, touched: map[berth.ID]struct{}{}, counted: map[topic]bool{}}
	if err := fn(tx); err != nil {
		return whyEnded(ctx, err)
	}
	return s.explain("end transaction", whyEnded(ctx, end(t)))
}

// whyEnded puts the reason in place of ErrTxDone: database/sql rolls back by itself when ctx is
// done, and whoever touches the transaction next is told only that it has ended.
func whyEnded(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && errors.Is(err, sql.ErrTxDone) {
		return cause
	}
	return err
}
