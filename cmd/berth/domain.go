package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) domainCommand() *cobra.Command {
	return branch("domain", "Names of your own that lead to a deployment",
		a.domainAddCommand(), a.domainLsCommand(), a.domainCheckCommand(), a.domainRmCommand())
}

func (a *app) domainAddCommand() *cobra.Command {
	var element string
	var asJSON bool
	c := jsonFlag(leaf("add DEPLOYMENT NAME", "Let a name lead to an element, once the DNS leads here", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.AddDomain(ctx, args[0], args[1], element)
			if err != nil {
				return err
			}
			return a.printDomain(d, asJSON)
		})), &asJSON)
	c.Flags().StringVar(&element, "element", "", "element that the name leads to (default: the only one with a public host)")
	return a.onDeployment(c)
}

func (a *app) domainCheckCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("check DEPLOYMENT NAME", "Look where the DNS leads a name now", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.CheckDomain(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			return a.printDomain(d, asJSON)
		})), &asJSON))
}

func (a *app) domainLsCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("ls DEPLOYMENT", "List the names of its own that lead to a deployment", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Domains(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(list)
			}
			if len(list) == 0 {
				fmt.Fprintf(a.err, "%s has no domain. berth domain add %s NAME adds one.\n", args[0], args[0])
				return nil
			}
			a.table(a.out, []string{"DOMAIN", "ELEMENT", "STATE", ""}, a.domainRows(list, ""))
			return nil
		})), &asJSON))
}

func (a *app) domainRmCommand() *cobra.Command {
	return a.onDeployment(leaf("rm DEPLOYMENT NAME", "End a domain at once", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if err := s.DeleteDomain(ctx, args[0], args[1]); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s does not lead to %s any more.\n", args[1], args[0])
			return nil
		})))
}

func (a *app) printDomain(d berth.Domain, asJSON bool) error {
	if asJSON {
		return a.printJSON(d)
	}
	if d.Proven && d.Message == "" {
		fmt.Fprintf(a.out, "%s leads here and serves %s of %s.\n", d.URL, d.Element, d.Slug)
		return nil
	}
	fmt.Fprintf(a.out, "%s.\n", strings.ToUpper(d.Message[:1])+d.Message[1:])
	if !d.Proven {
		fmt.Fprintf(a.out, "It serves %s of %s as soon as the DNS leads here; berth domain check %s %s looks now.\n", d.Element, d.Slug, d.Slug, d.Name)
	}
	return nil
}

func (a *app) domainRows(list []berth.Domain, indent string) (rows [][]cell) {
	for _, d := range list {
		state, about := cell{"serves", green}, a.certificateCell(d.Certificate)
		if !d.Proven {
			state = cell{"waits", yellow}
		}
		if d.Message != "" {
			about = cell{oneLine(d.Message), plain}
		}
		rows = append(rows, []cell{{indent + d.Name, plain}, {d.Element, plain}, state, about})
	}
	return rows
}
