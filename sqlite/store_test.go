package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if crashing() {
		crashChild()
		return
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func clock() time.Time { return noon }

func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "a dir?#%41", "berth.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	s, err := Open(t.Context(), path, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// get runs one read in a View of its own.
func get[T any](t testing.TB, s *Store, read func(*Tx) (T, error)) (v T) {
	t.Helper()
	view(t, s, func(tx *Tx) (err error) {
		v, err = read(tx)
		return err
	})
	return v
}

func wantCode(t testing.TB, err error, code berth.Code) {
	t.Helper()
	if berth.CodeOf(err) != code {
		t.Fatalf("got %q (%v), want code %q", berth.CodeOf(err), err, code)
	}
}

// world stores a project "shop" with a deployment "prod" that has one of everything, and a person
// who is a member of it.
func world(t testing.TB, s *Store) (p berth.Project, d berth.Deployment, member berth.Person) {
	t.Helper()
	p = berth.Project{ID: berth.NewID(), Name: "shop", DefaultBranch: "main", Stages: berth.DefaultStages()}
	d = berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "prod", Slug: "prod-shop", Stage: "production",
		Kind: berth.KindBuild, Branch: "main", Size: "M", Desire: berth.DesireRun, Restarts: map[string]int{"web": 2}}
	member = berth.Person{ID: berth.NewID(), Name: "ada"}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.CreateProject(p), tx.CreateDeployment(d), tx.CreatePerson(member),
			tx.PutMembership(berth.Membership{Person: member.ID, Project: p.ID, Role: berth.RoleViewer}),
			tx.AddHost(berth.Host{Deployment: d.ID, Element: "web", Label: "web-prod-shop"}),
			tx.AppendEvent(berth.Event{Deployment: d.ID, Kind: "deployment.created", Message: "created"}),
			tx.PutObserved(d.ID, berth.Observed{At: noon, Step: "cloning main"}),
		)
	})
	return p, d, member
}

func TestOpenTwiceKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	first, err := Open(t.Context(), path, clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta("domain", "berth.localhost") }); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	view(t, openAt(t, path), func(tx *Tx) error {
		if v, ok, err := tx.Meta("domain"); v != "berth.localhost" || !ok || err != nil {
			t.Errorf("Meta = %q, %v, %v", v, ok, err)
		}
		return nil
	})
}

func TestOpenRefusesNewerDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s, err := Open(t.Context(), path, clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, clock)
	wantCode(t, err, berth.EUnsupported)
}

func TestDatabaseIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := openAt(t, path)
	update(t, s, func(tx *Tx) error { return tx.PutMeta("a", "b") })
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if mode := modeOf(t, path+suffix); mode.Perm() != 0o600 {
			t.Errorf("%s has mode %v", path+suffix, mode)
		}
	}
}

func TestEveryConnectionEnforcesForeignKeys(t *testing.T) {
	s := open(t)
	err := s.Update(t.Context(), func(tx *Tx) error {
		return tx.CreateDeployment(berth.Deployment{ID: berth.NewID(), ProjectID: berth.NewID(), Name: "a", Slug: "a"})
	})
	wantCode(t, err, berth.EConflict)
}

func TestUpdateThatFailsChangesNothing(t *testing.T) {
	s := open(t)
	boom := errors.New("boom")
	if err := s.Update(t.Context(), func(tx *Tx) error { return errors.Join(tx.PutMeta("a", "b"), boom) }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Update(t.Context(), func(tx *Tx) error { _ = tx.PutMeta("a", "b"); panic("boom") })
	}()
	view(t, s, func(tx *Tx) error {
		if _, ok, err := tx.Meta("a"); ok || err != nil {
			t.Errorf("Meta = %v, %v", ok, err)
		}
		return nil
	})
}

func TestViewCannotWrite(t *testing.T) {
	s := open(t)
	if err := s.View(t.Context(), func(tx *Tx) error { return tx.PutMeta("a", "b") }); err == nil {
		t.Fatal("a View wrote")
	}
}

func TestCancelledContextEndsTransaction(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx *Tx) error {
		cancel()
		return tx.PutMeta("a", "b")
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	update(t, s, func(tx *Tx) error { return tx.PutMeta("a", "c") }) // the writer is free again
}

// TestCancelledContextIsTheReasonGiven: database/sql rolls back behind our back when the context is
// done, and says then only that the transaction has ended. The one who waits is told why.
func TestCancelledContextIsTheReasonGiven(t *testing.T) {
	s := open(t)
	for name, run := range map[string]func(context.Context, func(*Tx) error) error{"view": s.View, "update": s.Update} {
		for _, inside := range []bool{true, false} {
			ctx, cancel := context.WithCancel(t.Context())
			err := run(ctx, func(tx *Tx) error {
				cancel()
				var ended error
				for !errors.Is(ended, sql.ErrTxDone) {
					ended = tx.tx.QueryRowContext(t.Context(), "SELECT 1").Err()
				}
				if inside {
					return fmt.Errorf("read project: %w", ended)
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s, noticed inside %t: %v", name, inside, err)
			}
		}
	}
}

func TestFullDiskIsSaidWithTheDirectory(t *testing.T) {
	s := open(t)
	if _, err := s.writer.Exec(`PRAGMA max_page_count = 60`); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta("a", string(make([]byte, 1<<20))) })
	wantCode(t, err, berth.EUnavailable)
	mustContain(t, berth.MessageOf(err), s.dir)
	update(t, s, func(tx *Tx) error { return tx.PutMeta("a", "b") })
}

func TestOneTimestampPerTransaction(t *testing.T) {
	s := open(t)
	p, d, _ := world(t, s)
	got := get(t, s, func(tx *Tx) (berth.Deployment, error) { return tx.DeploymentByID(berth.Everything(), d.ID) })
	if !got.CreatedAt.Equal(noon) {
		t.Errorf("deployment created at %v", got.CreatedAt)
	}
	if p := get(t, s, func(tx *Tx) (berth.Project, error) { return tx.Project(berth.Everything(), p.Name) }); !p.CreatedAt.Equal(noon) {
		t.Errorf("project created at %v", p.CreatedAt)
	}
}
