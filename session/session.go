// Package session is what flows while somebody watches: logs, events, and commands in containers. It is
// the only caller of the engine's Execer for people, and knows whether anybody is working in a deployment.
//
// It must not know who may do what: it asks. It changes nothing but the audit log.
package session

import (
	"context"
	"iter"
	"sync"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// Access decides what a caller may do, and finds the deployment meant. What the caller may not see is ENotFound.
// With their person, token or login gone, a caller is EUnauthenticated, whoever they were before.
type Access interface {
	// Current is the caller with the role that they have now.
	Current(ctx context.Context, caller berth.Caller) (berth.Caller, error)
	MayRead(ctx context.Context, caller berth.Caller, ref string) (berth.Deployment, error)
	MayExec(ctx context.Context, caller berth.Caller, ref string) (berth.Deployment, error)
}

// Store is what streams need of the database. Subscribe hints, after commits, that something may be new;
// hints may be lost and repeated, and the channel closes with ctx.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
	Subscribe(ctx context.Context) <-chan berth.ID
}

// Tx reads and writes within one transaction.
type Tx interface {
	Observed(deployment berth.ID) (berth.Observed, error)
	// Events returns those after a sequence number, oldest first, the newest limit of them; limit 0 is all.
	Events(scope berth.Scope, deployment berth.ID, after int64, limit int) ([]berth.Event, error)
	AppendEvent(e berth.Event) error
}

// LogReader reads what containers wrote.
type LogReader interface {
	Read(ctx context.Context, deployment berth.ID, q berth.LogQuery) iter.Seq2[berth.LogLine, error]
}

// RequestReader reads what hosts were asked.
type RequestReader interface {
	Read(ctx context.Context, deployment berth.ID, q berth.LogQuery) iter.Seq2[berth.Request, error]
}

// Config is what sessions are made of.
type Config struct {
	Access   Access
	Store    Store
	Logs     LogReader
	Requests RequestReader
	Execer   engine.Execer // nil: this engine cannot run commands in containers
	Joiner   engine.Joiner // nil: it cannot give people a place to work in
	// Wake has a deployment that sleeps run again, and says what for.
	Wake func(ctx context.Context, deployment berth.ID, why string) error
}

// Sessions is the streams without a caller.
type Sessions struct {
	Config

	mu   sync.Mutex
	live map[berth.ID]int
}

// New returns the streams. It opens nothing.
func New(c Config) *Sessions { return &Sessions{Config: c, live: map[berth.ID]int{}} }

// As binds the streams to who asks.
func (s *Sessions) As(caller berth.Caller) *Service { return &Service{sessions: s, caller: caller} }

// Service is the streams for one caller.
type Service struct {
	sessions *Sessions
	caller   berth.Caller
}

var _ berth.StreamService = (*Service)(nil)

// Active says how many people are at work in a deployment now.
func (s *Sessions) Active(deployment berth.ID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[deployment]
}

// enter counts a session until leave is called.
func (s *Sessions) enter(deployment berth.ID) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[deployment]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.live[deployment]--; s.live[deployment] == 0 {
			delete(s.live, deployment)
		}
	}
}
