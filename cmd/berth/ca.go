package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/truststore"
	"github.com/spf13/cobra"
)

func (a *app) caCommand() *cobra.Command {
	c := leaf("ca", "The server's own certificate authority: print it, or let browsers and tools trust it", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			pem, err := s.CA(ctx)
			fmt.Fprint(a.out, pem)
			return err
		}))
	c.AddCommand(a.caInstallCommand(), a.caUninstallCommand())
	return c
}

func (a *app) caInstallCommand() *cobra.Command {
	var yes bool
	c := leaf("install", "Let this machine's browsers and tools trust the server's authority", cobra.NoArgs,
		a.onStores(&yes, "Trust", confined, func(ctx context.Context, store truststore.Store, ca truststore.Authority) (string, error) {
			return "trusts it now; a browser that runs has to be started again", store.Install(ctx, ca)
		}))
	c.Long = `Let this machine's browsers and tools trust the server's certificate authority: the system's store (Debian and Ubuntu; by sudo),
Chromium's and each Firefox profile's of the person who runs this. The authority is fetched over the connection that the login has verified.
It can vouch for names below the server's base domain, and for nothing else.`
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) caUninstallCommand() *cobra.Command {
	var yes bool
	c := leaf("uninstall", "Take the server's authority out of this machine's stores again", cobra.NoArgs,
		a.onStores(&yes, "No longer trust", anyAuthority, func(ctx context.Context, store truststore.Store, ca truststore.Authority) (string, error) {
			removed, err := store.Uninstall(ctx, ca)
			if !removed {
				return "did not have it", err
			}
			return "does not have it any more", err
		}))
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// onStores does something to every trust store of this machine, and goes on where one fails.
func (a *app) onStores(yes *bool, what string, accept func(truststore.Authority) error, do func(context.Context, truststore.Store, truststore.Authority) (string, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		ca, err := a.authority(cmd.Context())
		if err != nil {
			return err
		}
		if err := accept(ca); err != nil {
			return err
		}
		machine, err := truststore.This(a.env)
		if err != nil {
			return err
		}
		stores, byHand := machine.Stores()
		a.say("%s, SHA-256 %s, %s", clean(ca.Name), ca.Fingerprint, clean(vouchesFor(ca)))
		for _, s := range stores {
			a.say("  %s: %s", s.Name, s.Path)
		}
		for _, line := range byHand {
			a.say("By hand: %s", line)
		}
		if len(stores) == 0 {
			return nil
		}
		if err := a.agree(*yes, what+" it there?"); err != nil {
			return err
		}
		var failures []error
		for _, s := range stores {
			done, err := do(cmd.Context(), s, ca)
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", s.Name, err))
				continue
			}
			fmt.Fprintf(a.out, "%s %s.\n", s.Name, done)
		}
		return errors.Join(failures...)
	}
}

// confined refuses an authority that could deceive this machine about sites that are not the server's: a server
// that was broken into may show one.
func confined(ca truststore.Authority) error {
	if len(ca.Domains) == 0 {
		return berth.Errorf(berth.EInvalid, "this authority can vouch for every site there is, which no Berth server's can: nothing was changed. Find out what answers in the server's place")
	}
	return nil
}

func anyAuthority(truststore.Authority) error { return nil }

func vouchesFor(ca truststore.Authority) string {
	if len(ca.Domains) == 0 {
		return "for every name"
	}
	return "for names below " + strings.Join(ca.Domains, ", ")
}

// authority is that of the server, or, where it does not answer, the one that the login knows.
func (a *app) authority(ctx context.Context) (truststore.Authority, error) {
	text, err := a.authorityText(ctx)
	if err != nil {
		stored, ok, storedErr := a.credentials()
		if storedErr != nil || !ok || stored.CA == "" {
			return truststore.Authority{}, err
		}
		text = stored.CA
	}
	return truststore.Parse(text)
}

func (a *app) authorityText(ctx context.Context) (string, error) {
	s, err := a.connect()
	if err != nil {
		return "", err
	}
	return s.CA(ctx)
}

// agree asks for a yes.
func (a *app) agree(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.terminal.in {
		return berth.Errorf(berth.EInvalid, "this changes whom this machine trusts: say --yes if you mean it")
	}
	fmt.Fprint(a.err, question+" [y/N] ")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	if err != nil && line == "" {
		return fmt.Errorf("read answer: %w", err)
	}
	return &exit{exitFailed, "nothing was changed"}
}
