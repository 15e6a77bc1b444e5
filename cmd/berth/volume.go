package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) volumeCommand() *cobra.Command {
	return branch("volume", "Volumes, and what the server keeps them in",
		a.volumeLsCommand(), a.volumeRmCommand(), a.volumeStoreCommand(), a.volumeMigrateCommand())
}

func (a *app) volumeLsCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("ls DEPLOYMENT", "List a deployment's volumes, also those whose element is gone", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(orEmpty(d.Volumes))
			}
			a.table(a.out, []string{"ELEMENT", "VOLUME", "USED", ""}, volumeRows(d.Volumes, ""))
			return nil
		})), &asJSON))
}

// volumeRows are volumes in a table.
func volumeRows(volumes []berth.Volume, indent string) [][]cell {
	rows := make([][]cell, len(volumes))
	for i, v := range volumes {
		note := ""
		if v.Detached {
			note = "its element is gone; the data is kept"
		}
		used := size(v.UsedBytes)
		if v.SizeBytes > 0 {
			used += " of " + size(v.SizeBytes)
		}
		rows[i] = row(indent+cmp.Or(v.Element, "(all)"), v.Identifier, used, note)
	}
	return rows
}

func (a *app) volumeRmCommand() *cobra.Command {
	var yes bool
	c := leaf("rm DEPLOYMENT ELEMENT/VOLUME", "Delete a volume whose element is gone, with its data", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("the volume %s of %s", args[1], d.Slug), args[1]); err != nil {
				return err
			}
			if err := s.DeleteVolume(ctx, d.Slug, args[1]); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Deleted the volume %s of %s.\n", args[1], d.Slug)
			return nil
		}))
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return a.onDeployment(c)
}

func (a *app) volumeStoreCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("store", "Show what the server keeps volumes in, and why", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			store, err := s.Storage(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(store)
			}
			a.table(a.out, nil, storeRows(store))
			return nil
		})), &asJSON)
}

func storeRows(s berth.Storage) [][]cell {
	limits := "watched: an element whose volume is over its size is named, and stopped when the disk runs out"
	if s.HardLimits {
		limits = "enforced: nothing can be written beyond them"
	}
	rows := [][]cell{
		row("Kind", string(s.Kind)), row("Why", s.Why), row("Path", s.Path),
		row("Free", size(s.FreeBytes)+" of "+size(s.TotalBytes)), row("Limits", limits),
	}
	if s.Pool != "" {
		rows = append(rows, row("File", s.Pool))
	}
	if !s.MeasuredAt.IsZero() {
		rows = append(rows,
			row("Write price", fmt.Sprintf("%.2f times the machine's own file system", s.WritePrice)),
			row("Clone speed", fmt.Sprintf("%s in %.0f ms", size(s.CloneBytes), s.CloneSeconds*1000)))
	}
	if len(s.Left) > 0 {
		rows = append(rows, row("Still to move", strings.Join(s.Left, ", ")))
	}
	if s.Problem != "" {
		rows = append(rows, row("Problem", s.Problem))
	}
	return rows
}

func (a *app) volumeMigrateCommand() *cobra.Command {
	var to string
	var timeout time.Duration
	c := leaf("migrate", "Move all volumes to another kind of store, one deployment at a time", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			store, err := s.MigrateStorage(ctx, berth.StorageKind(to))
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "New volumes are kept in %s. %d deployments move there, one by one; each stands still meanwhile.\n", store.Kind, len(store.Left))
			return a.awaitMoved(ctx, s, store, timeout)
		}))
	c.Long = `Move all volumes to another kind of store, one deployment at a time: it stops, its volumes are copied and
compared, and it starts again. The server goes on by itself when this command or the server ends.`
	c.Flags().StringVar(&to, "to", "", "directories, btrfs or xfs (default: the one that measures best)")
	c.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait (default: until all have moved)")
	return c
}

// awaitMoved says which deployments have moved, until all have.
func (a *app) awaitMoved(ctx context.Context, s berth.Service, before berth.Storage, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, &exit{exitTimeout, "not all have moved yet; the server goes on"})
		defer cancel()
	}
	for len(before.Left) > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(a.poll):
		}
		now, err := s.Storage(ctx)
		if err != nil {
			return err
		}
		for _, slug := range before.Left {
			if !slices.Contains(now.Left, slug) {
				fmt.Fprintf(a.out, "%s has moved.\n", slug)
			}
		}
		if now.Problem != "" && now.Problem != before.Problem {
			a.say("%s %s", a.paint(yellow, "Note:"), clean(now.Problem))
		}
		before = now
	}
	return nil
}
