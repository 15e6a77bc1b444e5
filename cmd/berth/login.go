package main

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/spf13/cobra"
)

func (a *app) loginCommand() *cobra.Command {
	c := leaf("login LINK", "Log in to a server with a one-time link", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		link, err := client.ParseLink(args[0])
		if err != nil {
			return err
		}
		credentials, err := client.Login(cmd.Context(), link)
		if err != nil {
			return err
		}
		if err := a.keep(credentials); err != nil {
			return err
		}
		return a.greet(cmd.Context(), credentials)
	})
	c.Long = `Log in to a server with a one-time link, which berth login-link makes on the server's machine.
The link carries the fingerprint of the server's certificate authority, so the very first connection is verified.
The login is kept in ` + "`~/.config/berth/config.json`" + `, readable by you only. In CI set BERTH_SERVER, BERTH_TOKEN and,
for a server with its own authority, BERTH_CA (a file).`
	return c
}

// greet uses the new login once, so that what was stored is known to work.
func (a *app) greet(ctx context.Context, c client.Credentials) error {
	s, err := client.New(client.Config{URL: c.URL, CA: c.CA, Token: c.Token})
	if err != nil {
		return err
	}
	defer s.Close()
	who, err := s.Whoami(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Logged in to %s as %s.\n", who.ServerURL, who.Person)
	return nil
}

func (a *app) loginLinkCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("login-link [PERSON]", "Make a one-time login link, for yourself or another person", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			link, err := s.CreateLoginLink(ctx, optional(args, 0))
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(shownLink(link))
			}
			a.printLink(link, "")
			return nil
		})), &asJSON)
}

func (a *app) whoamiCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("whoami", "Say who you are, and to which server", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			who, err := s.Whoami(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(who)
			}
			rows := [][]cell{row("person", who.Person), row("role", roleOrNone(who.Role))}
			if who.Limit != berth.RoleNone {
				rows = append(rows, row("token", "up to the role "+string(who.Limit)))
			}
			if len(who.Memberships) > 0 {
				rows = append(rows, row("projects", projectRoles(who.Memberships)))
			}
			a.table(a.out, nil, append(rows, row("server", who.ServerURL), row("console", who.ConsoleURL), row("version", who.Version)))
			return nil
		})), &asJSON)
}

func (a *app) versionCommand() *cobra.Command {
	return leaf("version", "Print the version of this program", cobra.NoArgs, func(*cobra.Command, []string) error {
		fmt.Fprintln(a.out, "berth "+a.version)
		return nil
	})
}

func (a *app) tokenCommand() *cobra.Command {
	var asJSON bool
	var days int
	var role berth.Role
	create := leaf("create NAME", "Make an API token; its secret is shown this once", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			token, secret, err := s.CreateToken(ctx, berth.NewToken{Name: args[0], Role: role, TTL: time.Duration(days) * 24 * time.Hour})
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, secret.Reveal())
			a.say("Valid until %s. Keep it: it is not shown again.", token.ExpiresAt.Format(time.DateOnly))
			return nil
		}))
	create.Flags().IntVar(&days, "days", 90, "how long it is valid")
	roleFlag(create, &role, "the most that it lets you do: viewer, developer or owner (default: all that you may)")
	ls := jsonFlag(leaf("ls", "List your API tokens", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			list, err := s.Tokens(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(list)
			}
			rows := make([][]cell, len(list))
			for i, t := range list {
				rows[i] = row(string(t.ID), t.Name, string(t.Role), a.ago(t.CreatedAt), a.ago(t.LastUsed), t.ExpiresAt.Format(time.DateOnly))
			}
			a.table(a.out, []string{"ID", "NAME", "ROLE", "AGE", "USED", "UNTIL"}, rows)
			return nil
		})), &asJSON)
	rm := leaf("rm ID", "End an API token", cobra.ExactArgs(1), a.does(func(ctx context.Context, s berth.Service, args []string) error {
		return s.DeleteToken(ctx, berth.ID(args[0]))
	}))
	return branch("token", "API tokens", create, ls, rm)
}

// optional is the i-th argument, or nothing.
func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
