package control_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestAnOwnRepositoryMovesOutWithItsHistory(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := must[berth.Project](t)(w.owner.CreateProject(ctx, berth.NewProject{Name: "shop"}))
	must[berth.Project](t)(w.owner.ProtectBranch(ctx, "shop", "main", true))
	d := w.deployment(t, "shop", "prod", "production")
	if _, err := w.Follow(ctx, p.ID, ""); err != nil {
		t.Fatal(err)
	}
	dora := w.person(t, "dora", berth.RoleNone, p.ID, berth.RoleDeveloper)
	_, err := w.As(dora).ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://git.test/x.git"})
	mustFail(t, err, berth.EForbidden, "owner")
	_, err = w.owner.ConnectProject(ctx, "shop", berth.Connection{})
	mustFail(t, err, berth.EInvalid, "say where it moves to")

	w.git.fail = &berth.Error{Code: berth.EConflict, Field: "gitUrl", Message: "another history of branch main", Err: berth.ErrDiverged}
	_, err = w.owner.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://git.test/x.git"})
	mustFail(t, err, berth.EConflict, "branch main")
	if now := must[berth.Project](t)(w.owner.Project(ctx, "shop")); now.Origin() != "" || now.Access.Waiting != "" || len(now.Protected) != 1 {
		t.Errorf("a failed move left %+v", now)
	}
	if _, err := w.owner.OpenRepository(ctx, "shop", true); err != nil {
		t.Errorf("after a failed move nothing is pushed to Berth: %v", err)
	}

	w.git.fail = nil
	moved := must[berth.Project](t)(w.owner.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://git.test/x.git", GitToken: berth.NewSecret("t")}))
	if now := must[berth.Project](t)(w.owner.Project(ctx, "shop")); moved.GitURL != "https://git.test/x.git" || now.GitURL != moved.GitURL || now.Access.MovesTo != "" || len(now.Protected) != 0 {
		t.Errorf("moved to %+v, stored %+v", moved, now)
	}
	if w.git.movedOut != 2 || w.git.tokens[len(w.git.tokens)-1] != "t" || w.events(t, "project.connected") != 1 {
		t.Errorf("moved out %d times with %v", w.git.movedOut, w.git.tokens)
	}
	_, err = w.owner.OpenRepository(ctx, "shop", true)
	mustFail(t, err, berth.EConflict, "https://git.test/x.git")
	if now := must[berth.Deployment](t)(w.owner.Deployment(ctx, d.Slug)); now.Branch != d.Branch || now.Commit != d.Commit || len(now.Releases) != 1 {
		t.Errorf("the deployment has become %+v", now)
	}
	w.git.move("main", two)
	if _, err := w.FollowOrigin(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if now := must[berth.Deployment](t)(w.owner.Deployment(ctx, d.Slug)); now.Commit != two {
		t.Errorf("it no longer follows: %+v", now)
	}
}

// Until the origin lets Berth write, the repository stays Berth's own, with all that goes with it.
func TestAMoveWaitsForItsKey(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := must[berth.Project](t)(w.owner.CreateProject(ctx, berth.NewProject{Name: "shop"}))
	w.pass(48 * time.Hour)
	w.git.fail = refused()
	waiting := must[berth.Project](t)(w.owner.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://git.test/x.git"}))
	if waiting.GitURL != "" || waiting.Access.MovesTo != "git@git.test:x.git" || waiting.Access.Waiting == "" || waiting.Access.DeployKey == "" {
		t.Fatalf("%+v", waiting)
	}
	w.deployment(t, "shop", "prod", "production")
	if _, err := w.owner.OpenRepository(ctx, "shop", true); err != nil {
		t.Errorf("nothing is pushed to Berth while the move waits: %v", err)
	}
	if again, err := w.TryOrigin(ctx, p.ID); err != nil || again != 3*time.Second {
		t.Errorf("who was just shown a key waits %v for the next try: %v", again, err)
	}
	w.git.fail = &berth.Error{Code: berth.EConflict, Message: "another history", Err: berth.ErrDiverged}
	if _, err := w.TryOrigin(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if now := must[berth.Project](t)(w.owner.Project(ctx, "shop")); now.Access.Obstacle != berth.ObstacleDiverged || now.GitURL != "" {
		t.Errorf("%+v", now)
	}
	w.git.fail = nil
	if _, err := w.TryOrigin(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	now := must[berth.Project](t)(w.owner.Project(ctx, "shop"))
	if now.GitURL != "git@git.test:x.git" || now.Access.Waiting != "" || now.Access.MovesTo != "" || now.Access.DeployKey == "" || !now.Access.Since.IsZero() {
		t.Errorf("%+v", now)
	}
	if last := w.git.origins[len(w.git.origins)-1]; last.URL != now.GitURL || last.Key.Reveal() != madeKey {
		t.Errorf("moved with %+v", last)
	}
	if w.events(t, "project.connected") != 1 {
		t.Error("nobody is told that it has moved")
	}
}
