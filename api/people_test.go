package api_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// contractPeople is about who may do what, and how they come in.
func contractPeople(t *testing.T, s *server, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	link, err := b.InvitePerson(ctx, berth.Invitation{Name: "bob", Role: berth.RoleDeveloper, Project: "shop"})
	mustBe(t, err, "bob", link.Person)
	if life := time.Until(link.ExpiresAt); life < 23*time.Hour || !strings.HasPrefix(link.URL.Reveal(), "https://console.test/login#") {
		t.Fatalf("%+v", link)
	}
	_, err = b.InvitePerson(ctx, berth.Invitation{Name: "bob bob"})
	mustFail(t, err, berth.EInvalid, "name: the name must be lower-case letters, digits and single hyphens, and start with a letter, like my-app-2")
	_, err = b.InvitePerson(ctx, berth.Invitation{Name: "x", Project: "absent"})
	mustFail(t, err, berth.ENotFound, "there is no project absent, or you are not a member of it")
	members, err := b.Members(ctx, "shop")
	mustBe(t, err, []berth.Member{{Person: "ada", Role: berth.RoleOwner, OnServer: true, Invited: true}, {Person: "bob", Role: berth.RoleDeveloper, Invited: true}}, members)
	m, err := b.PutMember(ctx, "shop", "bob", berth.RoleViewer)
	mustBe(t, err, berth.Member{Person: "bob", Role: berth.RoleViewer, Invited: true}, m)
	mustBe(t, b.DeleteMember(ctx, "shop", "bob"), "", "")
	mustFail(t, b.DeleteMember(ctx, "shop", "bob"), berth.ENotFound, "bob has no role on project shop itself; berth member ls shop shows who has")
	p, err := b.SetPersonRole(ctx, "bob", berth.RoleDeveloper)
	mustBe(t, err, berth.RoleDeveloper, p.Role)
	_, err = b.PutMember(ctx, "remote", "bob", berth.RoleOwner)
	mustBe(t, err, "", "")
	persons, err := b.Persons(ctx)
	mustBe(t, err, []string{"ada", "bob"}, names(persons, func(p berth.PersonInfo) string { return p.Name }))
	mustBe(t, nil, []berth.ProjectRole{{Project: "remote", Role: berth.RoleOwner}}, persons[1].Memberships)
	_, err = b.SetPersonRole(ctx, "ada", berth.RoleNone)
	mustFail(t, err, berth.EConflict, "ada is the last owner of this server: make somebody else an owner first, with berth user role NAME --role owner")
	mustBe(t, b.RemovePerson(ctx, "bob"), "", "")
	mustFail(t, b.RemovePerson(ctx, "bob"), berth.ENotFound, "there is no person bob")

	mustBe(t, b.ChangePassword(ctx, berth.Secret{}, berth.NewSecret("correct horse")), "", "")
	mustFail(t, b.ChangePassword(ctx, berth.NewSecret("wrong"), berth.NewSecret("battery staple")), berth.EInvalid,
		"before: this is not your password; a login link (berth login-link) lets you choose a new one without it")
	l, _, err := s.control.LoginByPassword(ctx, "ada", berth.NewSecret("correct horse"), berth.LoginClient{Address: "192.0.2.1"})
	mustBe(t, err, "192.0.2.1", l.Address)
	_, _, err = s.control.LoginByPassword(ctx, "ada", berth.NewSecret("correct horse"), berth.LoginClient{})
	mustBe(t, err, "", "")
	logins, err := b.Logins(ctx)
	mustBe(t, err, 2, len(logins))
	mustBe(t, b.DeleteLogin(ctx, l.ID), "", "")
	mustFail(t, b.DeleteLogin(ctx, l.ID), berth.ENotFound, "there is no login "+string(l.ID)+" of yours")
	mustBe(t, b.DeleteOtherLogins(ctx), "", "")
	logins, err = b.Logins(ctx)
	mustBe(t, err, 0, len(logins))
}

// flow is something that lasts until its person may no longer.
type flow struct {
	name string
	run  func(ctx context.Context, b berth.Service, ref string, begun func()) error
}

