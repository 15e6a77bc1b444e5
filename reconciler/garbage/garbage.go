// Package garbage is the loop that removes what nothing wants any more: what the engine, the disk
// and the image store hold for deployments and projects that no row names. It touches only what
// its parts list as ours.
//
// It must not know how any of it came to be, and decides by absence from the store alone.
package garbage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
)

// Keeper holds things by owner and can drop all that one owner left.
type Keeper struct {
	Name   string // for errors: "containers", "volumes"
	Owners func(ctx context.Context) ([]berth.ID, error)
	Drop   func(ctx context.Context, owner berth.ID) error
}

// Config is what the loop is made of.
type Config struct {
	// Wanted returns every id that owns something: deployments and projects.
	Wanted func(ctx context.Context) (map[berth.ID]bool, error)
	// Keepers are asked in order: what uses a thing comes before the thing.
	Keepers []Keeper
	// History forgets releases that deployments can do without. Idempotent.
	History func(ctx context.Context) error
	// Images drops images of ours that no stored build, release or recipe refers to. Idempotent.
	Images func(ctx context.Context) error
	// Cache keeps what builds left for the next ones within its budget. Idempotent.
	Cache func(ctx context.Context) error
}

// Loop has one key: the whole machine.
type Loop struct{ Config }

// Everything is the loop's only key.
const Everything berth.ID = "everything"

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop { return &Loop{c} }

// Keys returns the only key.
func (l *Loop) Keys(context.Context) ([]berth.ID, error) { return []berth.ID{Everything}, nil }

// Turn drops everything without an owner. Owners are listed before the wanted set is read, so that
// what is created meanwhile is never taken for garbage.
func (l *Loop) Turn(ctx context.Context, _ berth.ID) (time.Duration, error) {
	var failures []error
	for _, k := range l.Keepers {
		if err := l.sweep(ctx, k); err != nil {
			failures = append(failures, fmt.Errorf("sweep %s: %w", k.Name, err))
		}
	}
	if err := l.History(ctx); err != nil {
		failures = append(failures, fmt.Errorf("forget releases: %w", err))
	}
	if err := l.Images(ctx); err != nil {
		failures = append(failures, fmt.Errorf("sweep images: %w", err))
	}
	if err := l.Cache(ctx); err != nil {
		failures = append(failures, fmt.Errorf("trim build cache: %w", err))
	}
	return 0, errors.Join(failures...)
}

func (l *Loop) sweep(ctx context.Context, k Keeper) error {
	owners, err := k.Owners(ctx)
	if err != nil {
		return err
	}
	wanted, err := l.Wanted(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, owner := range owners {
		if !wanted[owner] {
			failures = append(failures, k.Drop(ctx, owner))
		}
	}
	return errors.Join(failures...)
}
