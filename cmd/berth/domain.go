package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

// domainOf is whose domains a command is about: a deployment's, or with --project a whole project's.
type domainOf struct{ project string }

func (of *domainOf) flag(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&of.project, "project", "", "of this project: all names below it lead to its deployments")
	return c
}

// args are so many, the deployment included, which the flag takes the place of.
func (of *domainOf) args(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if of.project != "" {
			return cobra.ExactArgs(n-1)(cmd, args)
		}
		return cobra.ExactArgs(n)(cmd, args)
	}
}

// owner is what messages call it, and how a command says it.
func (of *domainOf) owner(args []string) (name, said string) {
	if of.project != "" {
		return "project " + of.project, "--project " + of.project
	}
	return args[0], args[0]
}

func (a *app) domainCommand() *cobra.Command {
	return branch("domain", "Names of your own that lead to a deployment, or to all of a project",
		a.domainAddCommand(), a.domainLsCommand(), a.domainCheckCommand(), a.domainRmCommand())
}

func (a *app) domainAddCommand() *cobra.Command {
	var n berth.NewDomain
	var www, asJSON bool
	var of domainOf
	c := jsonFlag(leaf("add {DEPLOYMENT | --project PROJECT} NAME", "Let a name lead to an element, once the DNS says that it is yours", of.args(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if of.project != "" {
				d, err := s.AddProjectDomain(ctx, of.project, args[0])
				if err != nil {
					return err
				}
				return a.printDomain(d, asJSON)
			}
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
with status 308; --redirect-to does so for any other name. Each name has its own records and its own certificate.

With --project all names one label below NAME lead to deployments of the project that are made from then on: each of
their hosts answers there, too, with the label that it has below the server's domain.`
	of.flag(c)
	c.Flags().StringVar(&n.Element, "element", "", "element that the name leads to (default: the only one with a public host)")
	c.Flags().StringVar(&n.RedirectTo, "redirect-to", "", "domain of the deployment to which requests are sent instead; path and query are kept")
	c.Flags().BoolVar(&www, "www", false, "add the name with www too, or without, and redirect it here")
	c.MarkFlagsMutuallyExclusive("redirect-to", "www")
	c.MarkFlagsMutuallyExclusive("redirect-to", "element")
	for _, flag := range []string{"element", "redirect-to", "www"} {
		c.MarkFlagsMutuallyExclusive("project", flag)
	}
	return a.onDeployment(c)
}

func (a *app) domainCheckCommand() *cobra.Command {
	var asJSON bool
	var of domainOf
	return of.flag(a.onDeployment(jsonFlag(leaf("check {DEPLOYMENT | --project PROJECT} NAME", "Look where the DNS leads a name now", of.args(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			check := func() (berth.Domain, error) { return s.CheckDomain(ctx, args[0], args[1]) }
			if of.project != "" {
				check = func() (berth.Domain, error) { return s.CheckProjectDomain(ctx, of.project, args[0]) }
			}
			d, err := check()
			if err != nil {
				return err
			}
			return a.printDomain(d, asJSON)
		})), &asJSON)))
}

func (a *app) domainLsCommand() *cobra.Command {
	var asJSON bool
	var of domainOf
	return of.flag(a.onDeployment(jsonFlag(leaf("ls {DEPLOYMENT | --project PROJECT}", "List the names of its own that lead to a deployment", of.args(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			read := func() ([]berth.Domain, error) { return s.Domains(ctx, args[0]) }
			if of.project != "" {
				read = func() ([]berth.Domain, error) { return s.ProjectDomains(ctx, of.project) }
			}
			list, err := read()
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(list)
			}
			if len(list) == 0 {
				name, said := of.owner(args)
				a.say("%s has no domain. berth domain add %s NAME adds one.", name, said)
				return nil
			}
			a.table(a.out, []string{"DOMAIN", "LEADS TO", "STATE", ""}, a.domainRows(list, ""))
			return nil
		})), &asJSON)))
}

func (a *app) domainRmCommand() *cobra.Command {
	var of domainOf
	return of.flag(a.onDeployment(leaf("rm {DEPLOYMENT | --project PROJECT} NAME", "End a domain at once", of.args(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			remove := func() error { return s.DeleteDomain(ctx, args[0], args[1]) }
			if of.project != "" {
				remove = func() error { return s.DeleteProjectDomain(ctx, of.project, args[0]) }
			}
			if err := remove(); err != nil {
				return err
			}
			name, _ := of.owner(args)
			fmt.Fprintf(a.out, "%s does not lead to %s any more.\n", args[len(args)-1], name)
			return nil
		}))))
}

func (a *app) printDomain(d berth.Domain, asJSON bool) error {
	if asJSON {
		return a.printJSON(d)
	}
	does, whose, name := fmt.Sprintf("serves %s of %s", d.Element, d.Slug), d.Slug, cmp.Or(d.URL, shownName(d))
	if parent, ok := d.Parent(); ok {
		does, whose = fmt.Sprintf("serves deployments of %s that are made from now on, as LABEL.%s", d.Project, parent), "--project "+d.Project
	}
	if d.RedirectTo != "" {
		does = "redirects to " + d.RedirectTo
	}
	switch d.State {
	case berth.DomainServes:
		fmt.Fprintf(a.out, "%s leads here and %s.\n", name, does)
	case berth.DomainLost:
		fmt.Fprintf(a.out, "%s.\nIt %s all the same, for whoever comes here.\n", sentence(d.Message), does)
	default:
		fmt.Fprintf(a.out, "%s.\n", sentence(d.Message))
		fmt.Fprintf(a.out, "%s %s as soon as it is proven, which is looked at by itself; berth domain check %s %s looks now.\n", shownName(d), does, whose, strings.TrimPrefix(d.Name, "*."))
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
		leads, about := cmp.Or(d.Element, "new deployments"), a.certificateCell(d.Certificate)
		if d.RedirectTo != "" {
			leads = "→ " + d.RedirectTo
		}
		if d.Below != "" {
			about.text = strings.TrimPrefix(about.text+", from the project's "+d.Below, ", ")
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
