package control_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func refused() error {
	return &berth.Error{Code: berth.EInvalid, Field: "gitUrl", Message: "it is private", Err: berth.ErrRefused}
}

func TestAProjectWaitsUntilItsKeyIsAccepted(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.git.fail = refused()
	p := w.project(t, "shop")
	if p.GitURL != "git@git.test:shop.git" || p.Access.Waiting != "it is private" || p.Access.DeployKey != "ssh-ed25519 AAAA berth-shop" || p.Access.KeyPage != "https://git.test/keys" {
		t.Fatalf("%+v", p)
	}
	_, err := w.owner.CreateDeployment(ctx, "shop", berth.NewDeployment{Name: "web", Stage: "production"})
	mustFail(t, err, berth.EConflict, "waits for access to git@git.test:shop.git: berth project show shop")

	w.git.shown = []string{"ssh-ed25519 HOST"}
	if again, err := w.TryOrigin(ctx, p.ID); err != nil || again != 3*time.Second {
		t.Fatalf("%v, %v", again, err)
	}
	w.git.fail = &berth.Error{Code: berth.EInvalid, Message: "it is private (request 2)", Err: berth.ErrRefused}
	if _, err := w.TryOrigin(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if told := w.events(t, "project.waiting"); told != 1 {
		t.Errorf("told %d times that it waits for the same", told)
	}
	if last := w.git.origins[len(w.git.origins)-1]; last.URL != p.GitURL || last.Key.Reveal() != madeKey {
		t.Errorf("the origin was tried with %+v", last)
	}
	w.git.fail = &berth.Error{Code: berth.EInvalid, Message: "another host", Err: berth.ErrHostKey}
	w.pass(2 * time.Hour)
	if again, err := w.TryOrigin(ctx, p.ID); err != nil || again != 5*time.Minute {
		t.Fatalf("%v, %v", again, err)
	}
	if now := must[berth.Project](t)(w.owner.Project(ctx, "shop")); now.Access.Obstacle != berth.ObstacleHostKey || now.Access.Waiting != "another host" {
		t.Errorf("%+v", now.Access)
	}
	w.git.fail = nil
	if _, err := w.TryOrigin(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	now := must[berth.Project](t)(w.owner.Project(ctx, "shop"))
	if now.Access.Waiting != "" || now.Access.Obstacle != "" || now.DefaultBranch != "main" || len(now.Access.HostKeys) != 1 {
		t.Errorf("%+v", now)
	}
	if waiting := must[[]berth.ID](t)(w.Waiting(ctx)); len(waiting) != 0 {
		t.Errorf("still waiting: %v", waiting)
	}
	w.deployment(t, "shop", "web", "production")
	if last := w.git.origins[len(w.git.origins)-1]; last.Key.Reveal() != madeKey || len(last.HostKeys) != 1 {
		t.Errorf("a deployment fetches with %+v", last)
	}
	for name, text := range w.files(t) {
		if bytes.Contains(text, []byte(madeKey)) {
			t.Errorf("%s holds the private key", name)
		}
	}
}

func TestARefusedTokenIsAnErrorAndNotAWait(t *testing.T) {
	w := newWorld(t)
	w.git.fail = refused()
	_, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: "https://git.test/x.git", GitToken: berth.NewSecret("t")})
	mustFail(t, err, berth.EInvalid, "it is private")
	if len(w.git.removed) != 1 {
		t.Error("the repository was left")
	}
	_, err = w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: "git@git.test:x.git", GitToken: berth.NewSecret("t")})
	mustFail(t, err, berth.EInvalid, "over SSH Berth uses a deploy key")
}

