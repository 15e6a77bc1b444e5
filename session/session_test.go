package session

import (
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChooseInstance(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	instance := func(id, element string, slot int, ready, wanted bool, started int) berth.InstanceStatus {
		return berth.InstanceStatus{ID: id, Element: element, Slot: slot, State: berth.InstanceRunning, Ready: ready, Wanted: wanted, StartedAt: at(started)}
	}
	exited := instance("dead", "web", 0, false, true, 9)
	exited.State = berth.InstanceExited
	seen := berth.Observed{
		Elements: []berth.ElementStatus{
			{Identifier: "postgres", Kind: berth.KindAddon}, {Identifier: "web", Kind: berth.KindComponent},
			{Identifier: "worker", Kind: berth.KindComponent, Message: "the image is missing"},
		},
		Instances: []berth.InstanceStatus{
			instance("pg", "postgres", 0, true, true, 1), instance("old", "web", 0, true, false, 1),
			instance("new", "web", 0, true, true, 2), instance("second", "web", 1, true, true, 3),
			instance("starting", "web", 2, false, true, 5), exited,
		},
	}
	for target, want := range map[string]string{
		"": "second", "web": "second", "web.0": "new", "web.1": "second", "web.2": "starting", "postgres": "pg", "postgres.0": "pg",
	} {
		if got, err := chooseInstance("shop", seen, target); err != nil || got.ID != want {
			t.Errorf("%q means %s, %v, want %s", target, got.ID, err, want)
		}
	}
	for target, want := range map[string]berth.Code{
		"absent": berth.ENotFound, "web.3": berth.EUnavailable, "web.x": berth.EInvalid, "web.-1": berth.EInvalid, "worker": berth.EUnavailable,
	} {
		if got, err := chooseInstance("shop", seen, target); berth.CodeOf(err) != want {
			t.Errorf("%q means %s, %v, want %s", target, got.ID, err, want)
		}
	}
	if _, err := chooseInstance("shop", seen, "worker"); !strings.Contains(err.Error(), "the image is missing") {
		t.Errorf("the error does not say why: %v", err)
	}
	addons := berth.Observed{Elements: seen.Elements[:1], Instances: seen.Instances}
	if got, err := chooseInstance("shop", addons, ""); err != nil || got.ID != "pg" {
		t.Errorf("without components: %s, %v", got.ID, err)
	}
	if _, err := chooseInstance("shop", berth.Observed{}, ""); berth.CodeOf(err) != berth.EUnavailable {
		t.Errorf("before anything runs: %v", err)
	}
}

type storeOf struct{ *sqlite.Store }

func (s storeOf) View(ctx context.Context, fn func(Tx) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

func (s storeOf) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(tx) })
}

// access lets a caller named "reader" read, one named "worker" do everything.
type access struct{ deployment berth.Deployment }

func (a access) Current(_ context.Context, c berth.Caller) (berth.Caller, error) { return c, nil }

func (a access) MayRead(_ context.Context, c berth.Caller, ref string) (berth.Deployment, error) {
	if ref != a.deployment.Slug || c.Person == "" {
		return berth.Deployment{}, berth.Errorf(berth.ENotFound, "there is no %s", ref)
	}
	return a.deployment, nil
}

func (a access) MayExec(ctx context.Context, c berth.Caller, ref string) (berth.Deployment, error) {
	d, err := a.MayRead(ctx, c, ref)
	if err == nil && c.Name != "worker" {
		err = berth.Errorf(berth.EForbidden, "no")
	}
	return d, err
}

type noLogs struct{}

func (noLogs) Read(context.Context, berth.ID, berth.LogQuery) iter.Seq2[berth.LogLine, error] {
	return func(func(berth.LogLine, error) bool) {}
}

type execer func(context.Context, engine.ExecSpec) (int, error)

func (f execer) Exec(ctx context.Context, x engine.ExecSpec) (int, error) { return f(ctx, x) }

func newSessions(t *testing.T, run engine.Execer) (*Sessions, *sqlite.Store, berth.Deployment) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p := berth.Project{ID: berth.NewID(), Name: "shop"}
	d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "web", Slug: "web-shop"}
	if err := store.Update(t.Context(), func(tx *sqlite.Tx) error {
		return errors.Join(tx.CreateProject(p), tx.CreateDeployment(d), tx.PutObserved(d.ID, berth.Observed{
			Elements:  []berth.ElementStatus{{Identifier: "web", Kind: berth.KindComponent}},
			Instances: []berth.InstanceStatus{{ID: "i", Element: "web", State: berth.InstanceRunning, Ready: true}},
		}))
	}); err != nil {
		t.Fatal(err)
	}
	return New(Config{Access: access{d}, Store: storeOf{store}, Logs: noLogs{}, Execer: run}), store, d
}

