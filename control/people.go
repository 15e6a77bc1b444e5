package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Persons lists everybody.
func (s *Service) Persons(ctx context.Context) (list []berth.PersonInfo, err error) {
	err = s.view(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, PersonRead, ""); err != nil {
			return err
		}
		persons, err := tx.Persons()
		if err != nil {
			return err
		}
		memberships, err := tx.AllMemberships()
		for _, p := range persons {
			list = append(list, berth.PersonInfo{Person: p, Memberships: memberships[p.ID]})
		}
		return err
	})
	return list, err
}

// InvitePerson makes a person and a link that lets them in.
func (s *Service) InvitePerson(ctx context.Context, in berth.Invitation) (berth.LoginLink, error) {
	return s.makeLink(ctx, inviteLife, func(tx Tx) (berth.Person, error) {
		project, err := s.invitesTo(tx, in.Project)
		if err != nil {
			return berth.Person{}, err
		}
		if err := validateInvitation(in); err != nil {
			return berth.Person{}, err
		}
		p, err := tx.PersonByName(in.Name)
		switch {
		case berth.CodeOf(err) == berth.ENotFound:
			in.Role = cmp.Or(in.Role, berth.RoleViewer)
			p = berth.Person{ID: berth.NewID(), Name: in.Name}
			err = tx.CreatePerson(p)
		case err == nil:
			err = s.inviteAgain(tx, p, in.Project)
		}
		if err != nil {
			return berth.Person{}, err
		}
		if in.Role != berth.RoleNone {
			if err := s.giveRole(tx, p, in.Role, project); err != nil {
				return berth.Person{}, err
			}
		}
		return p, tx.AppendEvent(berth.Event{Person: s.caller.Name, Project: project.ID, Kind: "person.invited", Message: in.Name + " was invited" + as(in.Role, project)})
	})
}

// invitesTo is the project that the caller may invite somebody to; with no name it is the server.
func (s *Service) invitesTo(tx Tx, name string) (berth.Project, error) {
	if name == "" {
		return berth.Project{}, authorise(tx, s.caller, PersonInvite, "")
	}
	return s.project(tx, MemberChange, name)
}

func validateInvitation(in berth.Invitation) error {
	if err := berth.ValidateName("name", in.Name); err != nil || in.Role == berth.RoleNone {
		return err
	}
	return berth.ValidateRole(in.Role)
}

// inviteAgain lets a new link take the place of the one before, for who has not come yet. A link makes its holder that
// person, so an owner of a project makes one only for who has nothing but this project.
func (s *Service) inviteAgain(tx Tx, p berth.Person, project string) error {
	known := berth.Errorf(berth.EConflict, "there is a person named %s already: give them a role with berth member add PROJECT %s --role R", p.Name, p.Name)
	if !p.JoinedAt.IsZero() {
		return known
	}
	if err := authorise(tx, s.caller, PersonInvite, ""); err != nil {
		elsewhere := func(m berth.ProjectRole) bool { return m.Project != project }
		memberships, readErr := tx.MembershipsOf(p.ID)
		if readErr != nil {
			return readErr
		}
		if p.Role != berth.RoleNone || slices.ContainsFunc(memberships, elsewhere) {
			return known
		}
	}
	return tx.DeleteLoginLinks(p.ID)
}

// giveRole gives a person a role on a project, or without one on the server. A link opens all that its person may: with
// less, the person's links to others end, and with more, the links of those to the person who could not have given it.
func (s *Service) giveRole(tx Tx, p berth.Person, role berth.Role, project berth.Project) error {
	before, err := p.Role, error(nil)
	if project.ID != "" {
		before, err = tx.RoleOn(p.ID, project.ID)
	}
	if err != nil || before == role {
		return err
	}
	if role.Includes(before) {
		err = tx.DeleteForeignLinks(p.ID, s.caller.Person)
	} else {
		err = tx.DeleteLinksBy(p.ID)
	}
	switch {
	case err != nil:
		return err
	case project.ID != "" && role == berth.RoleNone:
		return tx.DeleteMembership(p.ID, project.ID)
	case project.ID != "":
		return tx.PutMembership(berth.Membership{Person: p.ID, Project: project.ID, Role: role})
	}
	if err := ownerStays(tx, p, role); err != nil {
		return err
	}
	p.Role = role
	return tx.UpdatePerson(p)
}

func as(role berth.Role, project berth.Project) string {
	switch {
	case role == berth.RoleNone:
		return ""
	case project.ID == "":
		return " as " + string(role) + " of the server"
	}
	return " as " + string(role) + " of project " + project.Name
}

// SetPersonRole gives a person a role on the server.
func (s *Service) SetPersonRole(ctx context.Context, name string, role berth.Role) (p berth.Person, err error) {
	err = s.update(ctx, func(tx Tx) error {
		if p, err = s.person(tx, PersonChange, name); err != nil {
			return err
		}
		if role != berth.RoleNone {
			if err := berth.ValidateRole(role); err != nil {
				return err
			}
		}
		if p.Role == role {
			return nil
		}
		if err := s.giveRole(tx, p, role, berth.Project{}); err != nil {
			return err
		}
		p.Role = role
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "person.role", Message: fmt.Sprintf("%s has the role %s on the server", p.Name, orNone(role))})
	})
	return p, err
}

