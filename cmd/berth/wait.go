package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

// waiting is whether and how long a verb waits for what it asked for.
type waiting struct {
	on      bool
	timeout time.Duration
}

func (w *waiting) flags(c *cobra.Command) {
	c.Flags().BoolVar(&w.on, "wait", false, "wait until it is done: exit 0 when it serves, 1 when it failed, 124 when time is up")
	c.Flags().DurationVar(&w.timeout, "timeout", 30*time.Minute, "how long --wait waits")
}

// newest is the revision that a verb just made.
func newest(d berth.Deployment) int {
	if len(d.Releases) == 0 {
		return 0
	}
	return d.Releases[0].Revision
}

// afterRelease ends a verb that made a release: with one line, or when it serves.
func (a *app) afterRelease(ctx context.Context, s berth.Service, d berth.Deployment, revision int, w waiting, done string) error {
	fmt.Fprintln(a.out, done)
	if !w.on {
		a.say("berth status %s --watch shows how far it is.", d.Slug)
		return nil
	}
	return a.waitForRelease(ctx, s, d.Slug, revision, w.timeout)
}

// errTimeout is why a wait ended that took too long.
var errTimeout = &exit{exitTimeout, "time is up; the work goes on"}

// until looks again and again until done says so. A server that does not answer for a while, because
// it is being restarted, is waited for as well.
func (a *app) until(ctx context.Context, timeout time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	for {
		ok, err := done(ctx)
		if ctx.Err() != nil && (err != nil || !ok) {
			return context.Cause(ctx)
		}
		if ok || (err != nil && berth.CodeOf(err) != berth.EUnavailable) {
			return err
		}
		select {
		case <-time.After(a.poll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waitForRelease prints what happens until the release serves or failed, and then its hosts.
func (a *app) waitForRelease(ctx context.Context, s berth.Service, ref string, revision int, timeout time.Duration) error {
	d, err := a.awaitRelease(ctx, s, ref, revision, timeout, a.progress())
	if err == nil {
		a.printHosts(d)
	}
	return err
}

// awaitRelease shows the progress of a release until it serves or failed.
func (a *app) awaitRelease(ctx context.Context, s berth.Service, ref string, revision int, timeout time.Duration, p *progress) (d berth.Deployment, err error) {
	err = a.until(ctx, timeout, func(ctx context.Context) (bool, error) {
		if d, err = s.Deployment(ctx, ref); err != nil {
			return false, err
		}
		r, err := findRelease(ctx, s, d, revision)
		if err != nil {
			return false, err
		}
		p.show(d, r)
		return settled(d, r)
	})
	return d, err
}

// settled says whether a release came to an end, and how.
func settled(d berth.Deployment, r berth.Release) (bool, error) {
	switch {
	case r.State == berth.ReleaseServing, r.State == berth.ReleaseSuperseded && !r.ServingAt.IsZero():
		return true, nil
	case r.State == berth.ReleaseSuperseded:
		return true, &exit{exitFailed, fmt.Sprintf("release %d was overtaken by a newer one before it served", r.Revision)}
	case r.State == berth.ReleaseFailed:
		return true, &exit{exitFailed, fmt.Sprintf("release %d failed: %s\nberth logs %s shows what its containers say, berth builds %s its builds.", r.Revision, r.Message, d.Slug, d.Slug)}
	case d.Phase == berth.PhaseStopped:
		return true, &exit{exitFailed, d.Slug + " is stopped, so the release waits: berth start " + d.Slug}
	case d.Phase == berth.PhaseDeleting:
		return true, &exit{exitFailed, d.Slug + " is being deleted"}
	}
	return false, nil
}

func findRelease(ctx context.Context, s berth.Service, d berth.Deployment, revision int) (berth.Release, error) {
	list := d.Releases
	for range 2 {
		for _, r := range list {
			if r.Revision == revision {
				return r, nil
			}
		}
		all, err := s.Releases(ctx, d.Slug) // it is no longer among the newest
		if err != nil {
			return berth.Release{}, err
		}
		list = all
	}
	return berth.Release{}, berth.Errorf(berth.ENotFound, "%s has no release %d", d.Slug, revision)
}

func (a *app) printHosts(d berth.Deployment) {
	if len(d.Hosts) == 0 {
		return
	}
	t, needed := a.tunnel(d.Hosts[0].URL)
	for _, h := range d.Hosts {
		if needed {
			h.URL = t.through(h.URL)
		}
		fmt.Fprintln(a.out, h.URL)
	}
	if needed {
		a.say("These names lead only to the server. Where you sit, keep this running:\n  %s", t.command)
	}
}

// progress prints one line per step, with the seconds since it began, and keeps how long each step took.
type progress struct {
	app      *app
	began    time.Time
	step     string
	since    time.Time // when the step began
	took     []stepTime
	elements map[string]string
}

// stepTime is how long a step took.
type stepTime struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

func (a *app) progress() *progress {
	return &progress{app: a, began: a.now(), elements: map[string]string{}}
}

// begin ends the step before, and prints the new one.
func (p *progress) begin(step string) {
	if step == p.step {
		return
	}
	now := p.app.now()
	p.endAt(now)
	p.step, p.since = step, now
	p.lineAt(now, step)
}

// end ends the present step.
func (p *progress) end() { p.endAt(p.app.now()) }

// endAt keeps how long the present step took.
func (p *progress) endAt(now time.Time) {
	if p.step != "" {
		p.took = append(p.took, stepTime{p.step, now.Sub(p.since).Seconds()})
	}
	p.step = ""
}

func (p *progress) show(d berth.Deployment, r berth.Release) {
	p.begin(stepOf(r))
	if r.State != berth.ReleaseStarting && r.State != berth.ReleaseServing {
		return // what is seen is of an older release
	}
	for _, e := range d.Elements {
		now := e.Identifier + ": " + oneLine(e.Message)
		if p.elements[e.Identifier] != now {
			p.elements[e.Identifier] = now
			p.line(now)
		}
	}
}

func (p *progress) line(text string) { p.lineAt(p.app.now(), text) }

func (p *progress) lineAt(now time.Time, text string) {
	p.app.say("%7.1fs  %s", now.Sub(p.began).Seconds(), clean(text))
}

func stepOf(r berth.Release) string {
	if r.Step != "" {
		return r.Step
	}
	switch r.State {
	case berth.ReleasePending:
		return "preparing"
	case berth.ReleaseServing:
		return fmt.Sprintf("release %d serves", r.Revision)
	}
	return string(r.State)
}

// awaitable are the phases that wait --for knows, and when there is nothing left.
var awaitable = []string{
	string(berth.PhasePending), string(berth.PhaseStarting), string(berth.PhaseRunning), string(berth.PhaseDegraded),
	string(berth.PhaseFailed), string(berth.PhaseSleeping), string(berth.PhaseStopped), string(berth.PhaseDeleting), "deleted",
}

func (a *app) waitCommand() *cobra.Command {
	var phase string
	var timeout time.Duration
	c := leaf("wait DEPLOYMENT", "Wait until a deployment is in a phase", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if !isAwaitable(phase) {
				return berth.Errorf(berth.EInvalid, "there is no phase %q: choose one of %s", phase, strings.Join(awaitable, ", "))
			}
			if phase == "deleted" {
				return a.waitGone(ctx, s, args[0], timeout)
			}
			return a.waitForPhase(ctx, s, args[0], berth.Phase(phase), timeout)
		}))
	c.Flags().StringVar(&phase, "for", string(berth.PhaseRunning), "phase to wait for: "+strings.Join(awaitable, ", "))
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait; exit 124 when time is up")
	return a.onDeployment(c)
}

func isAwaitable(phase string) bool {
	for _, p := range awaitable {
		if p == phase {
			return true
		}
	}
	return false
}

// waitForPhase gives up early only where the phase cannot come any more by itself.
func (a *app) waitForPhase(ctx context.Context, s berth.Service, ref string, phase berth.Phase, timeout time.Duration) error {
	began, last := a.now(), ""
	return a.until(ctx, timeout, func(ctx context.Context) (bool, error) {
		d, err := s.Deployment(ctx, ref)
		if err != nil {
			return false, err
		}
		if now := fmt.Sprintf("%s  %s", d.Phase, oneLine(d.Message)); now != last {
			last = now
			a.say("%7.1fs  %s", a.now().Sub(began).Seconds(), clean(strings.TrimSpace(now)))
		}
		switch {
		case d.Phase == phase:
			return true, nil
		case phase == berth.PhaseRunning && lost(d):
			return true, &exit{exitFailed, fmt.Sprintf("%s is %s: %s", d.Slug, d.Phase, d.Message)}
		}
		return false, nil
	})
}

// lost reports whether a deployment will not run without somebody's doing.
func lost(d berth.Deployment) bool {
	newestFailed := len(d.Releases) > 0 && d.Releases[0].State == berth.ReleaseFailed
	return d.Phase == berth.PhaseStopped || d.Phase == berth.PhaseDeleting || (d.Phase == berth.PhaseFailed && newestFailed)
}

func (a *app) waitGone(ctx context.Context, s berth.Service, ref string, timeout time.Duration) error {
	return a.until(ctx, timeout, func(ctx context.Context) (bool, error) {
		_, err := s.Deployment(ctx, ref)
		if berth.CodeOf(err) == berth.ENotFound {
			fmt.Fprintf(a.out, "%s is gone.\n", ref)
			return true, nil
		}
		return false, err
	})
}

func (a *app) statusCommand() *cobra.Command {
	var watch, asJSON bool
	c := jsonFlag(leaf("status [DEPLOYMENT]", "Say how a deployment and its elements are, or the server", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if len(args) == 0 {
				return a.serverStatus(ctx, s, asJSON)
			}
			if !watch {
				d, err := s.Deployment(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(shownOf(d))
				}
				fmt.Fprint(a.out, a.status(d))
				return nil
			}
			return a.watch(ctx, s, args[0])
		})), &asJSON)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on, printing what changes")
	c.MarkFlagsMutuallyExclusive("watch", "json")
	return a.onDeployment(c)
}

