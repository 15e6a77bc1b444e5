package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("plan DEPLOYMENT", "Say what the working tree's diploi.yaml would add, change and remove", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			plan, err := s.Plan(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(plan)
			}
			if plan.Empty() {
				fmt.Fprintf(a.out, "Nothing to apply: %s runs what its diploi.yaml says.\n", args[0])
				return nil
			}
			a.printPlan(plan)
			a.say("berth apply %s does it.", args[0])
			return nil
		})), &asJSON))
}

func (a *app) applyCommand() *cobra.Command {
	var wait waiting
	c := leaf("apply DEPLOYMENT", "Carry out the working tree's diploi.yaml", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			done, err := s.Apply(ctx, args[0])
			if err != nil {
				return err
			}
			if done.Revision == 0 {
				fmt.Fprintf(a.out, "Nothing to apply: %s runs what its diploi.yaml says.\n", done.Slug)
				return nil
			}
			a.printPlan(done.Plan)
			return a.afterRelease(ctx, s, berth.Deployment{Slug: done.Slug}, done.Revision, wait, fmt.Sprintf("Applying in release %d.", done.Revision))
		}))
	wait.flags(c)
	return a.onDeployment(c)
}

func (a *app) printPlan(plan berth.Plan) {
	var rows [][]cell
	add := func(verb string, c colour, list []berth.Planned, note func(berth.Planned) string) {
		for _, one := range list {
			rows = append(rows, []cell{{verb, c}, {one.Element, plain}, {one.Package, dim}, {note(one), plain}})
		}
	}
	add("add", green, plan.Added, func(berth.Planned) string { return "" })
	add("change", yellow, plan.Changed, func(p berth.Planned) string { return strings.Join(p.Reasons, ", ") })
	add("remove", red, plan.Removed, func(berth.Planned) string { return "its volumes are kept" })
	a.table(a.out, nil, rows)
}
