package daemon

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// storeFor lends the one database to a package that names the transaction it needs by an interface
// of its own, T.
type storeFor[T any] struct {
	store *sqlite.Store
	as    func(*sqlite.Tx) T
}

// View runs fn in a read-only snapshot.
func (s storeFor[T]) View(ctx context.Context, fn func(T) error) error {
	return s.store.View(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

// Update runs fn in one writing transaction.
func (s storeFor[T]) Update(ctx context.Context, fn func(T) error) error {
	return s.store.Update(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

// watched is a storeFor whose commits can be followed.
type watched[T any] struct{ storeFor[T] }

// Subscribe hints at commits until ctx ends.
func (w watched[T]) Subscribe(ctx context.Context) <-chan berth.ID { return w.store.Subscribe(ctx) }
