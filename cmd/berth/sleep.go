package main

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) sleepCommand() *cobra.Command {
	var after string
	c := leaf("sleep DEPLOYMENT", "Put a deployment to sleep until something asks for it, or say when it sleeps by itself", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if after == "" {
				d, err := s.SleepDeployment(ctx, args[0])
				if err == nil {
					fmt.Fprintf(a.out, "%s sleeps. The next request, shell or command wakes it.\n", d.Slug)
				}
				return err
			}
			idle, err := idleTime(after)
			if err != nil {
				return err
			}
			d, err := s.ChangeRest(ctx, args[0], berth.ChangeRest{After: &idle})
			if err == nil {
				fmt.Fprintf(a.out, "%s %s\n", d.Slug, spokenAfter(idle))
			}
			return err
		}))
	c.Flags().StringVar(&after, "after", "", "how long nobody may have used it before it sleeps by itself: a time like 4h, never, or default")
	return a.onDeployment(c)
}

// idleTime reads a time of idleness.
func idleTime(text string) (time.Duration, error) {
	switch text {
	case "never":
		return berth.Never, nil
	case "default":
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, berth.Errorf(berth.EInvalid, "--after takes a time like 90m or 4h, never, or default, not %q", text)
	}
	return d, nil
}

func spokenAfter(idle time.Duration) string {
	switch idle {
	case berth.Never:
		return "does not go to sleep by itself."
	case 0:
		return "goes to sleep as the server says."
	}
	return fmt.Sprintf("goes to sleep after %s without use.", idle)
}

func (a *app) keepAwakeCommand() *cobra.Command {
	var length time.Duration
	c := leaf("keep-awake DEPLOYMENT", "Keep a deployment from going to sleep for a while", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.ChangeRest(ctx, args[0], berth.ChangeRest{Awake: &length})
			switch {
			case err != nil:
			case length == 0:
				fmt.Fprintf(a.out, "%s may go to sleep again.\n", d.Slug)
			default:
				fmt.Fprintf(a.out, "%s stays awake until %s.\n", d.Slug, clock(d.Rest.Awake))
			}
			return err
		}))
	c.Flags().DurationVar(&length, "for", 8*time.Hour, "how long from now; 0: no longer")
	return a.onDeployment(c)
}

// clock is a time of day on this machine, with the date of another day.
func clock(t time.Time) string {
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2 Jan 15:04")
}

// restRows say when a deployment goes to sleep.
func (a *app) restRows(d berth.Deployment) (rows [][]cell) {
	if d.Idle == nil || d.Idle.SleepsAt.IsZero() {
		return nil
	}
	return [][]cell{{{"sleeps", dim}, {fmt.Sprintf("at %s unless it is used (last %s ago: %s)", clock(d.Idle.SleepsAt), a.ago(d.Idle.Since), d.Idle.Last), plain}}}
}