// RemovePerson takes everything from a person that lets them in.
func (s *Service) RemovePerson(ctx context.Context, name string) error {
	return s.update(ctx, func(tx Tx) error {
		p, err := s.person(tx, PersonRemove, name)
		if err != nil {
			return err
		}
		if err := ownerStays(tx, p, berth.RoleNone); err != nil {
			return err
		}
		if err := tx.DeletePerson(p.ID); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "person.removed", Message: p.Name + " was removed, with all tokens and logins"})
	})
}

// person finds somebody whom the caller may apply verb to. Who may not read persons is told of none.
func (s *Service) person(tx Tx, verb Verb, name string) (berth.Person, error) {
	err := authorise(tx, s.caller, PersonRead, "")
	if berth.CodeOf(err) == berth.EForbidden {
		err = berth.Errorf(berth.ENotFound, "there is no person %s, or you may not see who is on this server", name)
	}
	if err != nil {
		return berth.Person{}, err
	}
	if err := authorise(tx, s.caller, verb, ""); err != nil {
		return berth.Person{}, err
	}
	return tx.PersonByName(name)
}

// ownerStays refuses to leave the server without an owner who has been here, or with none at all.
func ownerStays(tx Tx, p berth.Person, role berth.Role) error {
	if p.Role != berth.RoleOwner || role == berth.RoleOwner {
		return nil
	}
	persons, err := tx.Persons()
	if err != nil {
		return err
	}
	for _, other := range persons {
		if other.ID != p.ID && other.Role == berth.RoleOwner && (!other.JoinedAt.IsZero() || p.JoinedAt.IsZero()) {
			return nil
		}
	}
	return berth.Errorf(berth.EConflict, "%s is the last owner of this server: make somebody else an owner first, with berth user role NAME --role owner", p.Name)
}

// Members lists who may see a project.
func (s *Service) Members(ctx context.Context, project string) (list []berth.Member, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, MemberRead, project)
		if err != nil {
			return err
		}
		memberships, err := tx.Memberships(p.ID)
		if err != nil {
			return err
		}
		persons, err := tx.Persons()
		list = members(persons, memberships)
		return err
	})
	return list, err
}

// members is pure: the greater role of each counts.
func members(persons []berth.Person, memberships []berth.Membership) (list []berth.Member) {
	on := map[berth.ID]berth.Role{}
	for _, m := range memberships {
		on[m.Person] = m.Role
	}
	for _, p := range persons {
		m := berth.Member{Person: p.Name, Role: on[p.ID], Invited: p.JoinedAt.IsZero()}
		if p.Role != berth.RoleNone && p.Role.Includes(m.Role) {
			m.Role, m.OnServer = p.Role, true
		}
		if m.Role != berth.RoleNone {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b berth.Member) int { return strings.Compare(a.Person, b.Person) })
	return list
}

// PutMember gives a person a role on a project.
func (s *Service) PutMember(ctx context.Context, project, person string, role berth.Role) (m berth.Member, err error) {
	err = s.update(ctx, func(tx Tx) error {
		p, who, err := s.member(tx, project, person)
		if err != nil {
			return err
		}
		if err := berth.ValidateRole(role); err != nil {
			return err
		}
		if err := s.giveRole(tx, who, role, p); err != nil {
			return err
		}
		m = berth.Member{Person: who.Name, Role: role, Invited: who.JoinedAt.IsZero()}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Project: p.ID, Kind: "member.role", Message: fmt.Sprintf("%s has the role %s on project %s", who.Name, role, p.Name)})
	})
	return m, err
}

// DeleteMember ends a membership.
func (s *Service) DeleteMember(ctx context.Context, project, person string) error {
	return s.update(ctx, func(tx Tx) error {
		p, who, err := s.member(tx, project, person)
		if err != nil {
			return err
		}
		role, err := tx.RoleOn(who.ID, p.ID)
		if err != nil {
			return err
		}
		if role == berth.RoleNone {
			return berth.Errorf(berth.ENotFound, "%s has no role on project %s itself; berth member ls %s shows who has", who.Name, p.Name, p.Name)
		}
		if err := s.giveRole(tx, who, berth.RoleNone, p); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Project: p.ID, Kind: "member.removed", Message: fmt.Sprintf("%s has no role on project %s any more", who.Name, p.Name)})
	})
}

// member finds a project whose members the caller may change, and a person.
func (s *Service) member(tx Tx, project, person string) (p berth.Project, who berth.Person, err error) {
	if p, err = s.project(tx, MemberChange, project); err != nil {
		return p, who, err
	}
	who, err = tx.PersonByName(person)
	if berth.CodeOf(err) == berth.ENotFound {
		err = berth.Errorf(berth.ENotFound, "there is no person %s: berth user invite %s --project %s --role R invites them", person, person, p.Name)
	}
	return p, who, err
}
