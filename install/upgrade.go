package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
)

// healthyWithin is how long a new server may take until it is taken for broken.
const healthyWithin = 30 * time.Second

// Upgrade puts another binary, and the helper that lies beside it, in the place of the installed one and
// starts the server anew. A new server that is not healthy within 30 s goes: the old one comes back, and the
// database with it. It returns the versions.
func Upgrade(ctx context.Context, o Options, file string) (from, to string, err error) {
	if err := asRoot("upgrade"); err != nil {
		return "", "", err
	}
	o = o.withDefaults()
	l := o.layout()
	before, installed, err := readRecord(l)
	if err != nil {
		return "", "", err
	}
	if !installed {
		return "", "", berth.Errorf(berth.ENotFound, "Berth is not installed on %s: berth install does that", l.data)
	}
	if !o.ownsPrograms(installed) {
		return "", "", berth.Errorf(berth.EConflict, "%s is of a Berth on another data directory: name that with --data", l.binary())
	}
	u := upgrade{layout: l, before: before, log: o.Log}
	if u.binary, err = filepath.Abs(file); err != nil {
		return "", "", fmt.Errorf("find %s: %w", file, err)
	}
	if err := u.check(ctx); err != nil {
		return "", "", err
	}
	u.supervisor = o.supervisor(exists(l.unit()), before.line(l))
	return u.before.Version, u.version, u.run(ctx)
}

// upgrade is one.
type upgrade struct {
	layout     layout
	before     record
	log        io.Writer
	binary     string // the new one
	agent      string // the helper that belongs to it
	cli        []commandLine
	version    string
	supervisor supervisor
}

// check refuses a file that does not run here, before anything is changed.
func (u *upgrade) check(ctx context.Context) (err error) {
	release, err := openRelease(filepath.Dir(u.binary))
	if err != nil {
		return err
	}
	if err := release.verify(u.binary); err != nil {
		return err
	}
	if !isExecutable(u.binary) {
		return berth.Errorf(berth.EInvalid, "%s is no file that can be run: chmod +x it, if it is the right one", u.binary)
	}
	if u.version, err = versionOf(ctx, u.binary); err != nil {
		return err
	}
	// An upgrade that was killed did not write down what it had put in place.
	if present, err := versionOf(ctx, u.layout.binary()); err == nil {
		u.before.Version = present
	}
	u.cli = release.cli
	u.agent, err = release.agent(u.binary, u.layout)
	return err
}

func (u *upgrade) say(format string, args ...any) { fmt.Fprintf(u.log, format+"\n", args...) }

func (u *upgrade) run(ctx context.Context) error {
	u.say("Stopping Berth %s; containers run on", u.before.Version)
	if err := u.supervisor.stop(ctx); err != nil {
		return err
	}
	// From here on the old server comes back whatever happens, a person's Ctrl-C included.
	clean := context.WithoutCancel(ctx)
	if err := u.keep(); err != nil {
		return errors.Join(err, u.supervisor.start(clean))
	}
	u.say("Starting Berth %s", u.version)
	failed := u.swap(ctx)
	if failed == nil {
		return u.finish()
	}
	u.say("Berth %s is not healthy; going back to %s", u.version, u.before.Version)
	if err := u.back(clean); err != nil {
		return errors.Join(failed, fmt.Errorf("go back to Berth %s: %w", u.before.Version, err))
	}
	return berth.Errorf(berth.EUnavailable, "Berth %s was not healthy, and Berth %s serves again: %w", u.version, u.before.Version, failed)
}

// finish is what only a new version that is healthy leaves.
func (u *upgrade) finish() error {
	for _, c := range u.cli {
		if err := copyFile(c.path, filepath.Join(u.layout.cli(), c.platform), 0o644); err != nil {
			return err
		}
	}
	after := u.before
	after.Version = u.version
	return after.write(u.layout)
}

// keep saves what going back needs: the binaries and the database, while nobody writes to it.
func (u *upgrade) keep() error {
	l := u.layout
	for _, path := range []string{l.binary(), l.agent()} {
		if err := copyFile(path, filepath.Join(l.previous(), filepath.Base(path)), 0o755); err != nil {
			return fmt.Errorf("keep the present version: %w", err)
		}
	}
	if err := os.RemoveAll(l.backup()); err != nil {
		return fmt.Errorf("remove the backup before: %w", err)
	}
	if err := os.Mkdir(l.backup(), 0o700); err != nil {
		return fmt.Errorf("make directory for backup: %w", err)
	}
	return copyDatabase(l.database(), filepath.Join(l.backup(), filepath.Base(l.database())))
}

// databaseParts are SQLite's files; the later ones may be missing.
var databaseParts = []string{"", "-wal", "-shm"}

// copyDatabase copies a database that nobody has open. What the other one had besides is removed first: a log of
// another database must never lie beside this one.
func copyDatabase(from, to string) error {
	for _, part := range databaseParts[1:] {
		if err := os.Remove(to + part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copy database: %w", err)
		}
	}
	for _, part := range databaseParts {
		content, err := os.ReadFile(from + part)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(to + part)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("copy database: %w", err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("copy database: %w", err)
		}
		if err := replaceFile(to+part, content, 0o600); err != nil {
			return fmt.Errorf("copy database: %w", err)
		}
	}
	return nil
}

// swap puts the new version in place and waits until it is healthy.
func (u *upgrade) swap(ctx context.Context) error {
	l := u.layout
	if err := copyFile(u.agent, l.agent(), 0o755); err != nil {
		return err
	}
	if err := copyFile(u.binary, l.binary(), 0o755); err != nil {
		return err
	}
	if err := u.supervisor.start(ctx); err != nil {
		return err
	}
	return awaitServer(ctx, l, u.supervisor, healthyWithin, u.version)
}

// back puts everything as it was.
func (u *upgrade) back(ctx context.Context) error {
	l := u.layout
	if err := u.supervisor.stop(ctx); err != nil {
		return err
	}
	for _, path := range []string{l.binary(), l.agent()} {
		if err := copyFile(filepath.Join(l.previous(), filepath.Base(path)), path, 0o755); err != nil {
			return err
		}
	}
	if err := copyDatabase(filepath.Join(l.backup(), filepath.Base(l.database())), l.database()); err != nil {
		return err
	}
	if err := u.supervisor.start(ctx); err != nil {
		return err
	}
	return awaitServer(ctx, l, u.supervisor, startWithin, u.before.Version)
}
