package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// rotated makes a deploy hook and returns its token.
func (w *world) rotated(t *testing.T, ref string) string {
	t.Helper()
	_, url, err := w.owner.RotateDeployHook(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return url.Reveal()[strings.LastIndex(url.Reveal(), "/")+1:]
}

func TestADeployHookDeploysItsBranch(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	token := w.rotated(t, "web")
	w.complete(t, d, berth.ReleaseServing)

	w.git.branches["main"], w.git.files[two] = two, "usual"
	answer, err := w.DeployByHook(t.Context(), d.Slug, token, "")
	want := berth.HookDeployed{Deployment: d.Slug, Revision: 2, Commit: two, State: berth.ReleasePending, Log: "https://console.test/builds/" + d.Slug}
	if err != nil || answer != want {
		t.Errorf("%+v, %v", answer, err)
	}
	for name, rev := range map[string]string{"again": "", "the branch": "main", "the commit": two, "the commit, short": two[:8]} {
		if again, err := w.DeployByHook(t.Context(), d.Slug, token, rev); err != nil || again.Revision != 2 {
			t.Errorf("%s, while release 2 is being prepared: %+v, %v", name, again, err)
		}
	}
	if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
		t.Errorf("the branch was followed once more: %v, %v", list, err)
	}
	h, err := w.owner.DeployHook(t.Context(), "web")
	if err != nil || h.Revision != 2 || h.UsedAt.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
	w.git.branches["other"] = one
	for rev, part := range map[string]string{"absent": "is not on the branch main", one: "is not on the branch main", wrong[:9]: "is not on the branch main", "--all": "not the name of a branch"} {
		w.pass(time.Minute)
		if _, err := w.DeployByHook(t.Context(), d.Slug, token, rev); !strings.Contains(berth.MessageOf(err), part) {
			t.Errorf("%s: %v", rev, err)
		}
	}
	if got := w.causes(t, "web"); len(got) != 2 || got[0] != "hook 2" {
		t.Errorf("releases %v", got)
	}
}

func TestWhoMayUseADeployHook(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	bare := w.deployment(t, "shop", "bare", "production")
	dev := w.deployment(t, "shop", "dev", "development")
	former := w.rotated(t, "web")
	token := w.rotated(t, "web")
	none := func(slug, token string) {
		t.Helper()
		if _, err := w.DeployByHook(t.Context(), slug, token, ""); berth.CodeOf(err) != berth.ENotFound || berth.MessageOf(err) != "there is no such hook" {
			t.Errorf("%s: %v", slug, err)
		}
	}
	for slug, tokens := range map[string][]string{d.Slug: {former, "", "guess", strings.ToLower(token), token + "/"}, bare.Slug: {token, ""}, "absent": {token, ""}, "": {token}} {
		for _, wrong := range tokens {
			none(slug, wrong)
		}
	}
	if _, _, err := w.owner.RotateDeployHook(t.Context(), "dev"); berth.CodeOf(err) != berth.EConflict || !strings.Contains(err.Error(), "runs its working tree") {
		t.Errorf("a hook of a development deployment: %v", err)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		h, _, err := tx.DeployHook(d.ID)
		if strings.Contains(string(h.Hash), token) || len(h.Hash) != 32 {
			t.Errorf("the token is stored as %q", h.Hash)
		}
		h.Deployment = dev.ID
		return errors.Join(err, tx.PutDeployHook(h))
	})
	if _, err := w.DeployByHook(t.Context(), dev.Slug, token, ""); berth.CodeOf(err) != berth.EConflict || !strings.Contains(err.Error(), "development deployment") {
		t.Errorf("one was deployed: %v", err)
	}
	developer := w.As(w.person(t, "dan", berth.RoleNone, p.ID, berth.RoleDeveloper))
	if _, _, err := developer.RotateDeployHook(t.Context(), "web"); berth.CodeOf(err) != berth.EForbidden {
		t.Errorf("a developer rotates: %v", err)
	}
	if err := w.owner.DeleteDeployHook(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	none(d.Slug, token)
	token = w.rotated(t, "bare")
	if err := w.owner.DeleteDeployment(t.Context(), "bare"); err != nil {
		t.Fatal(err)
	}
	none(bare.Slug, token)
}

func TestADeployHookIsNotUsedTooOften(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	token := w.rotated(t, "web")
	for range 20 { // of somebody who guesses, which costs the owner nothing
		_, _ = w.DeployByHook(t.Context(), d.Slug, "guess", "")
	}
	var refused error
	for range 11 {
		_, refused = w.DeployByHook(t.Context(), d.Slug, token, "")
	}
	if !errors.Is(refused, berth.ErrTooOften) || !strings.Contains(berth.MessageOf(refused), "10 times a minute") {
		t.Errorf("the eleventh time: %v", refused)
	}
	w.pass(time.Minute)
	if _, err := w.DeployByHook(t.Context(), d.Slug, token, ""); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