// watch prints the status whenever it changes, until it is interrupted or the deployment is gone.
func (a *app) watch(ctx context.Context, s berth.Service, ref string) error {
	const forEver = 10 * 365 * 24 * time.Hour
	last := ""
	return a.until(ctx, forEver, func(ctx context.Context) (bool, error) {
		d, err := s.Deployment(ctx, ref)
		if berth.CodeOf(err) == berth.ENotFound && last != "" {
			fmt.Fprintf(a.out, "%s is gone.\n", ref)
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if now := a.status(d); now != last {
			if a.terminal.out {
				fmt.Fprint(a.out, "\x1b[H\x1b[2J")
			} else if last != "" {
				fmt.Fprintln(a.out)
			}
			fmt.Fprint(a.out, now)
			last = now
		}
		return false, nil
	})
}

// status is a deployment's status tree.
func (a *app) status(d berth.Deployment) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s is %s\n", d.Slug, a.paint(phaseColours[d.Phase], string(d.Phase)))
	if d.Message != "" {
		fmt.Fprintf(&out, "%s\n", clean(strings.TrimSpace(d.Message)))
	}
	var rows [][]cell
	for _, e := range d.Elements {
		rows = append(rows, []cell{{"  " + string(e.Status), statusColours[e.Status]}, {e.Identifier, plain}, {e.Reason, plain}, {oneLine(e.Message), plain}})
		for _, i := range e.Instances {
			rows = append(rows, []cell{{"", plain}, {fmt.Sprintf("  %s.%d", e.Identifier, i.Slot), dim}, {string(i.State), dim}, {instanceNote(i), dim}})
		}
	}
	a.table(&out, nil, rows)
	return out.String()
}

func instanceNote(i berth.InstanceStatus) string {
	var notes []string
	if i.Run > 1 {
		notes = append(notes, fmt.Sprintf("run %d", i.Run))
	}
	if i.State == berth.InstanceExited {
		notes = append(notes, fmt.Sprintf("exit code %d", i.ExitCode))
	}
	if !i.Wanted {
		notes = append(notes, "of an older release")
	}
	return strings.Join(notes, ", ")
}
