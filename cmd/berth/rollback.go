package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) rollbackCommand() *cobra.Command {
	var wait waiting
	c := leaf("rollback DEPLOYMENT [REVISION]", "Go back to what served before, or to an earlier release", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			revision := 0
			if len(args) == 2 {
				var err error
				if revision, err = strconv.Atoi(args[1]); err != nil || revision < 1 {
					return berth.Errorf(berth.EInvalid, "%q is not the number of a release: berth releases %s lists them", args[1], args[0])
				}
			}
			r, err := s.Rollback(ctx, args[0], revision)
			if err != nil {
				return err
			}
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			return a.afterRelease(ctx, s, d, r.Revision, wait, fmt.Sprintf("Release %d of %s goes back to %s.", r.Revision, d.Slug, short(r.Commit)))
		}))
	wait.flags(c)
	return a.onDeployment(c)
}

func (a *app) promoteCommand() *cobra.Command {
	var wait waiting
	c := leaf("promote FROM TO", "Deploy to TO what FROM serves, with its images", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			r, err := s.Promote(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			d, err := s.Deployment(ctx, args[1])
			if err != nil {
				return err
			}
			return a.afterRelease(ctx, s, d, r.Revision, wait, fmt.Sprintf("Release %d of %s deploys %s, which %s serves.", r.Revision, d.Slug, short(r.Commit), args[0]))
		}))
	wait.flags(c)
	return a.onDeployment(c)
}
