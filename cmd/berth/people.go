package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) userCommand() *cobra.Command {
	return branch("user", "Who is on the server, and with which role", a.userInviteCommand(), a.userLsCommand(), a.userRoleCommand(), a.userRmCommand())
}

// noRole is what --role says for a person who shall have memberships only.
const noRole = "none"

func roleFlag(c *cobra.Command, role *berth.Role, usage string) {
	c.Flags().StringVar((*string)(role), "role", "", usage)
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]cobra.Completion{string(berth.RoleViewer), string(berth.RoleDeveloper), string(berth.RoleOwner)}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) userInviteCommand() *cobra.Command {
	var in berth.Invitation
	var asJSON bool
	c := leaf("invite NAME", "Make a person, and a one-time link that lets them in", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			in.Name = args[0]
			link, err := s.InvitePerson(ctx, in)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(shownLink(link))
			}
			a.printLink(link, "Give it to "+link.Person+" only.")
			return nil
		}))
	c.Long = `Make a person, and a one-time link that lets them in: in a browser, where they may choose a password, or with berth login.
For who has not come yet, another link takes the place of the one before.`
	roleFlag(c, &in.Role, "viewer (looks), developer (also changes deployments) or owner (also persons, secrets, deletes) (default viewer)")
	c.Flags().StringVar(&in.Project, "project", "", "the role is on this project only (default: on the whole server)")
	return jsonFlag(c, &asJSON)
}

// shownLink is a link with its secret, for a script.
func shownLink(l berth.LoginLink) map[string]any {
	return map[string]any{"url": l.URL.Reveal(), "person": l.Person, "expiresAt": l.ExpiresAt, "install": l.Install}
}

func (a *app) userLsCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("ls", "List everybody", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Persons(ctx)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"NAME", "ROLE", "PROJECTS", "AGE", "FIRST LOGIN"}, func(p berth.PersonInfo) []cell {
			return row(p.Name, roleOrNone(p.Role), projectRoles(p.Memberships), a.ago(p.CreatedAt), a.joined(p.Person))
		})
	})), &asJSON)
}

func (a *app) joined(p berth.Person) string {
	if p.JoinedAt.IsZero() {
		return "invited"
	}
	return a.ago(p.JoinedAt) + " ago"
}

func roleOrNone(r berth.Role) string {
	if r == berth.RoleNone {
		return noRole
	}
	return string(r)
}

// projectRoles says what somebody may do on single projects.
func projectRoles(list []berth.ProjectRole) string {
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = m.Project + " (" + string(m.Role) + ")"
	}
	return strings.Join(words, ", ")
}

func (a *app) userRoleCommand() *cobra.Command {
	var role berth.Role
	c := leaf("role NAME --role ROLE", "Give a person a role on the server", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if role == noRole {
				role = berth.RoleNone
			}
			p, err := s.SetPersonRole(ctx, args[0], role)
			if err == nil {
				fmt.Fprintf(a.out, "%s has the role %s on the server.\n", p.Name, roleOrNone(p.Role))
			}
			return err
		}))
	roleFlag(c, &role, "viewer, developer or owner, or none: only what berth member gives")
	_ = c.MarkFlagRequired("role") // it exists
	return a.onPerson(c, 0)
}

func (a *app) userRmCommand() *cobra.Command {
	return a.onPerson(leaf("rm NAME", "Remove a person: tokens, logins, invitations and all that streams end at once", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			err := s.RemovePerson(ctx, args[0])
			if err == nil {
				fmt.Fprintf(a.out, "Removed %s.\n", args[0])
			}
			return err
		})), 0)
}

func (a *app) memberCommand() *cobra.Command {
	var role berth.Role
	add := leaf("add PROJECT PERSON --role ROLE", "Give a person a role on a project, in place of the one before", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			m, err := s.PutMember(ctx, args[0], args[1], role)
			if err == nil {
				fmt.Fprintf(a.out, "%s has the role %s on project %s.\n", m.Person, m.Role, args[0])
			}
			return err
		}))
	roleFlag(add, &role, "viewer, developer or owner")
	_ = add.MarkFlagRequired("role") // it exists
	rm := leaf("rm PROJECT PERSON", "End a person's role on a project", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			err := s.DeleteMember(ctx, args[0], args[1])
			if err == nil {
				fmt.Fprintf(a.out, "%s has no role on project %s any more.\n", args[1], args[0])
			}
			return err
		}))
	return branch("member", "Who may do what on a project", a.onMember(add), a.memberLsCommand(), a.onMember(rm))
}

func (a *app) memberLsCommand() *cobra.Command {
	var asJSON bool
	return a.onProject(jsonFlag(leaf("ls PROJECT", "List who may see a project", cobra.ExactArgs(1), a.does(func(ctx context.Context, s berth.Service, args []string) error {
		list, err := s.Members(ctx, args[0])
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"PERSON", "ROLE", ""}, func(m berth.Member) []cell {
			return row(m.Person, string(m.Role), memberNote(m))
		})
	})), &asJSON))
}

func memberNote(m berth.Member) string {
	var notes []string
	if m.OnServer {
		notes = append(notes, "on the whole server")
	}
	if m.Invited {
		notes = append(notes, "invited")
	}
	return strings.Join(notes, ", ")
}

// onPerson completes an argument with the persons there are.
func (a *app) onPerson(c *cobra.Command, at int) *cobra.Command {
	before := c.ValidArgsFunction
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) != at {
			return before(cmd, args, typed)
		}
		return a.complete(cmd.Context(), func(ctx context.Context, s berth.Service) (names []string, err error) {
			list, err := s.Persons(ctx)
			for _, p := range list {
				names = append(names, p.Name)
			}
			return names, err
		})
	}
	return c
}

// onMember completes a project and a person.
func (a *app) onMember(c *cobra.Command) *cobra.Command { return a.onPerson(a.onProject(c), 1) }
