package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) projectConnectCommand() *cobra.Command {
	var token string
	var n berth.Connection
	var access accessWait
	c := leaf("connect NAME", "Say where a project's commits come from, or move to, or what opens it", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) (err error) {
			if n.GitToken, err = a.tokenFrom(token); err != nil {
				return err
			}
			p, err := s.ConnectProject(ctx, args[0], n)
			if err != nil {
				return err
			}
			if p, err = a.awaitAccess(ctx, s, p, access); err != nil {
				return err
			}
			if p.Access.Waiting == "" {
				fmt.Fprintf(a.out, "Project %s reads %s.\n", p.Name, p.GitURL)
			}
			return nil
		}))
	c.Flags().StringVar(&n.GitURL, "git", "", "URL of a Git repository; default: the one that it has")
	c.Flags().StringVar(&token, "token", "", "- reads from stdin a token that opens the repository over HTTPS")
	c.Flags().BoolVar(&n.AcceptHostKey, "accept-host-key", false, "expect from now on the SSH host key that the host shows now")
	access.flags(c)
	return a.onProject(c)
}

const maxToken = 64 << 10

// tokenFrom reads a token from stdin where the flag says so: on a command line others could read it.
func (a *app) tokenFrom(flag string) (berth.Secret, error) {
	switch flag {
	case "":
		return berth.Secret{}, nil
	case "-":
	default:
		return berth.Secret{}, berth.Errorf(berth.EInvalid, "other users and your shell's history see command lines: say --token - and give the token on stdin")
	}
	return a.secretFromStdin("token")
}

// secretFromStdin reads what is called by name in messages.
func (a *app) secretFromStdin(name string) (berth.Secret, error) {
	text, err := io.ReadAll(io.LimitReader(a.in, maxToken))
	if err != nil {
		return berth.Secret{}, fmt.Errorf("read %s: %w", name, err)
	}
	secret := trimNewline(string(text))
	if secret == "" {
		return berth.Secret{}, berth.Errorf(berth.EInvalid, "there is no %s on stdin", name)
	}
	return berth.NewSecret(secret), nil
}

// accessWait is whether and how long to wait for an origin that does not let Berth in yet.
type accessWait struct {
	off     bool
	timeout time.Duration
}

func (w *accessWait) flags(c *cobra.Command) {
	c.Flags().BoolVar(&w.off, "no-wait", false, "do not wait until a private repository accepts the deploy key")
	c.Flags().DurationVar(&w.timeout, "timeout", 30*time.Minute, "how long to wait for that; exit 124 when time is up")
}

// awaitAccess says what a project waits for, and goes on when Berth can read its origin. The server
// tries it also when nobody waits here.
func (a *app) awaitAccess(ctx context.Context, s berth.Service, p berth.Project, w accessWait) (berth.Project, error) {
	if p.Access.Waiting == "" {
		return p, nil
	}
	a.explainAccess(p)
	if w.off {
		return p, nil
	}
	a.say("Waiting until it is accepted. ^C leaves the project waiting.")
	began, last := a.now(), ""
	err := a.until(ctx, w.timeout, func(ctx context.Context) (bool, error) {
		now, err := s.Project(ctx, p.Name)
		if err != nil {
			return false, err
		}
		p = now
		if p.Access.Waiting != last {
			last = p.Access.Waiting
			a.say("%7.1fs  %s", a.now().Sub(began).Seconds(), clean(accessNote(p)))
		}
		if p.Access.Obstacle == berth.ObstacleHostKey || p.Access.Obstacle == berth.ObstacleDiverged {
			return true, &exit{exitFailed, p.Access.Waiting}
		}
		return p.Access.Waiting == "", nil
	})
	if err != nil {
		a.say("Project %s goes on by itself when the key is accepted; berth project show %s shows it.", p.Name, p.Name)
	}
	return p, err
}

func accessNote(p berth.Project) string {
	if p.Access.Waiting == "" {
		return p.GitURL + " lets Berth in"
	}
	return p.Access.Waiting
}

func (a *app) explainAccess(p berth.Project) {
	a.say("%s", clean(p.Access.Waiting))
	needs := "to read is all that it needs"
	if p.Access.MovesTo != "" {
		needs = "and let it write, until the history of this project is there"
	}
	a.say("\nBerth made this key for it. Add it %s; %s:\n\n  %s\n", clean(keyPlace(p)), needs, clean(p.Access.DeployKey))
	a.say("Or give a token: berth project connect %s --git https://… --token -", p.Name)
}

// keyPlace says where the deploy key is added.
func keyPlace(p berth.Project) string {
	if p.Access.KeyPage != "" {
		return "at " + p.Access.KeyPage
	}
	return "to the deploy keys (or access keys) of the repository " + p.Origin()
}

// accessRows show how a project reaches its origin, where that is not plain.
func accessRows(p berth.Project) (rows [][]cell) {
	if p.Access.MovesTo != "" {
		rows = append(rows, row("moves to", p.Access.MovesTo))
	}
	if p.Access.Waiting != "" {
		rows = append(rows, row("waits", p.Access.Waiting))
	}
	if p.Access.DeployKey != "" {
		rows = append(rows, row("deploy key", p.Access.DeployKey), row("added", keyPlace(p)))
	}
	return rows
}

// originRows show how a project and the host of its commits get on.
func (a *app) originRows(o *berth.OriginState) (rows [][]cell) {
	if o == nil {
		return nil
	}
	if !o.HeardAt.IsZero() {
		rows = append(rows, row("webhook", "last heard "+a.ago(o.HeardAt)+" ago"))
	}
	if o.MissedAt.After(o.HeardAt) {
		rows = append(rows, row("missed", "the webhook did not tell of what had moved "+a.ago(o.MissedAt)+" ago"))
	}
	if !o.PolledAt.IsZero() {
		rows = append(rows, row("looked at", a.ago(o.PolledAt)+" ago, next in "+age(max(0, o.NextPollAt.Sub(a.now())))))
	}
	if o.PollError != "" {
		rows = append(rows, row("unread", o.PollError))
	}
	if !o.ReportedAt.IsZero() {
		rows = append(rows, row("statuses", "last reported "+a.ago(o.ReportedAt)+" ago"))
	}
	if o.ReportError != "" {
		rows = append(rows, row("unreported", o.ReportError))
	}
	return rows
}
