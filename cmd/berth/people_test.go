package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// crowd is a server with persons. What is asked of it is noted.
type crowd struct {
	*fakeService
	asked []string
}

func newCrowd(t *testing.T) (*cli, *crowd) {
	c := newCLI(t)
	s := &crowd{fakeService: c.service}
	c.connect = func() (berth.Service, error) { return s, nil }
	return c, s
}

func (s *crowd) note(words ...string) { s.asked = append(s.asked, strings.Join(words, " ")) }

func (s *crowd) Persons(context.Context) ([]berth.PersonInfo, error) {
	return []berth.PersonInfo{
		{Person: berth.Person{Name: "ada", Role: berth.RoleOwner, CreatedAt: noon.Add(-48 * time.Hour), JoinedAt: noon.Add(-47 * time.Hour)}},
		{Person: berth.Person{Name: "bob", CreatedAt: noon.Add(-time.Hour)}, Memberships: []berth.ProjectRole{{Project: "blog", Role: berth.RoleOwner}, {Project: "shop", Role: berth.RoleViewer}}},
	}, nil
}

func (s *crowd) InvitePerson(_ context.Context, in berth.Invitation) (berth.LoginLink, error) {
	s.note("invite", in.Name, string(in.Role), in.Project)
	return berth.LoginLink{URL: berth.NewSecret("https://console.test/login#S.F"), Person: in.Name, ExpiresAt: noon.Add(24 * time.Hour)}, nil
}

func (s *crowd) SetPersonRole(_ context.Context, name string, role berth.Role) (berth.Person, error) {
	s.note("role", name, string(role))
	return berth.Person{Name: name, Role: role}, nil
}

func (s *crowd) RemovePerson(_ context.Context, name string) error { s.note("rm", name); return nil }

func (s *crowd) Members(context.Context, string) ([]berth.Member, error) {
	return []berth.Member{{Person: "ada", Role: berth.RoleOwner, OnServer: true}, {Person: "bob", Role: berth.RoleViewer, Invited: true}}, nil
}

func (s *crowd) PutMember(_ context.Context, project, person string, role berth.Role) (berth.Member, error) {
	s.note("member", project, person, string(role))
	return berth.Member{Person: person, Role: role}, nil
}

func (s *crowd) DeleteMember(_ context.Context, project, person string) error {
	s.note("no member", project, person)
	return nil
}

func (s *crowd) Logins(context.Context) ([]berth.Login, error) {
	return []berth.Login{{ID: "l1", Device: "Firefox on Linux", Address: "203.0.113.7", CreatedAt: noon.Add(-time.Hour), LastUsed: noon.Add(-time.Minute), ExpiresAt: noon.Add(89 * 24 * time.Hour)}}, nil
}

func (s *crowd) DeleteLogin(_ context.Context, id berth.ID) error {
	s.note("logout", string(id))
	return nil
}

func (s *crowd) DeleteOtherLogins(context.Context) error { s.note("logout all"); return nil }

func (s *crowd) ChangePassword(_ context.Context, before, password berth.Secret) error {
	s.note("password", before.Reveal(), password.Reveal())
	return nil
}

func TestPeopleOutput(t *testing.T) {
	for name, line := range map[string]string{"user-ls": "user ls", "user-invite": "user invite bob", "member-ls": "member ls shop", "logins-ls": "logins ls"} {
		c, _ := newCrowd(t)
		c.golden(t, name, strings.Fields(line)...)
	}
}

func TestPeopleAsk(t *testing.T) {
	c, s := newCrowd(t)
	for _, line := range []string{
		"user invite bob --role developer --project shop", "user role bob --role none", "user rm bob",
		"member add shop bob --role viewer", "member rm shop bob", "logins rm l1", "logins rm --all",
	} {
		if c.do(t, strings.Fields(line)...) != 0 {
			t.Errorf("%s: %s", line, c.err)
		}
	}
	want := []string{"invite bob developer shop", "role bob ", "rm bob", "member shop bob viewer", "no member shop bob", "logout l1", "logout all"}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked %q", s.asked)
	}
	c.mustFail(t, exitFailed, "by its ID", "logins", "rm")
	c.mustFail(t, exitFailed, "by its ID", "logins", "rm", "l1", "--all")
}

func TestPasswd(t *testing.T) {
	c, s := newCrowd(t)
	c.in = strings.NewReader("\nfirst pass\n")
	if c.do(t, "passwd") != 0 || !slices.Equal(s.asked, []string{"password  first pass"}) {
		t.Errorf("%q %s", s.asked, c.err)
	}
	c.in = strings.NewReader("only one\n")
	c.mustFail(t, exitFailed, "two lines", "passwd")
	c.terminal.in = true
	typed := []string{"old", "new pass", "new paas", "old", "new pass", "new pass"}
	c.terminal.password = func() (string, error) { next := typed[0]; typed = typed[1:]; return next, nil }
	c.mustFail(t, exitFailed, "differ", "passwd")
	if c.do(t, "passwd") != 0 || s.asked[len(s.asked)-1] != "password old new pass" || strings.Contains(c.out.String()+c.err.String(), "new pass") {
		t.Errorf("%q %s", s.asked, c.err)
	}
}