func TestConnectingChangesNothingUnlessItWorks(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.git.shown = []string{"ssh-ed25519 OLD"}
	p := must[berth.Project](t)(w.owner.CreateProject(ctx, berth.NewProject{Name: "shop", GitURL: "git@git.test:x.git"}))
	w.git.fail = &berth.Error{Code: berth.EInvalid, Message: "changed", Err: berth.ErrHostKey}
	_, err := w.owner.ConnectProject(ctx, "shop", berth.Connection{})
	mustFail(t, err, berth.EInvalid, "changed")
	w.git.fail = errors.New("no")
	if _, err := w.owner.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://elsewhere.test/y.git"}); err == nil {
		t.Error("a broken origin was taken")
	}
	if now := must[berth.Project](t)(w.owner.Project(ctx, "shop")); now.GitURL != p.GitURL || now.Access.HostKeys[0] != "ssh-ed25519 OLD" {
		t.Errorf("%+v", now)
	}
	w.git.fail, w.git.shown = nil, []string{"ssh-ed25519 NEW"}
	now := must[berth.Project](t)(w.owner.ConnectProject(ctx, "shop", berth.Connection{AcceptHostKey: true}))
	if last := w.git.origins[len(w.git.origins)-1]; len(last.HostKeys) != 0 || now.Access.HostKeys[0] != "ssh-ed25519 NEW" || now.Access.DeployKey != p.Access.DeployKey {
		t.Errorf("tried with %v, now %+v", last.HostKeys, now.Access)
	}
	now = must[berth.Project](t)(w.owner.ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://elsewhere.test/y.git", GitToken: berth.NewSecret("t")}))
	if last := w.git.origins[len(w.git.origins)-1]; !last.Key.Empty() || last.Token.Reveal() != "t" || now.Access.DeployKey != "" {
		t.Errorf("tried with %+v, now %+v", last, now.Access)
	}
	dora := w.person(t, "dora", berth.RoleNone, p.ID, berth.RoleDeveloper)
	_, err = w.As(dora).ConnectProject(ctx, "shop", berth.Connection{GitURL: "https://evil.test/y.git"})
	mustFail(t, err, berth.EForbidden, "owner")
}

func TestRegistryLoginsAreTheOwnersAndSealed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.CheckRegistry = func(_ context.Context, host, username string, password berth.Secret) error {
		if password.Reveal() != "g00d-passw0rd" {
			return berth.Errorf(berth.EInvalid, "%s does not accept it", host)
		}
		return nil
	}
	_, err := w.owner.LoginRegistry(ctx, "ghcr.io", "ada", berth.NewSecret("wrong"))
	mustFail(t, err, berth.EInvalid, "does not accept")
	must[berth.Registry](t)(w.owner.LoginRegistry(ctx, "ghcr.io", "ada", berth.NewSecret("g00d-passw0rd")))
	must[berth.Registry](t)(w.owner.LoginRegistry(ctx, "ghcr.io", "bob", berth.NewSecret("g00d-passw0rd")))
	if list := must[[]berth.Registry](t)(w.owner.Registries(ctx)); len(list) != 1 || list[0].Username != "bob" {
		t.Errorf("%+v", list)
	}
	for name, text := range w.files(t) {
		if bytes.Contains(text, []byte("g00d-passw0rd")) {
			t.Errorf("%s holds the password", name)
		}
	}
	p := w.project(t, "shop")
	for role, member := range map[berth.Role]berth.Role{berth.RoleNone: berth.RoleOwner, berth.RoleViewer: berth.RoleNone, berth.RoleDeveloper: berth.RoleNone} {
		who := w.As(w.person(t, "p-"+strings.ToLower(string(role)), role, p.ID, member))
		_, err := who.LoginRegistry(ctx, "ghcr.io", "eve", berth.NewSecret("g00d-passw0rd"))
		mustFail(t, err, berth.EForbidden, "role owner")
		mustFail(t, who.LogoutRegistry(ctx, "ghcr.io"), berth.EForbidden, "role owner")
		if _, err := who.Registries(ctx); (err == nil) != (role == berth.RoleDeveloper) {
			t.Errorf("%q lists registries: %v", role, err)
		}
	}
}
