package garbage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/garbage"
)

// yard is what keepers hold, and what is wanted.
type yard struct {
	wanted            map[berth.ID]bool
	held              []berth.ID
	dropped           []berth.ID
	images            int
	caches, histories int
}

func (y *yard) keeper() garbage.Keeper {
	return garbage.Keeper{Name: "volumes",
		Owners: func(context.Context) ([]berth.ID, error) { return y.held, nil },
		Drop: func(_ context.Context, owner berth.ID) error {
			y.dropped = append(y.dropped, owner)
			return nil
		}}
}

func (y *yard) loop(keepers ...garbage.Keeper) *garbage.Loop {
	return garbage.New(garbage.Config{Keepers: keepers,
		Wanted:  func(context.Context) (map[berth.ID]bool, error) { return y.wanted, nil },
		Images:  func(context.Context) error { y.images++; return nil },
		History: func(context.Context) error { y.histories++; return nil },
		Cache:   func(context.Context) error { y.caches++; return nil }})
}

func (y *yard) turn(t *testing.T, keepers ...garbage.Keeper) error {
	t.Helper()
	_, err := y.loop(keepers...).Turn(t.Context(), garbage.Everything)
	return err
}

func TestOnlyWhatNobodyWantsIsDropped(t *testing.T) {
	y := &yard{held: []berth.ID{"kept", "gone", "kept2"}, wanted: map[berth.ID]bool{"kept": true, "kept2": true}}
	if err := y.turn(t, y.keeper()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(y.dropped, []berth.ID{"gone"}) || y.images != 1 || y.caches != 1 || y.histories != 1 {
		t.Errorf("dropped %v, images swept %d times", y.dropped, y.images)
	}
}

func TestWhatIsCreatedDuringASweepIsNotTakenForGarbage(t *testing.T) {
	y := &yard{wanted: map[berth.ID]bool{}}
	k := y.keeper()
	owners := k.Owners
	k.Owners = func(ctx context.Context) ([]berth.ID, error) {
		y.held, y.wanted = []berth.ID{"new"}, map[berth.ID]bool{"new": true} // its row comes first, then its things
		return owners(ctx)
	}
	if err := y.turn(t, k); err != nil {
		t.Fatal(err)
	}
	if len(y.dropped) != 0 {
		t.Errorf("dropped %v", y.dropped)
	}
}

func TestAFailingKeeperDoesNotStopTheOthers(t *testing.T) {
	errList, errDrop := errors.New("cannot list"), errors.New("cannot drop")
	y := &yard{held: []berth.ID{"a", "b"}}
	blind, stuck := y.keeper(), y.keeper()
	blind.Owners = func(context.Context) ([]berth.ID, error) { return nil, errList }
	tried := 0
	stuck.Drop = func(context.Context, berth.ID) error { tried++; return errDrop }
	err := y.turn(t, blind, stuck, y.keeper())
	if !errors.Is(err, errList) || !errors.Is(err, errDrop) {
		t.Errorf("the loop hears %v, so it would not come back", err)
	}
	if tried != 2 || !slices.Equal(y.dropped, []berth.ID{"a", "b"}) || y.images != 1 || y.caches != 1 || y.histories != 1 {
		t.Errorf("tried %d times, dropped %v, images swept %d times", tried, y.dropped, y.images)
	}
}

func TestNothingIsDroppedWhileNobodyKnowsWhatIsWanted(t *testing.T) {
	y := &yard{held: []berth.ID{"a"}}
	l := y.loop(y.keeper())
	errRead := errors.New("cannot read")
	l.Wanted = func(context.Context) (map[berth.ID]bool, error) { return nil, errRead }
	if _, err := l.Turn(t.Context(), garbage.Everything); !errors.Is(err, errRead) || len(y.dropped) > 0 {
		t.Errorf("dropped %v, error %v", y.dropped, err)
	}
}

func TestTheWholeMachineIsOneKey(t *testing.T) {
	if keys, err := (&yard{}).loop().Keys(t.Context()); err != nil || !slices.Equal(keys, []berth.ID{garbage.Everything}) {
		t.Errorf("keys %v, %v", keys, err)
	}
}
