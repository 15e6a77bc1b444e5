package control_test

import (
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
)

func (w *world) invites(t *testing.T, in berth.Invitation) berth.Secret {
	t.Helper()
	return secretOf(must[berth.LoginLink](t)(w.owner.InvitePerson(t.Context(), in)))
}

func TestInvitations(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	w.project(t, "blog")
	link := w.invites(t, berth.Invitation{Name: "bob", Role: berth.RoleDeveloper, Project: "shop"})
	if l := must[berth.Link](t)(w.LinkOf(ctx, link)); l.Purpose != berth.LinkInvitation || l.Person != "bob" || !l.ExpiresAt.Equal(w.now.Add(24*time.Hour)) {
		t.Errorf("%+v", l)
	}
	again := w.invites(t, berth.Invitation{Name: "bob"})
	_, _, err := w.LoginByLink(ctx, link, firefox)
	mustFail(t, err, berth.EUnauthenticated, "used already")
	_, cookie, err := w.EnterByLink(ctx, again, berth.Choices{Password: phrase}, firefox)
	if err != nil {
		t.Fatal(err)
	}
	bob, _, err := w.AuthenticateLogin(ctx, cookie)
	if err != nil || bob.Role != berth.RoleNone {
		t.Fatalf("%+v, %v", bob, err)
	}
	who := must[berth.Whoami](t)(w.As(bob).Whoami(ctx))
	if !slices.Equal(who.Memberships, []berth.ProjectRole{{Project: "shop", Role: berth.RoleDeveloper}}) {
		t.Errorf("%+v", who)
	}
	if list := must[[]berth.Project](t)(w.As(bob).Projects(ctx)); len(list) != 1 || list[0].Name != "shop" {
		t.Errorf("bob sees %v", list)
	}
	_, err = w.owner.InvitePerson(ctx, berth.Invitation{Name: "bob"})
	mustFail(t, err, berth.EConflict, "a person named bob already")
	if kinds := w.events(t, "person.invited"); kinds != 2 {
		t.Errorf("%d events of two invitations", kinds)
	}

	late := w.invites(t, berth.Invitation{Name: "late", Role: berth.RoleOwner})
	w.pass(24 * time.Hour)
	_, _, err = w.LoginByLink(ctx, late, firefox)
	mustFail(t, err, berth.EUnauthenticated, "time is over")
	_, err = w.owner.InvitePerson(ctx, berth.Invitation{Name: "x", Role: "king"})
	mustFail(t, err, berth.EInvalid, "viewer, developer or owner")
	_, err = w.owner.InvitePerson(ctx, berth.Invitation{Name: "../x"})
	mustFail(t, err, berth.EInvalid, "lower-case")
}

