package builds

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

// oneRow is a store of one build, whose disk may be full.
type oneRow struct {
	Tx   // nil: what is not below must not be called
	row  berth.Build
	full bool
}

func (s *oneRow) View(_ context.Context, fn func(Tx) error) error { return fn(s) }
func (*oneRow) SucceededBuild(berth.ID, string) (b berth.Build, ok bool, err error) {
	return b, false, nil
}

func (s *oneRow) Update(_ context.Context, fn func(Tx) error) error {
	before := s.row
	err := fn(s)
	if s.full {
		s.row, err = before, errors.New("the disk is full")
	}
	return err
}
func (s *oneRow) Build(berth.ID) (berth.Build, error)   { return s.row, nil }
func (s *oneRow) UpdateBuild(b berth.Build) error       { s.row = b; return nil }
func (s *oneRow) QueuedBuilds() ([]berth.Build, error)  { return nil, nil }
func (s *oneRow) RunningBuilds() ([]berth.Build, error) { return nil, nil }

type builderFunc func() (build.Result, error)

func (f builderFunc) Build(context.Context, build.Request, io.Writer) (build.Result, error) {
	return f()
}

func TestABuildWhoseEndCouldNotBeWrittenIsRunAgain(t *testing.T) {
	spec, err := json.Marshal(build.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	s := &oneRow{row: berth.Build{ID: "b1", State: berth.BuildQueued, Spec: spec}}
	fill := true
	l := New(Config{Store: s, Room: func() error { return nil }, Dir: t.TempDir(), Now: time.Now, Builder: builderFunc(func() (build.Result, error) {
		s.full = fill
		return build.Result{Image: "sha256:made"}, nil
	})})
	if _, err := l.Turn(t.Context(), "b1"); err == nil {
		t.Fatal("a full disk is no error")
	}
	if _, err := l.Turn(t.Context(), "b1"); err == nil || s.row.State != berth.BuildRunning {
		t.Fatalf("%s, %v", s.row.State, err)
	}
	s.full, fill = false, false
	if _, err := l.Turn(t.Context(), "b1"); err != nil || s.row.State != berth.BuildSucceeded {
		t.Errorf("%s, %v: the build hangs", s.row.State, err)
	}
}