var (
	worker = berth.Caller{Person: "w", Name: "worker", Role: berth.RoleOwner}
	reader = berth.Caller{Person: "r", Name: "reader"}
)

func TestExecAsksFirstAndLeavesATrail(t *testing.T) {
	var sessions *Sessions
	ran, active := 0, 0
	sessions, store, d := newSessions(t, execer(func(_ context.Context, x engine.ExecSpec) (int, error) {
		ran, active = ran+1, sessions.Active(berth.ID(x.Command[2]))
		return 3, nil
	}))
	command := []string{"psql", "--password=s3cret", string(d.ID)}
	for name, caller := range map[string]berth.Caller{"reader": reader, "nobody": {}} {
		if _, err := sessions.As(caller).Exec(t.Context(), "web-shop", berth.Exec{Command: command}); err == nil || ran != 0 {
			t.Fatalf("%s ran a command: %v", name, err)
		}
	}
	code, err := sessions.As(worker).Exec(t.Context(), "web-shop", berth.Exec{Command: command, Stdin: io.LimitReader(nil, 0)})
	if code != 3 || err != nil || active != 1 || sessions.Active(d.ID) != 0 {
		t.Fatalf("code %d, %v; %d at work during, %d after", code, err, active, sessions.Active(d.ID))
	}
	if err := store.View(t.Context(), func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), d.ID, 0, 0)
		if len(events) != 1 || events[0].Kind != "exec.started" || events[0].Person != "worker" || events[0].Message != `worker runs "psql" in web` {
			t.Errorf("the trail is %+v", events)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestExecErrors(t *testing.T) {
	for want, cause := range map[berth.Code]error{
		berth.EUnavailable: engine.ErrNoInstance, berth.EUnsupported: &engine.Unsupported{What: "exec"}, berth.EInternal: errors.New("x"),
	} {
		sessions, _, _ := newSessions(t, execer(func(context.Context, engine.ExecSpec) (int, error) { return 0, cause }))
		if _, err := sessions.As(worker).Exec(t.Context(), "web-shop", berth.Exec{Command: []string{"x"}}); berth.CodeOf(err) != want {
			t.Errorf("%v becomes %v, want %s", cause, err, want)
		}
	}
	sessions, _, _ := newSessions(t, nil)
	if _, err := sessions.As(worker).Exec(t.Context(), "web-shop", berth.Exec{Command: []string{"x"}}); berth.CodeOf(err) != berth.EUnsupported {
		t.Errorf("an engine that cannot: %v", err)
	}
}

// TestEventsMissNothing: a follower sees each event once and in order, however they come.
func TestEventsMissNothing(t *testing.T) {
	sessions, store, d := newSessions(t, nil)
	const batch = 3 // one commit, one hint
	write := func() {
		if err := store.Update(t.Context(), func(tx *sqlite.Tx) error {
			for range batch {
				if err := tx.AppendEvent(berth.Event{Deployment: d.ID, Kind: "x", Message: "x"}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	const before, during = 2 * batch, 30 * batch
	for range before / batch {
		write()
	}
	done := make(chan struct{})
	var last int64
	n := 0
	for e, err := range sessions.As(worker).Events(t.Context(), berth.EventQuery{Deployment: "web-shop", Follow: true}) {
		if err != nil || e.Seq <= last {
			t.Fatalf("event %d after %d, %v", e.Seq, last, err)
		}
		last = e.Seq
		if n++; n == before {
			go func() {
				defer close(done)
				for range during / batch {
					write()
				}
			}()
		}
		if n == before+during {
			break
		}
	}
	<-done
}

func TestEventsLimitThePast(t *testing.T) {
	sessions, store, d := newSessions(t, nil)
	if err := store.Update(t.Context(), func(tx *sqlite.Tx) error {
		for range 150 {
			if err := tx.AppendEvent(berth.Event{Deployment: d.ID, Kind: "x"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	count := func(q berth.EventQuery) (n int) {
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer stop()
		for range sessions.As(worker).Events(ctx, q) {
			n++
		}
		return n
	}
	for want, q := range map[int]berth.EventQuery{
		100: {}, 7: {Limit: 7}, 50: {After: 100}, 149: {After: 1, Follow: true},
	} {
		if n := count(q); n != want {
			t.Errorf("%+v gives %d events, want %d", q, n, want)
		}
	}
	for _, err := range sessions.As(berth.Caller{}).Events(t.Context(), berth.EventQuery{}) {
		if berth.CodeOf(err) != berth.EUnauthenticated {
			t.Errorf("nobody sees %v", err)
		}
	}
	for range sessions.As(reader).Events(t.Context(), berth.EventQuery{}) {
		t.Fatal("somebody sees events of a project that is not theirs")
	}
}
