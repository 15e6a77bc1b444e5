package main

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) registryCommand() *cobra.Command {
	var asJSON bool
	ls := jsonFlag(leaf("ls", "List logins; passwords are not shown", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Registries(ctx)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"REGISTRY", "USER", "AGE"}, func(r berth.Registry) []cell {
			return row(r.Host, r.Username, a.ago(r.CreatedAt))
		})
	})), &asJSON)
	rm := leaf("rm HOST", "Forget a login", cobra.ExactArgs(1), a.does(func(ctx context.Context, s berth.Service, args []string) error {
		err := s.LogoutRegistry(ctx, args[0])
		if err == nil {
			fmt.Fprintf(a.out, "Forgot the login to %s.\n", args[0])
		}
		return err
	}))
	return branch("registry", "Logins to registries of images", a.registryLoginCommand(), ls, rm)
}

func (a *app) registryLoginCommand() *cobra.Command {
	var username string
	c := leaf("login HOST --username NAME", "Log in to a registry; the password is asked for, or read from stdin", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			password, err := a.registryPassword(args[0])
			if err != nil {
				return err
			}
			r, err := s.LoginRegistry(ctx, args[0], username, password)
			if err == nil {
				fmt.Fprintf(a.out, "Logged in to %s as %s.\n", r.Host, r.Username)
			}
			return err
		}))
	c.Flags().StringVarP(&username, "username", "u", "", "name at the registry")
	_ = c.MarkFlagRequired("username") // it exists
	return c
}

func (a *app) registryPassword(host string) (berth.Secret, error) {
	if !a.terminal.in {
		return a.secretFromStdin("password")
	}
	text, err := a.askHidden("Password (or token) at " + clean(host))
	if err != nil {
		return berth.Secret{}, fmt.Errorf("read password: %w", err)
	}
	return berth.NewSecret(text), nil
}
