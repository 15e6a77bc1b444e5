package control_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/google/go-cmp/cmp"
)

func secretsFrom(pairs ...string) map[string]berth.Secret {
	all := map[string]berth.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = berth.NewSecret(pairs[i+1])
	}
	return all
}

// shared is a world with a production and a development deployment that are complete.
func shared(t *testing.T) (w *world, live, dev berth.Deployment) {
	w = newWorld(t)
	w.project(t, "shop")
	live, dev = w.deployment(t, "shop", "live", "production"), w.deployment(t, "shop", "dev", "development")
	for _, d := range []berth.Deployment{live, dev} {
		w.complete(t, d, berth.ReleaseServing,
			berth.Parameter{Name: "STAGE", Value: d.Stage, Origin: berth.OriginPlatform, ReadOnly: true},
			berth.Parameter{Name: "FIXED", Value: "as it is", Origin: berth.OriginPackage, ReadOnly: true},
			berth.Parameter{Name: "SESSION_KEY", Value: "BERTHSECRET-aaaaaaaaaa-1-X", Secret: true, Origin: berth.OriginGenerated},
			berth.Parameter{Name: "LEVEL", Value: "info", Origin: berth.OriginPackage})
	}
	return w, live, dev
}

func ofWeb(t *testing.T, w *world, ref, name string) berth.Parameter {
	t.Helper()
	for _, p := range must[[]berth.Parameter](t)(w.owner.Environment(t.Context(), ref, "web")) {
		if p.Name == name {
			return p
		}
	}
	return berth.Parameter{}
}

func TestSharedValuesAreOfAllElementsOfAllDeployments(t *testing.T) {
	w, _, _ := shared(t)
	ctx := t.Context()
	if err := w.owner.SetEnvironment(ctx, "dev", "web", map[string]string{"LEVEL": "debug"}, nil); err != nil {
		t.Fatal(err)
	}
	err := w.owner.SetSharedEnvironment(ctx, "shop", map[string]string{"LEVEL": "warn", "FIXED": "x", "SESSION_KEY": "in the file"}, secretsFrom("STRIPE", "sk_1"))
	if err != nil {
		t.Fatal(err)
	}
	want := []berth.Parameter{
		{Name: "FIXED", Value: "x", Origin: berth.OriginShared},
		{Name: "LEVEL", Value: "warn", Origin: berth.OriginShared},
		{Name: "SESSION_KEY", Secret: true, Origin: berth.OriginShared}, // the stack says that it is one
		{Name: "STRIPE", Secret: true, Origin: berth.OriginShared},
	}
	if diff := cmp.Diff(want, must[[]berth.Parameter](t)(w.owner.SharedEnvironment(ctx, "shop"))); diff != "" {
		t.Error(diff)
	}
	for ref, want := range map[string]berth.Parameter{
		"live": {Element: "web", Name: "LEVEL", Value: "warn", Origin: berth.OriginShared},
		"dev":  {Element: "web", Name: "LEVEL", Value: "debug", Origin: berth.OriginDeployment},
	} {
		if got := ofWeb(t, w, ref, "LEVEL"); got != want {
			t.Errorf("%s: %+v", ref, got)
		}
		if got := ofWeb(t, w, ref, "FIXED"); got.Value != "as it is" {
			t.Errorf("%s: what the package fixes became %+v", ref, got)
		}
		if got := ofWeb(t, w, ref, "STRIPE"); !got.Secret || got.Value != "" || got.Origin != berth.OriginShared {
			t.Errorf("%s: %+v", ref, got)
		}
		releases := must[[]berth.Release](t)(w.owner.Releases(ctx, ref))
		if releases[0].Cause != "project env" {
			t.Errorf("%s: no release for it: %+v", ref, releases)
		}
	}
	if err := w.owner.UnsetSharedEnvironment(ctx, "shop", []string{"LEVEL", "STRIPE"}); err != nil {
		t.Fatal(err)
	}
	if got := ofWeb(t, w, "live", "LEVEL"); got.Origin != berth.OriginPackage {
		t.Errorf("unset, and still %+v", got)
	}
	mustFail(t, w.owner.UnsetSharedEnvironment(ctx, "shop", []string{"LEVEL"}), berth.ENotFound, "LEVEL of project shop was not set by anybody")
}

func TestSharedValuesAreRefused(t *testing.T) {
	w, live, _ := shared(t)
	ctx := t.Context()
	mustFail(t, w.owner.SetSharedEnvironment(ctx, "shop", map[string]string{"STAGE": "x"}, nil), berth.EInvalid, "Berth itself gives this value")
	mustFail(t, w.owner.SetSharedEnvironment(ctx, "shop", map[string]string{"A-B": "x"}, nil), berth.EInvalid, "letters, digits")
	mustFail(t, w.owner.SetSharedEnvironment(ctx, "shop", nil, nil), berth.EInvalid, "nothing to set")
	mustFail(t, w.owner.SetSharedEnvironment(ctx, "absent", map[string]string{"A": "x"}, nil), berth.ENotFound, "absent")
	project := must[berth.Project](t)(w.owner.Project(ctx, "shop"))
	developer := w.As(w.person(t, "dora", berth.RoleNone, project.ID, berth.RoleDeveloper))
	mustFail(t, developer.SetSharedEnvironment(ctx, "shop", nil, secretsFrom("STRIPE", "sk_1")), berth.EForbidden, "change secrets of a build stage")
	if err := developer.SetSharedEnvironment(ctx, "shop", map[string]string{"LEVEL": "warn"}, nil); err != nil {
		t.Error(err)
	}
	_, err := developer.RevealEnvironment(ctx, live.Slug, "web")
	mustFail(t, err, berth.EForbidden, "see secrets")
}

func TestRevealingIsRecordedAndOpensOnlyWhatIsTheDeploymentsOwn(t *testing.T) {
	w, live, dev := shared(t)
	ctx := t.Context()
	if err := w.owner.SetEnvironment(ctx, "live", "web", nil, secretsFrom("STRIPE", "sk_1")); err != nil {
		t.Fatal(err)
	}
	if err := w.owner.SetSharedEnvironment(ctx, "shop", nil, secretsFrom("SHARED_TOKEN", "tok")); err != nil {
		t.Fatal(err)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		_, err := tx.PutSecret(live.ID, "aaaaaaaaaa", []byte("yek"))
		return err
	})
	revealed := map[string]string{}
	for _, p := range must[[]berth.Parameter](t)(w.owner.RevealEnvironment(ctx, "live", "web")) {
		revealed[p.Name] = p.Value
	}
	if revealed["STRIPE"] != "sk_1" || revealed["SHARED_TOKEN"] != "tok" || revealed["SESSION_KEY"] != "key" {
		t.Errorf("revealed %v", revealed)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), live.ID, 0, 0)
		seen := slices.ContainsFunc(events, func(e berth.Event) bool {
			return e.Kind == "environment.revealed" && e.Person == "ada" && e.Element == "web" && !strings.Contains(e.Message, "sk_1")
		})
		if !seen {
			t.Errorf("no event says that secrets were shown: %+v", events)
		}
		return err
	})
	// dev's release refers to a secret that is live's
	_, err := w.owner.RevealEnvironment(ctx, dev.Slug, "web")
	mustFail(t, err, berth.ENotFound, "there is no secret aaaaaaaaaa")
}
