package sqlite

import (
	"path/filepath"
	"testing"
	"time"
)

// TestPeekReadsWhatOpenWouldRefuse: who takes a server away has not always the version that wrote its database.
func TestPeekReadsWhatOpenWouldRefuse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	if _, ok, err := PeekMeta(t.Context(), path, "server"); ok || err != nil {
		t.Errorf("of no database: %v, %v", ok, err)
	}
	store, err := Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Update(t.Context(), func(tx *Tx) error { return tx.PutMeta("server", "abc") }); err != nil {
		t.Fatal(err)
	}
	if _, err := store.writer.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, time.Now); err == nil {
		t.Fatal("a newer database was opened")
	}
	if value, ok, err := PeekMeta(t.Context(), path, "server"); value != "abc" || !ok || err != nil {
		t.Errorf("%q, %v, %v", value, ok, err)
	}
	if _, ok, err := PeekMeta(t.Context(), path, "other"); ok || err != nil {
		t.Errorf("of another fact: %v, %v", ok, err)
	}
}
