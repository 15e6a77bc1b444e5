package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/berth-dev/berth"
)

// Tx is one transaction. It carries its context and one timestamp, so that everything written
// together has the same time. It must not be used after its function returned.
type Tx struct {
	ctx      context.Context
	tx       *sql.Tx
	store    *Store
	now      time.Time
	snapshot bool // of committed data: a View
	touched  map[berth.ID]struct{}
	counted  map[topic]bool
}

// Now returns the transaction's one timestamp.
func (tx *Tx) Now() time.Time { return tx.now }

// touch notes whom to tell after the commit.
func (tx *Tx) touch(deployment berth.ID) { tx.touched[deployment] = struct{}{} }

// touchList is touch for what a topic's lists are made of.
func (tx *Tx) touchList(t topic, deployment berth.ID) error {
	tx.touch(deployment)
	return tx.changed(t)
}

// write runs a statement and returns how many rows it changed. conflict is what a person reads
// when a constraint refuses the row.
func (tx *Tx) write(doing, conflict, statement string, args ...any) (int64, error) {
	result, err := tx.tx.ExecContext(tx.ctx, statement, args...)
	if err != nil {
		if clash(err) {
			return 0, coded(berth.EConflict, err, "%s", conflict)
		}
		return 0, tx.store.explain(doing, err)
	}
	changed, err := result.RowsAffected()
	return changed, tx.store.explain(doing, err)
}

// change is write for a row that must exist.
func (tx *Tx) change(doing, conflict string, missing error, statement string, args ...any) error {
	changed, err := tx.write(doing, conflict, statement, args...)
	if err == nil && changed == 0 {
		return missing
	}
	return err
}

// row is what a scan function reads from: *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// all returns every row of a query.
func all[T any](tx *Tx, doing string, scan func(row) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return nil, tx.store.explain(doing, err)
	}
	defer func() { err = errors.Join(err, tx.store.explain(doing, rows.Close())) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, tx.store.explain(doing, err)
		}
		list = append(list, item)
	}
	return list, tx.store.explain(doing, rows.Err())
}

// one returns the first row of a query; ok is false when there is none.
func one[T any](tx *Tx, doing string, scan func(row) (T, error), query string, args ...any) (item T, ok bool, err error) {
	item, err = scan(tx.tx.QueryRowContext(tx.ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, false, nil
	}
	if err != nil {
		return item, false, tx.store.explain(doing, err)
	}
	return item, true, nil
}

// must is one for a row that has to exist: else it returns missing.
func must[T any](tx *Tx, doing string, missing error, scan func(row) (T, error), query string, args ...any) (T, error) {
	item, ok, err := one(tx, doing, scan, query, args...)
	if err == nil && !ok {
		err = missing
	}
	return item, err
}

// visible is the condition that a project column must meet for a row to be within scope.
func visible(scope berth.Scope, column string) (condition string, args []any) {
	if scope.All {
		return "TRUE", nil
	}
	return column + " IN (SELECT project FROM memberships WHERE person = ?)", []any{scope.Person}
}
