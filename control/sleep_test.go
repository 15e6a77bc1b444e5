package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestSleepAndWake(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "dev", "development")
	w.complete(t, d, berth.ReleaseServing)
	ctx := t.Context()
	if err := w.Wake(ctx, d.ID, "asked"); err != nil {
		t.Fatal(err)
	}
	if d, _ = w.owner.Deployment(ctx, "dev"); !d.Rest.Woken.IsZero() {
		t.Error("one that was awake was woken")
	}
	if err := w.Sleep(ctx, d.ID, "nobody used it for 4h"); err != nil {
		t.Fatal(err)
	}
	d = must[berth.Deployment](t)(w.owner.Deployment(ctx, "dev"))
	if d.Phase != berth.PhaseSleeping || !strings.Contains(d.Message, "nobody used it for 4h") {
		t.Errorf("asleep it is %s: %s", d.Phase, d.Message)
	}
	if err := w.Wake(ctx, d.ID, "its host was asked for"); err != nil {
		t.Fatal(err)
	}
	d = must[berth.Deployment](t)(w.owner.Deployment(ctx, "dev"))
	if d.Desire != berth.DesireRun || !d.Rest.Woken.Equal(w.Now()) {
		t.Errorf("woken: %s at %v", d.Desire, d.Rest.Woken)
	}
	// A person's stop is a person's: nothing wakes it, and the server does not put it to sleep.
	must[berth.Deployment](t)(w.owner.StopDeployment(ctx, "dev"))
	for _, act := range []func() error{
		func() error { return w.Wake(ctx, d.ID, "asked") }, func() error { return w.Sleep(ctx, d.ID, "idle") },
		func() error { _, err := w.owner.SleepDeployment(ctx, "dev"); return err },
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
		if got := must[berth.Deployment](t)(w.owner.Deployment(ctx, "dev")); got.Phase != berth.PhaseStopped {
			t.Errorf("stopped it became %s", got.Phase)
		}
	}
	if err := w.Sleep(ctx, berth.NewID(), "gone meanwhile"); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}

func TestATimeToSleepCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "dev", "development")
	w.complete(t, d, berth.ReleaseServing)
	ctx := t.Context()
	length := 12 * time.Hour
	d = must[berth.Deployment](t)(w.owner.ChangeRest(ctx, "dev", berth.ChangeRest{For: &length}))
	if want := w.Now().Add(length); !d.Rest.Until.Equal(want) {
		t.Fatalf("until %v, want %v", d.Rest.Until, want)
	}
	w.pass(13 * time.Hour)
	must[berth.Deployment](t)(w.owner.SleepDeployment(ctx, "dev"))
	d = must[berth.Deployment](t)(w.owner.StartDeployment(ctx, "dev"))
	if !d.Rest.Until.IsZero() || d.Rest.Woken.IsZero() {
		t.Errorf("started again it sleeps at %v, woken %v", d.Rest.Until, d.Rest.Woken)
	}
	must[berth.Deployment](t)(w.owner.SleepDeployment(ctx, "dev"))
	if d = must[berth.Deployment](t)(w.owner.RestartElement(ctx, "dev", "")); d.Desire != berth.DesireRun {
		t.Errorf("a restart leaves it %s", d.Desire)
	}
}

func TestChangeRestIsChecked(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "dev", "development")
	ctx := t.Context()
	second, never := time.Second, berth.Never
	for _, c := range []berth.ChangeRest{{After: &second}, {For: &second}, {Awake: &second}, {For: &never}} {
		if _, err := w.owner.ChangeRest(ctx, "dev", c); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if d := must[berth.Deployment](t)(w.owner.ChangeRest(ctx, "dev", berth.ChangeRest{After: &never})); d.Rest.After != berth.Never {
		t.Errorf("never became %v", d.Rest.After)
	}
	viewer := w.As(w.person(t, "vi", berth.RoleNone, p.ID, berth.RoleViewer))
	if _, err := viewer.SleepDeployment(ctx, "dev"); berth.CodeOf(err) != berth.EForbidden {
		t.Errorf("a viewer puts it to sleep: %v", err)
	}
	stranger := w.As(w.person(t, "sam", berth.RoleNone, "", berth.RoleNone))
	if _, err := stranger.ChangeRest(ctx, "dev", berth.ChangeRest{For: &second}); berth.CodeOf(err) != berth.ENotFound {
		t.Errorf("a stranger hears %v", err)
	}
}
