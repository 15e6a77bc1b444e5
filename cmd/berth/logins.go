package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) loginsCommand() *cobra.Command {
	var asJSON bool
	ls := jsonFlag(leaf("ls", "List the browsers that you are logged in with", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Logins(ctx)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"ID", "DEVICE", "ADDRESS", "AGE", "USED", "UNTIL"}, func(l berth.Login) []cell {
			return row(string(l.ID), l.Device, l.Address, a.ago(l.CreatedAt), a.ago(l.LastUsed), l.ExpiresAt.Format(time.DateOnly))
		})
	})), &asJSON)
	var everywhere bool
	rm := leaf("rm [ID]", "Log a browser out, or with --all every one", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if everywhere == (len(args) == 1) {
				return berth.Errorf(berth.EInvalid, "say which login to end, by its ID from berth logins ls, or --all")
			}
			if everywhere {
				return s.DeleteOtherLogins(ctx)
			}
			return s.DeleteLogin(ctx, berth.ID(args[0]))
		}))
	rm.Flags().BoolVar(&everywhere, "all", false, "log every browser out")
	return branch("logins", "Browsers that you are logged in with; tokens are apart", ls, rm)
}

func (a *app) passwdCommand() *cobra.Command {
	c := leaf("passwd", "Choose the password with which you log in to the console", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			before, password, err := a.newPassword()
			if err != nil {
				return err
			}
			if err := s.ChangePassword(ctx, before, password); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "Your password is changed, and all browsers are logged out.")
			return nil
		}))
	c.Long = `Choose the password with which you log in to the console. It asks for the one before; who has forgotten it chooses a
new one in the browser, with a link from berth login-link. Without a terminal it reads two lines from stdin: the
password before (empty where there is none) and the new one.`
	return c
}

func (a *app) newPassword() (before, password berth.Secret, err error) {
	if !a.terminal.in {
		return twoLines(a.in)
	}
	old, err := a.askHidden("Your password (empty where you have none)")
	if err != nil {
		return before, password, fmt.Errorf("read password: %w", err)
	}
	chosen, err := a.askHidden("New password")
	if err != nil {
		return before, password, fmt.Errorf("read password: %w", err)
	}
	again, err := a.askHidden("New password again")
	if err != nil {
		return before, password, fmt.Errorf("read password: %w", err)
	}
	if chosen != again {
		return before, password, berth.Errorf(berth.EInvalid, "the two new passwords differ: nothing was changed")
	}
	return berth.NewSecret(old), berth.NewSecret(chosen), nil
}

func twoLines(in io.Reader) (first, second berth.Secret, err error) {
	lines := bufio.NewScanner(io.LimitReader(in, maxToken))
	for _, to := range []*berth.Secret{&first, &second} {
		if !lines.Scan() {
			return first, second, berth.Errorf(berth.EInvalid, "stdin needs two lines: the password before, empty where there is none, and the new one")
		}
		*to = berth.NewSecret(lines.Text())
	}
	return first, second, nil
}
