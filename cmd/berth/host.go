package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) hostCommand() *cobra.Command {
	return branch("host", "Public hosts of a deployment, and who may ask them", a.hostLsCommand(), a.hostRenameCommand(), a.hostProtectCommand(), a.hostOpenCommand())
}

func (a *app) hostLsCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("ls DEPLOYMENT", "List the hosts and who may ask them", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Hosts(ctx, args[0])
			if err != nil {
				return err
			}
			if len(list) == 0 && !asJSON {
				a.say("%s has no host yet: it has some once its first release is prepared.", args[0])
				return nil
			}
			return a.printProtected(list, asJSON)
		})), &asJSON))
}

func (a *app) hostRenameCommand() *cobra.Command {
	var wait waiting
	c := leaf("rename DEPLOYMENT HOST NEW-LABEL", "Give a host another name; the former one redirects there for 30 days", cobra.ExactArgs(3),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			before, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			d, err := s.RenameHost(ctx, args[0], args[1], args[2])
			if err != nil {
				return err
			}
			revision := newestRevision(d)
			if revision == newestRevision(before) {
				fmt.Fprintf(a.out, "The host is named %s already.\n", args[2])
				return nil
			}
			return a.afterRelease(ctx, s, d, revision, wait, fmt.Sprintf("The host is named %s now: release %d tells the application.", args[2], revision))
		}))
	c.Long = `Give a host another name; the former one redirects there for 30 days.

HOST is the host's name, its first label or its element; NEW-LABEL is the part of the new name before the
server's domain. The new name answers at once, with a certificate of its own. A release gives the elements
that have the name as a parameter (<HOST>_ENDPOINT) the new one.`
	wait.flags(c)
	return a.onDeployment(c)
}

// newestRevision is that of the newest release, zero without one.
func newestRevision(d berth.Deployment) int {
	if len(d.Releases) == 0 {
		return 0
	}
	return d.Releases[0].Revision
}

func (a *app) hostProtectCommand() *cobra.Command {
	var password string
	var w berth.ProtectHosts
	var asJSON bool
	c := jsonFlag(leaf("protect DEPLOYMENT [HOST]", "Have hosts ask for a password, or answer certain networks only", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			w.Host = optional(args, 1)
			var err error
			if w.Password, err = a.hostPassword(password, args[0]); err != nil {
				return err
			}
			list, err := s.ProtectHosts(ctx, args[0], w)
			if err != nil {
				return err
			}
			return a.printProtected(list, asJSON)
		})), &asJSON)
	c.Long = `Have hosts ask for a password, or answer certain networks only.

HOST is a host's name, its first label or its element. Without it all hosts are meant, those of later releases
included. What is not named stays as it is; a list of networks takes the place of the one before. Where there
are both, a visitor needs both. Domains that lead to an element are protected as its host is.

  --password -        asks for the password, or reads it from stdin where there is no terminal
  --password @FILE    reads it from a file

Browsers ask for a name too: any will do.`
	c.Flags().StringVar(&password, "password", "", "- or @FILE: where the password is read from")
	c.Flags().StringSliceVar(&w.Allow, "allow", nil, "network or address that may ask; may be repeated")
	return a.onDeployment(c)
}

// hostPassword reads a password from where the flag says; command lines are no place for one.
func (a *app) hostPassword(from, deployment string) (berth.Secret, error) {
	switch {
	case from == "":
		return berth.Secret{}, nil
	case from == "-" && a.terminal.in:
		text, err := a.askHidden("Password for visitors of " + clean(deployment))
		if err != nil {
			return berth.Secret{}, fmt.Errorf("read password: %w", err)
		}
		return berth.NewSecret(text), nil
	case from == "-":
		return a.secretFromStdin("password")
	case strings.HasPrefix(from, "@"):
		text, err := os.ReadFile(from[1:])
		if err != nil {
			return berth.Secret{}, fmt.Errorf("read password: %w", err)
		}
		return berth.NewSecret(trimNewline(string(text))), nil
	}
	return berth.Secret{}, berth.Errorf(berth.EInvalid, "other users and your shell's history see command lines: say --password - for stdin, or --password @FILE")
}

func (a *app) hostOpenCommand() *cobra.Command {
	var w berth.OpenHosts
	var asJSON bool
	c := jsonFlag(leaf("open DEPLOYMENT [HOST]", "Take the protection of hosts away", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			w.Host = optional(args, 1)
			list, err := s.OpenHosts(ctx, args[0], w)
			if err != nil {
				return err
			}
			return a.printProtected(list, asJSON)
		})), &asJSON)
	c.Flags().BoolVar(&w.Password, "password", false, "only the password ends")
	c.Flags().BoolVar(&w.Allow, "allow", false, "only the list of networks ends")
	return a.onDeployment(c)
}

func (a *app) printProtected(list []berth.Host, asJSON bool) error {
	return printList(a, asJSON, list, []string{"HOST", "ELEMENT", "WHO MAY ASK"}, func(h berth.Host) []cell {
		return append(row(h.URL, h.Element), protectionCell(h.Protection))
	})
}

// protectionCell says in one line who may ask a host.
func protectionCell(p *berth.Protection) cell {
	switch {
	case p == nil:
		return cell{"everybody", plain}
	case p.Password && len(p.Allow) > 0:
		return cell{"with the password, from " + strings.Join(p.Allow, ", "), green}
	case p.Password:
		return cell{"with the password", green}
	}
	return cell{"from " + strings.Join(p.Allow, ", "), green}
}
