package session

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/sqlite"
)

// answers is an access that says what it is told to, one after the other; the last stays.
type answers struct {
	access
	errs chan error
	last error
}

func (a *answers) MayRead(ctx context.Context, c berth.Caller, ref string) (berth.Deployment, error) {
	select {
	case a.last = <-a.errs:
	default:
	}
	if a.last != nil {
		return berth.Deployment{}, a.last
	}
	return a.access.MayRead(ctx, c, ref)
}

func (a *answers) MayExec(ctx context.Context, c berth.Caller, ref string) (berth.Deployment, error) {
	return a.MayRead(ctx, c, ref)
}

// endless yields one line and waits.
type endless struct{}

func (endless) Read(ctx context.Context, _ berth.ID, _ berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(yield func(berth.LogLine, error) bool) {
		if yield(berth.LogLine{Text: "first"}, nil) {
			<-ctx.Done()
			yield(berth.LogLine{}, ctx.Err())
		}
	}
}

// TestWhatLastsEndsWithTheRightToIt: the reason is told, and a store that fails for a moment cuts nobody off.
func TestWhatLastsEndsWithTheRightToIt(t *testing.T) {
	began := make(chan struct{}, 1)
	run := execer(func(ctx context.Context, _ engine.ExecSpec) (int, error) {
		began <- struct{}{}
		<-ctx.Done()
		return 0, ctx.Err()
	})
	for name, last := range map[string]func(ctx context.Context, s *Service) error{
		"logs": func(ctx context.Context, s *Service) error {
			for line, err := range s.Logs(ctx, "web-shop", berth.LogQuery{Follow: true}) {
				if err != nil {
					return err
				}
				if line.Text == "first" {
					began <- struct{}{}
				}
			}
			return nil
		},
		"exec": func(ctx context.Context, s *Service) error {
			_, err := s.Exec(ctx, "web-shop", berth.Exec{Command: []string{"x"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessions, store, d := newSessions(t, run)
			ask := &answers{access: access{d}, errs: make(chan error, 1)}
			sessions.Access, sessions.Logs = ask, endless{}
			ended := make(chan error, 1)
			go func() { ended <- last(t.Context(), sessions.As(worker)) }()
			<-began
			for _, answer := range []error{errors.New("the disk is busy"), nil, berth.Errorf(berth.EUnauthenticated, "worker is no longer logged in")} {
				select {
				case err := <-ended:
					t.Fatalf("it ended with %v", err)
				case ask.errs <- answer:
				}
				for len(ask.errs) > 0 { // until it was asked
					if err := store.Update(t.Context(), func(tx *sqlite.Tx) error { return tx.AppendEvent(berth.Event{Kind: "person.changed"}) }); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := <-ended; berth.CodeOf(err) != berth.EUnauthenticated {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