// TestNobodyGivesMoreThanTheyHave: an owner of a project gives roles on it, and can become nobody by way of a link
// who has more than that.
func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	shop := w.project(t, "shop")
	w.project(t, "blog")
	po := w.As(w.person(t, "po", berth.RoleNone, shop.ID, berth.RoleOwner))
	dev := w.As(w.person(t, "dev", berth.RoleDeveloper, shop.ID, berth.RoleDeveloper))
	for _, in := range []berth.Invitation{{Name: "x"}, {Name: "x", Role: berth.RoleViewer, Project: "shop"}} {
		_, err := dev.InvitePerson(ctx, in)
		mustFail(t, err, berth.EForbidden, "role owner")
	}
	_, err := po.InvitePerson(ctx, berth.Invitation{Name: "x"})
	mustFail(t, err, berth.EForbidden, "role owner")
	_, err = po.InvitePerson(ctx, berth.Invitation{Name: "x", Project: "blog"})
	mustFail(t, err, berth.ENotFound, "no project blog")
	_, err = po.InvitePerson(ctx, berth.Invitation{Name: "x", Role: berth.RoleOwner, Project: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = po.InvitePerson(ctx, berth.Invitation{Name: "x", Role: berth.RoleViewer, Project: "shop"})
	if err != nil {
		t.Fatalf("a lost link cannot be replaced: %v", err)
	}
	w.invites(t, berth.Invitation{Name: "boss", Role: berth.RoleOwner})
	w.invites(t, berth.Invitation{Name: "blogger", Role: berth.RoleViewer, Project: "blog"})
	for _, name := range []string{"boss", "blogger"} {
		_, err = po.InvitePerson(ctx, berth.Invitation{Name: name, Project: "shop"})
		mustFail(t, err, berth.EConflict, "already")
	}
	_, err = po.CreateLoginLink(ctx, "x")
	mustFail(t, err, berth.EForbidden, "role owner")
	_, err = po.SetPersonRole(ctx, "x", berth.RoleOwner)
	mustFail(t, err, berth.ENotFound, "no person x")
	mustFail(t, po.RemovePerson(ctx, "x"), berth.ENotFound, "no person x")
	_, err = dev.SetPersonRole(ctx, "dev", berth.RoleOwner)
	mustFail(t, err, berth.EForbidden, "role owner")
	_, err = po.Persons(ctx)
	mustFail(t, err, berth.EForbidden, "role viewer")
}

// TestLinksEndWithWhoMadeThem: a link that somebody holds opens neither more than they could have given, nor anything
// once they may give nothing.
func TestLinksEndWithWhoMadeThem(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	shop := w.project(t, "shop")
	po := w.As(w.person(t, "po", berth.RoleNone, shop.ID, berth.RoleOwner))
	made := func(by *control.Service, name string) berth.Secret {
		t.Helper()
		return secretOf(must[berth.LoginLink](t)(by.InvitePerson(ctx, berth.Invitation{Name: name, Project: "shop"})))
	}
	dead := func(link berth.Secret) bool {
		_, err := w.LinkOf(ctx, link)
		return err != nil
	}
	link := made(po, "x")
	must[berth.Person](t)(w.owner.SetPersonRole(ctx, "x", berth.RoleOwner))
	if !dead(link) {
		t.Error("an owner of a project holds a link to an owner of the server")
	}
	mine := w.invites(t, berth.Invitation{Name: "y", Project: "shop"})
	must[berth.Member](t)(w.owner.PutMember(ctx, "shop", "y", berth.RoleDeveloper))
	must[berth.Member](t)(po.PutMember(ctx, "shop", "y", berth.RoleOwner))
	if dead(mine) {
		t.Error("an owner's link ends though they may give everything")
	}
	for _, end := range []struct {
		name string
		fn   func() error
	}{
		{"lower", func() error {
			_, err := w.owner.PutMember(ctx, "shop", "po", berth.RoleViewer)
			return err
		}},
		{"none", func() error { return w.owner.DeleteMember(ctx, "shop", "po") }},
		{"gone", func() error { return w.owner.RemovePerson(ctx, "po") }},
	} {
		must[berth.Member](t)(w.owner.PutMember(ctx, "shop", "po", berth.RoleOwner))
		link := made(po, "z-"+end.name)
		if err := end.fn(); err != nil {
			t.Fatal(err)
		}
		if !dead(link) {
			t.Errorf("%s: a link of somebody who may not invite any more lets in", end.name)
		}
	}
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	shop := w.project(t, "shop")
	po := w.As(w.person(t, "po", berth.RoleNone, shop.ID, berth.RoleOwner))
	vera := w.person(t, "vera", berth.RoleNone, "", berth.RoleNone)
	_, err := po.PutMember(ctx, "shop", "nobody", berth.RoleViewer)
	mustFail(t, err, berth.ENotFound, "berth user invite nobody --project shop")
	_, err = po.PutMember(ctx, "shop", "vera", "king")
	mustFail(t, err, berth.EInvalid, "viewer, developer or owner")
	_, err = w.As(vera).Members(ctx, "shop")
	mustFail(t, err, berth.ENotFound, "no project shop")
	must[berth.Member](t)(po.PutMember(ctx, "shop", "vera", berth.RoleOwner))
	must[berth.Member](t)(po.PutMember(ctx, "shop", "vera", berth.RoleViewer))
	list := must[[]berth.Member](t)(w.As(vera).Members(ctx, "shop"))
	want := []berth.Member{
		{Person: "ada", Role: berth.RoleOwner, OnServer: true, Invited: true}, {Person: "po", Role: berth.RoleOwner, Invited: true},
		{Person: "vera", Role: berth.RoleViewer, Invited: true},
	}
	if !slices.Equal(list, want) {
		t.Errorf("%+v", list)
	}
	_, err = w.As(vera).PutMember(ctx, "shop", "vera", berth.RoleOwner)
	mustFail(t, err, berth.EForbidden, "role owner")
	if err := po.DeleteMember(ctx, "shop", "vera"); err != nil {
		t.Fatal(err)
	}
	mustFail(t, po.DeleteMember(ctx, "shop", "vera"), berth.ENotFound, "no role on project shop")
	_, err = w.As(vera).Project(ctx, "shop")
	mustFail(t, err, berth.ENotFound, "no project shop")
	if w.events(t, "member.role") != 2 || w.events(t, "member.removed") != 1 {
		t.Error("the changes are not told")
	}
}

func TestRemovalEndsAllThatLetsIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	shop := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	_, cookie, err := w.LoginByLink(ctx, w.invites(t, berth.Invitation{Name: "bob", Role: berth.RoleDeveloper, Project: "shop"}), firefox)
	if err != nil {
		t.Fatal(err)
	}
	bob, _, err := w.AuthenticateLogin(ctx, cookie)
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := w.As(bob).CreateToken(ctx, berth.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	link := w.link(t, "bob")
	byToken := must[berth.Caller](t)(w.Authenticate(ctx, token))
	for _, caller := range []berth.Caller{bob, byToken} {
		must[berth.Deployment](t)(w.MayExec(ctx, caller, d.Slug))
	}
	if err := w.owner.RemovePerson(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if !w.ended(t, cookie) {
		t.Error("the login lives")
	}
	_, err = w.Authenticate(ctx, token)
	mustFail(t, err, berth.EUnauthenticated, "not known")
	_, _, err = w.LoginByLink(ctx, link, firefox)
	mustFail(t, err, berth.EUnauthenticated, "used already")
	for _, caller := range []berth.Caller{bob, byToken} { // who was let in before
		_, err = w.MayExec(ctx, caller, d.Slug)
		mustFail(t, err, berth.EUnauthenticated, "bob is no longer logged in")
	}
	if list := must[[]berth.Member](t)(w.owner.Members(ctx, "shop")); len(list) != 1 {
		t.Errorf("members are %+v of %s", list, shop.Name)
	}
	mustFail(t, w.owner.RemovePerson(ctx, "bob"), berth.ENotFound, "no person bob")
}

// TestCallersAreAskedAnew: what lasts is told when the token, the login or the role that it began with is gone.
func TestCallersAreAskedAnew(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	dee := w.person(t, "dee", berth.RoleDeveloper, "", berth.RoleNone)
	made, token, err := w.As(dee).CreateToken(ctx, berth.NewToken{Name: "ci", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	byToken := must[berth.Caller](t)(w.Authenticate(ctx, token))
	login, cookie := w.enters(t, "dee", berth.Choices{})
	byLogin, _, err := w.AuthenticateLogin(ctx, cookie)
	if err != nil {
		t.Fatal(err)
	}
	must[berth.Person](t)(w.owner.SetPersonRole(ctx, "dee", berth.RoleViewer))
	for _, caller := range []berth.Caller{byToken, byLogin} {
		must[berth.Deployment](t)(w.MayRead(ctx, caller, d.Slug))
		_, err = w.MayExec(ctx, caller, d.Slug)
		mustFail(t, err, berth.EForbidden, "role developer")
	}
	if err := w.As(dee).DeleteToken(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.As(dee).DeleteLogin(ctx, login.ID); err != nil {
		t.Fatal(err)
	}
	for _, caller := range []berth.Caller{byToken, byLogin} {
		_, err = w.MayRead(ctx, caller, d.Slug)
		mustFail(t, err, berth.EUnauthenticated, "no longer logged in")
		_, err = w.Current(ctx, caller)
		mustFail(t, err, berth.EUnauthenticated, "no longer logged in")
	}
	must[berth.Person](t)(w.owner.SetPersonRole(ctx, "dee", berth.RoleNone))
	_, err = w.MayRead(ctx, dee, d.Slug)
	mustFail(t, err, berth.ENotFound, "no deployment")
}

func TestTheLastOwnerStays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.enters(t, "", berth.Choices{})
	mustFail(t, w.owner.RemovePerson(ctx, "ada"), berth.EConflict, "the last owner")
	w.invites(t, berth.Invitation{Name: "bob", Role: berth.RoleOwner})
	_, err := w.owner.SetPersonRole(ctx, "ada", berth.RoleDeveloper)
	mustFail(t, err, berth.EConflict, "the last owner") // bob has not come yet
	w.enters(t, "bob", berth.Choices{})
	if err := w.owner.RemovePerson(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	machine := must[berth.Caller](t)(w.Machine(ctx))
	if machine.Name != "bob" || machine.Role != berth.RoleOwner {
		t.Errorf("the machine asks as %+v", machine)
	}
	if err := w.EnsureOwner(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	if list := must[[]berth.PersonInfo](t)(w.As(machine).Persons(ctx)); len(list) != 1 {
		t.Errorf("an owner who was removed is back: %+v", list)
	}
}

// TestLimitedTokens: a token with a role does what the role may, and opens no way around it.
func TestLimitedTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	_, _, err := w.owner.CreateToken(ctx, berth.NewToken{Name: "ci", Role: "king"})
	mustFail(t, err, berth.EInvalid, "viewer, developer or owner")
	_, secret, err := w.owner.CreateToken(ctx, berth.NewToken{Name: "watch", Role: berth.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	caller := must[berth.Caller](t)(w.Authenticate(ctx, secret))
	me := w.As(caller)
	must[berth.Deployment](t)(me.Deployment(ctx, d.Slug))
	if who := must[berth.Whoami](t)(me.Whoami(ctx)); who.Role != berth.RoleOwner || who.Limit != berth.RoleViewer {
		t.Errorf("%+v", who)
	}
	_, err = me.StopDeployment(ctx, d.Slug)
	mustFail(t, err, berth.EForbidden, "role developer")
	_, err = w.MayExec(ctx, caller, d.Slug)
	mustFail(t, err, berth.EForbidden, "role developer")
	_, err = me.InvitePerson(ctx, berth.Invitation{Name: "x"})
	mustFail(t, err, berth.EForbidden, "role owner")
	_, _, err = me.CreateToken(ctx, berth.NewToken{Name: "more"})
	mustFail(t, err, berth.EForbidden, "token with the role viewer")
	_, err = me.CreateLoginLink(ctx, "")
	mustFail(t, err, berth.EForbidden, "token with the role viewer")
	mustFail(t, me.DeleteOtherLogins(ctx), berth.EForbidden, "token with the role viewer")
	mustFail(t, me.ChangePassword(ctx, berth.Secret{}, phrase), berth.EForbidden, "token with the role viewer")
}
