package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) deployCommand() *cobra.Command {
	var commit string
	var rebuild bool
	var wait waiting
	c := leaf("deploy DEPLOYMENT", "Deploy the branch's newest commit, or another one", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			deploy, says := func() (berth.Release, error) { return s.Deploy(ctx, args[0], commit) }, "Release %d of %s deploys %s."
			if rebuild {
				deploy, says = func() (berth.Release, error) { return s.Rebuild(ctx, args[0]) }, "Release %d of %s builds all images of %s anew."
			}
			r, err := deploy()
			if err != nil {
				return err
			}
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			return a.afterRelease(ctx, s, d, r.Revision, wait, fmt.Sprintf(says, r.Revision, d.Slug, short(r.Commit)))
		}))
	c.Flags().StringVar(&commit, "commit", "", "commit to deploy (default: the branch's newest, fetched first)")
	c.Flags().BoolVar(&rebuild, "rebuild", false, "build all images of the commit that runs anew, without any cache, upon what their base images are now")
	c.MarkFlagsMutuallyExclusive("commit", "rebuild")
	wait.flags(c)
	return a.onDeployment(c)
}

func (a *app) releasesCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("releases DEPLOYMENT", "List a deployment's releases, newest first", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Releases(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(orEmpty(list))
			}
			a.table(a.out, []string{"RELEASE", "STATE", "COMMIT", "WHY", "AGE", ""}, a.releaseRows(list, ""))
			return nil
		})), &asJSON))
}

var releaseColours = map[berth.ReleaseState]colour{berth.ReleaseServing: green, berth.ReleaseFailed: red, berth.ReleaseSuperseded: dim}

func (a *app) releaseRows(list []berth.Release, indent string) [][]cell {
	rows := make([][]cell, len(list))
	for i, r := range list {
		rows[i] = append([]cell{{fmt.Sprintf("%s%d", indent, r.Revision), plain}, {string(r.State), releaseColours[r.State]}},
			row(short(r.Commit), r.Cause, a.ago(r.CreatedAt), oneLine(r.Message))...)
	}
	return rows
}

var buildColours = map[berth.BuildState]colour{berth.BuildSucceeded: green, berth.BuildFailed: red, berth.BuildCancelled: dim}

func (a *app) buildsCommand() *cobra.Command {
	var asJSON bool
	c := jsonFlag(leaf("builds DEPLOYMENT", "List a deployment's builds, newest first", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Builds(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(orEmpty(list))
			}
			rows := make([][]cell, len(list))
			for i, b := range list {
				rows[i] = []cell{{string(b.ID), plain}, {b.Element, plain}, {short(b.Commit), plain}, {string(b.State), buildColours[b.State]},
					{took(b), plain}, {a.ago(b.CreatedAt), plain}, {oneLine(b.Message), plain}}
			}
			a.table(a.out, []string{"BUILD", "ELEMENT", "COMMIT", "STATE", "TOOK", "AGE", ""}, rows)
			return nil
		})), &asJSON)
	c = a.onDeployment(c)
	c.AddCommand(a.buildLogCommand(), a.buildCancelCommand())
	return c
}

func took(b berth.Build) string {
	if b.StartedAt.IsZero() || b.EndedAt.IsZero() {
		return "-"
	}
	return age(b.EndedAt.Sub(b.StartedAt))
}

func (a *app) buildLogCommand() *cobra.Command {
	var follow bool
	c := leaf("log DEPLOYMENT [BUILD]", "Print the log of a build (default: the newest)", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) (err error) {
			id := berth.ID(optional(args, 1))
			if id == "" {
				list, err := s.Builds(ctx, args[0])
				if err != nil {
					return err
				}
				if len(list) == 0 {
					return berth.Errorf(berth.ENotFound, "%s has no builds", args[0])
				}
				id = list[0].ID
			}
			log, err := s.BuildLog(ctx, args[0], id, follow)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, log.Close()) }()
			_, err = io.Copy(a.out, log)
			return err
		}))
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on while the build runs")
	return a.onDeployment(c)
}

func (a *app) buildCancelCommand() *cobra.Command {
	return a.onDeployment(leaf("cancel DEPLOYMENT BUILD", "End a build", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			return s.CancelBuild(ctx, args[0], berth.ID(args[1]))
		})))
}
