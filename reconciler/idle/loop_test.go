package idle

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// scene is one deployment and what its loop is told of it.
type scene struct {
	*Loop
	now      time.Time
	d        berth.Deployment
	runs     bool
	people   int
	requests int64
	cpu      time.Duration
	noCPU    bool
	slept    []string
	warnings []string
}

func newScene(after time.Duration) *scene {
	s := &scene{now: noon, d: berth.Deployment{ID: "d", Slug: "dev-shop", Kind: berth.KindDevelopment}, runs: true}
	s.Loop = New(Config{
		Running:    func(context.Context) ([]berth.ID, error) { return []berth.ID{"d"}, nil },
		Deployment: func(context.Context, berth.ID) (berth.Deployment, bool, error) { return s.d, s.runs, nil },
		After:      func(berth.StageKind) time.Duration { return after },
		People:     func(berth.ID) int { return s.people }, Requests: func(berth.ID) int64 { return s.requests },
		CPU: func(berth.ID) (time.Duration, error) {
			if s.noCPU {
				return 0, errors.New("there is no such group")
			}
			return s.cpu, nil
		},
		Sleep: func(_ context.Context, _ berth.ID, why string) error { s.slept = append(s.slept, why); return nil },
		Warn:  func(_ context.Context, _ berth.ID, m string) error { s.warnings = append(s.warnings, m); return nil },
		Now:   func() time.Time { return s.now },
	})
	return s
}

// pass lets time pass in the loop's own steps.
func (s *scene) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for until := s.now.Add(d); s.now.Before(until); {
		again, err := s.Turn(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if again <= 0 {
			again = often
		}
		s.now = s.now.Add(again)
	}
	if _, err := s.Turn(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
}

func TestItSleepsAfterItsTime(t *testing.T) {
	s := newScene(4 * time.Hour)
	s.pass(t, 3*time.Hour+49*time.Minute)
	if len(s.slept)+len(s.warnings) != 0 {
		t.Fatalf("after 3h49m: slept %v, warned %v", s.slept, s.warnings)
	}
	s.pass(t, 2*time.Minute)
	if len(s.warnings) != 1 || !strings.Contains(s.warnings[0], "16:00 UTC") || len(s.slept) != 0 {
		t.Fatalf("ten minutes before: slept %v, warned %v", s.slept, s.warnings)
	}
	s.pass(t, 10*time.Minute)
	if len(s.slept) == 0 || len(s.warnings) != 1 {
		t.Fatalf("after four hours: slept %v, warned %v", s.slept, s.warnings)
	}
}

func TestWhatKeepsItAwake(t *testing.T) {
	for name, act := range map[string]func(*scene){
		"a shell":       func(s *scene) { s.people = 1 },
		"an open page":  func(s *scene) { s.requests = 1 },
		"a request":     func(s *scene) { s.Requested("d") },
		"a busy core":   func(s *scene) { s.cpu += time.Hour },
		"a new wake-up": func(s *scene) { s.d.Rest.Woken = s.now },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(time.Hour)
			s.pass(t, 55*time.Minute)
			act(s)
			s.pass(t, 5*time.Second)
			s.people, s.requests = 0, 0
			s.pass(t, 55*time.Minute)
			if len(s.slept) != 0 {
				t.Fatalf("it slept: %v", s.slept)
			}
			s.pass(t, 10*time.Minute)
			if len(s.slept) == 0 {
				t.Fatal("it never slept")
			}
		})
	}
}

func TestIdlenessIsShown(t *testing.T) {
	s := newScene(time.Hour)
	if s.Idleness(s.d) != nil {
		t.Error("something is known before the first look")
	}
	s.pass(t, 10*time.Minute)
	s.Requested("d")
	asked := s.now
	s.now = s.now.Add(time.Minute)
	s.pass(t, 0)
	got := s.Idleness(s.d)
	if got == nil || !got.Since.Equal(asked) || got.Last != "a request" || !got.SleepsAt.Equal(asked.Add(time.Hour)) {
		t.Errorf("shown %+v, asked at %v", got, asked)
	}
	s.runs = false
	s.pass(t, 0)
	if s.Idleness(s.d) != nil {
		t.Error("one that does not run is remembered")
	}
}

func TestUnknownLoadIsNoLoad(t *testing.T) {
	s := newScene(time.Hour)
	s.noCPU = true
	s.pass(t, 61*time.Minute)
	if len(s.slept) == 0 {
		t.Error("it stays awake because its load is not known")
	}
}
