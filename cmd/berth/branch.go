package main

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) branchCommand() *cobra.Command {
	var wait waiting
	c := leaf("branch DEPLOYMENT [BRANCH]", "Show the branch that a deployment follows, or have it follow another", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				fmt.Fprintln(a.out, d.Branch)
				return nil
			}
			before := d.Branch
			if d, err = s.FollowBranch(ctx, args[0], args[1]); err != nil {
				return err
			}
			if d.Branch == before {
				fmt.Fprintf(a.out, "%s follows %s already.\n", d.Slug, d.Branch)
				return nil
			}
			revision := newestRevision(d)
			return a.afterRelease(ctx, s, d, revision, wait, fmt.Sprintf("%s follows %s now: release %d deploys it.", d.Slug, d.Branch, revision))
		}))
	wait.flags(c)
	return a.onDeployment(c)
}

func (a *app) projectProtectCommand() *cobra.Command {
	var off, asJSON bool
	c := jsonFlag(leaf("protect NAME BRANCH", "Have pushes neither rewrite nor delete a branch", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			p, err := s.ProtectBranch(ctx, args[0], args[1], !off)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(p)
			}
			if off {
				fmt.Fprintf(a.out, "Branch %s of %s is no longer protected.\n", args[1], p.Name)
			} else {
				fmt.Fprintf(a.out, "Branch %s of %s is protected: no push rewrites or deletes it.\n", args[1], p.Name)
			}
			return nil
		})), &asJSON)
	c.Flags().BoolVar(&off, "off", false, "let pushes do so again")
	return a.onProject(c)
}