var flows = []flow{
	{"logs", func(ctx context.Context, b berth.Service, ref string, begun func()) error {
		for _, err := range b.Logs(ctx, ref, berth.LogQuery{Follow: true}) {
			if err != nil {
				return err
			}
			begun()
		}
		return nil
	}},
	{"requests", func(ctx context.Context, b berth.Service, ref string, begun func()) error {
		for _, err := range b.Requests(ctx, ref, berth.LogQuery{Follow: true}) {
			if err != nil {
				return err
			}
			begun()
		}
		return nil
	}},
	{"events", func(ctx context.Context, b berth.Service, ref string, begun func()) error {
		for _, err := range b.Events(ctx, berth.EventQuery{Deployment: ref, Follow: true}) {
			if err != nil {
				return err
			}
			begun()
		}
		return nil
	}},
	{"exec", func(ctx context.Context, b berth.Service, ref string, begun func()) error {
		_, err := b.Exec(ctx, ref, berth.Exec{Command: []string{"wait"}, Stdout: writer(begun), Stderr: io.Discard})
		return err
	}},
	{"build log", func(ctx context.Context, b berth.Service, ref string, begun func()) error {
		builds, err := b.Builds(ctx, ref)
		if err != nil {
			return err
		}
		running := slices.IndexFunc(builds, func(b berth.Build) bool { return b.State == berth.BuildRunning })
		log, err := b.BuildLog(ctx, ref, builds[running].ID, true)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		_, err = io.Copy(writer(begun), log)
		return err
	}},
}

// writer tells of each write.
type writer func()

func (w writer) Write(p []byte) (int, error) { w(); return len(p), nil }

// busy is what a machine may add that runs all tests at once; looking every 15 s for lost hints takes far longer.
const busy = 3 * time.Second

// TestStreamsEndWithTheRight: within a second of losing what it needs, each stream ends with an error, over the wire,
// and what still may be goes on.
func TestStreamsEndWithTheRight(t *testing.T) {
	s := newServer(t)
	d, _, _ := s.somebodysProject(t)
	if err := s.store.Update(t.Context(), func(tx *sqlite.Tx) error {
		stored, err := tx.DeploymentByID(berth.Everything(), d.ID)
		return errors.Join(err, tx.CreateBuild(berth.Build{ID: berth.NewID(), Project: stored.ProjectID, Deployment: d.ID, Element: "web", State: berth.BuildRunning}))
	}); err != nil {
		t.Fatal(err)
	}
	owner := s.as(s.owner)
	for _, end := range []struct {
		name  string
		fn    func(name string, token berth.ID) error
		stays []string
	}{
		{"removal", func(name string, _ berth.ID) error { return owner.RemovePerson(t.Context(), name) }, nil},
		{"membership", func(name string, _ berth.ID) error { return owner.DeleteMember(t.Context(), "shop", name) }, nil},
		{"token", func(name string, token berth.ID) error {
			return s.store.Update(t.Context(), func(tx *sqlite.Tx) error {
				p, err := tx.PersonByName(name)
				if err == nil {
					err = tx.DeleteToken(p.ID, token)
				}
				return err
			})
		}, nil},
		{"viewer", func(name string, _ berth.ID) error {
			_, err := owner.PutMember(t.Context(), "shop", name, berth.RoleViewer)
			return err
		}, []string{"logs", "requests", "events", "build log"}},
	} {
		t.Run(end.name, func(t *testing.T) {
			person, secret := s.person(t, "p-"+end.name, berth.RoleNone)
			s.member(t, person.Person, d, berth.RoleDeveloper)
			caller, err := s.control.Authenticate(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			b := s.overTLS(t, secret)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			type outcome struct {
				name string
				err  error
				at   time.Time
			}
			begun, ended := make(chan string), make(chan outcome, len(flows))
			for _, f := range flows {
				told := false
				go func() {
					err := f.run(ctx, b, d.Slug, func() {
						if !told {
							told = true
							begun <- f.name
						}
					})
					ended <- outcome{f.name, err, time.Now()}
				}()
			}
			for range flows {
				select {
				case <-begun:
				case o := <-ended:
					t.Fatalf("%s ended before it should: %v", o.name, o.err)
				}
			}
			if err := end.fn(person.Name, caller.Token); err != nil {
				t.Fatal(err)
			}
			lost := time.Now()
			for range len(flows) - len(end.stays) {
				o := <-ended
				if o.err == nil || slices.Contains(end.stays, o.name) {
					t.Errorf("%s ended with %v", o.name, o.err)
				}
				if o.name != "build log" && berth.CodeOf(o.err) == berth.EInternal {
					t.Errorf("%s does not say why it ended: %v", o.name, o.err)
				}
				if took := o.at.Sub(lost); took > time.Second+busy {
					t.Errorf("%s ended after %v", o.name, took)
				}
			}
			stop()
			for range end.stays {
				<-ended
			}
		})
	}
}
