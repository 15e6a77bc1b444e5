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
	var n berth.NewDomain
	var www, asJSON bool
	c := jsonFlag(leaf("add DEPLOYMENT NAME", "Let a name lead to an element, once the DNS says that it is yours", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			n.Name = args[1]
			d, err := s.AddDomain(ctx, args[0], n)
			if err != nil {
				return err
			}
			list := []berth.Domain{d}
			if www {
				other, err := s.AddDomain(ctx, args[0], berth.NewDomain{Name: berth.Counterpart(d.Name), RedirectTo: d.Name})
				if err != nil {
					return fmt.Errorf("%s was added, %s was not: %w", d.Name, berth.Counterpart(d.Name), err)
				}
				list = append(list, other)
			}
			if asJSON && www {
				return a.printJSON(list)
			}
			for _, d := range list {
				if err := a.printDomain(d, asJSON); err != nil {
					return err
				}
			}
			return nil
		})), &asJSON)
	c.Long = `Let a name lead to an element, once the DNS says that it is yours.

With --www the same name with www (or, of a name with www, the one without) is added too, and redirects to NAME
with status 308; --redirect-to does so for any other name. Each name has its own records and its own certificate.`
	c.Flags().StringVar(&n.Element, "element", "", "element that the name leads to (default: the only one with a public host)")
	c.Flags().StringVar(&n.RedirectTo, "redirect-to", "", "domain of the deployment to which requests are sent instead; path and query are kept")
	c.Flags().BoolVar(&www, "www", false, "add the name with www too, or without, and redirect it here")
	c.MarkFlagsMutuallyExclusive("redirect-to", "www")
	c.MarkFlagsMutuallyExclusive("redirect-to", "element")
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
	does := fmt.Sprintf("serves %s of %s", d.Element, d.Slug)
	if d.RedirectTo != "" {
		does = "redirects to " + d.RedirectTo
	}
	switch d.State {
	case berth.DomainServes:
		fmt.Fprintf(a.out, "%s leads here and %s.\n", d.URL, does)
	case berth.DomainLost:
		fmt.Fprintf(a.out, "%s.\nIt %s all the same, for whoever comes here.\n", sentence(d.Message), does)
	default:
		fmt.Fprintf(a.out, "%s.\n", sentence(d.Message))
		fmt.Fprintf(a.out, "%s %s as soon as it is proven, which is looked at by itself; berth domain check %s %s looks now.\n", shownName(d), does, d.Slug, d.Name)
	}
	return nil
}

func sentence(message string) string {
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + message[1:]
}

// shownName is a name as people write it, with the DNS's where that differs.
func shownName(d berth.Domain) string {
	if d.Unicode != "" {
		return d.Unicode + " (" + d.Name + ")"
	}
	return d.Name
}

var domainColours = map[berth.DomainState]colour{berth.DomainServes: green, berth.DomainWaits: yellow, berth.DomainLost: red}

func (a *app) domainRows(list []berth.Domain, indent string) (rows [][]cell) {
	for _, d := range list {
		leads, about := d.Element, a.certificateCell(d.Certificate)
		if d.RedirectTo != "" {
			leads = "→ " + d.RedirectTo
		}
		if d.Message != "" {
			about = cell{oneLine(d.Message), plain}
		}
		if !d.ExpiresAt.IsZero() {
			about.text += fmt.Sprintf("; given up in %s", age(d.ExpiresAt.Sub(a.now())))
		}
		rows = append(rows, []cell{{indent + shownName(d), plain}, {leads, plain}, {string(d.State), domainColours[d.State]}, about})
	}
	return rows
}
