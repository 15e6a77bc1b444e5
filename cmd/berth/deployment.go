package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) createCommand() *cobra.Command {
	var n berth.NewDeployment
	var size string
	var set []string
	var wait waiting
	c := leaf("create PROJECT", "Create a deployment of a project", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			n.Size = berth.Size(size)
			var err error
			if n.Set, err = parseSet(set); err != nil {
				return err
			}
			d, err := s.CreateDeployment(ctx, args[0], n)
			if err != nil {
				return err
			}
			return a.afterRelease(ctx, s, d, newest(d), wait, fmt.Sprintf("Created %s.", d.Slug))
		}))
	flags := c.Flags()
	flags.StringVar(&n.Name, "name", "", "what to call it")
	flags.StringVar(&n.Stage, "stage", "", "stage: development, staging, production, or those that the project declares (berth project show)")
	flags.StringVar(&n.Branch, "branch", "", "branch (default: the stage's, else the project's)")
	flags.StringVar(&size, "size", "", "size: S, M, L or XL (default: the stage's, else M)")
	flags.StringArrayVar(&set, "set", nil, "ELEMENT.KEY=VALUE, not for secrets; may be repeated")
	wait.flags(c)
	_ = c.MarkFlagRequired("name") // it exists
	_ = c.MarkFlagRequired("stage")
	_ = c.RegisterFlagCompletionFunc("stage", a.completeStage)
	return a.onProject(c)
}

// completeStage completes with the stages of the project that is the first argument.
func (a *app) completeStage(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(cmd.Context(), func(ctx context.Context, s berth.Service) (names []string, err error) {
		p, err := s.Project(ctx, args[0])
		for _, stage := range p.Stages {
			names = append(names, stage.Identifier)
		}
		return names, err
	})
}

func parseSet(set []string) (map[string]string, error) {
	values := make(map[string]string, len(set))
	for _, s := range set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || !strings.Contains(key, ".") {
			return nil, berth.Errorf(berth.EInvalid, "--set %q is not ELEMENT.KEY=VALUE", s)
		}
		values[key] = value
	}
	return values, nil
}

func (a *app) lsCommand() *cobra.Command {
	var asJSON bool
	return a.onProject(jsonFlag(leaf("ls [PROJECT]", "List deployments", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Deployments(ctx, optional(args, 0))
			if err != nil {
				return err
			}
			if asJSON {
				for i := range list {
					list[i].Hosts, list[i].SSH = orEmpty(list[i].Hosts), orEmpty(list[i].SSH)
				}
				return a.printJSON(orEmpty(list))
			}
			if len(list) == 0 {
				a.say("No deployments yet: berth create PROJECT --name NAME --stage STAGE makes one.")
				return nil
			}
			rows := make([][]cell, len(list))
			for i, d := range list {
				rows[i] = append(append(row(d.Slug, d.Project, d.Stage, d.Branch, short(d.Commit)), phaseCell(d.Phase)), row(a.ago(d.CreatedAt), firstURL(d))...)
			}
			a.table(a.out, []string{"DEPLOYMENT", "PROJECT", "STAGE", "BRANCH", "COMMIT", "PHASE", "AGE", "URL"}, rows)
			return nil
		})), &asJSON))
}

func firstURL(d berth.Deployment) string {
	if len(d.Hosts) == 0 {
		return ""
	}
	return d.Hosts[0].URL
}

// shown is a deployment as show --json has it: with every list, also an empty one.
type shown struct {
	berth.Deployment
	Elements []berth.ElementStatus `json:"elements"`
	Volumes  []berth.Volume        `json:"volumes"`
	Releases []berth.Release       `json:"releases"`
}

func shownOf(d berth.Deployment) shown {
	s := shown{Deployment: d, Elements: orEmpty(d.Elements), Volumes: orEmpty(d.Volumes), Releases: orEmpty(d.Releases)}
	s.Hosts, s.SSH = orEmpty(d.Hosts), orEmpty(d.SSH)
	for i := range s.Elements {
		s.Elements[i].Instances = orEmpty(s.Elements[i].Instances)
	}
	return s
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (a *app) showCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("show DEPLOYMENT", "Show a deployment with its hosts, elements, volumes and releases", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(shownOf(d))
			}
			a.printDeployment(d)
			return nil
		})), &asJSON))
}

func (a *app) printDeployment(d berth.Deployment) {
	about := [][]cell{
		{{"deployment", dim}, {d.Slug, bold}},
		{{"project", dim}, {d.Project, plain}},
		{{"stage", dim}, {fmt.Sprintf("%s (%s)", d.Stage, d.Kind), plain}},
		{{"branch", dim}, {fmt.Sprintf("%s at %s", d.Branch, short(d.Commit)), plain}},
		{{"size", dim}, {string(d.Size), plain}},
		{{"created", dim}, {a.ago(d.CreatedAt) + " ago", plain}},
		{{"phase", dim}, phaseCell(d.Phase)},
	}
	about = append(about, a.restRows(d)...)
	if d.Message != "" {
		about = append(about, row("", oneLine(d.Message)))
	}
	a.table(a.out, nil, about)
	a.section("Hosts (public)", len(d.Hosts))
	rows := [][]cell{}
	for _, h := range d.Hosts {
		cells := append(row("  "+h.Element, h.Identifier, h.URL), a.certificateCell(h.Certificate))
		if h.Protection != nil {
			cells = append(cells, protectionCell(h.Protection))
		}
		rows = append(rows, cells)
	}
	a.table(a.out, nil, rows)
	a.section("Domains", len(d.Domains))
	a.table(a.out, nil, a.domainRows(d.Domains, "  "))
	a.section("SSH", len(d.SSH))
	rows = rows[:0]
	for _, s := range d.SSH {
		rows = append(rows, row("  "+s.Element, s.Command))
	}
	a.table(a.out, nil, rows)
	a.section("Elements", len(d.Elements))
	a.printElements(d.Elements)
	a.section("Volumes", len(d.Volumes))
	a.table(a.out, nil, volumeRows(d.Volumes, "  "))
	a.section("Releases", len(d.Releases))
	a.table(a.out, nil, a.releaseRows(d.Releases, "  "))
}

func (a *app) section(title string, n int) {
	if n > 0 {
		fmt.Fprintf(a.out, "\n%s\n", a.paint(bold, title))
	}
}

func (a *app) printElements(elements []berth.ElementStatus) {
	var rows [][]cell
	for _, e := range elements {
		rows = append(rows, []cell{{"  " + string(e.Status), statusColours[e.Status]}, {e.Identifier, plain}, {string(e.Kind), dim}, {e.Reason, plain}, {oneLine(e.Message), plain}})
	}
	a.table(a.out, nil, rows)
}

func (a *app) stopCommand() *cobra.Command {
	return a.onDeployment(leaf("stop DEPLOYMENT", "Stop a deployment until it is started; its data stays", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.StopDeployment(ctx, args[0])
			if err == nil {
				fmt.Fprintf(a.out, "Stopped %s. berth start %s starts it again.\n", d.Slug, d.Slug)
			}
			return err
		})))
}

func (a *app) startCommand() *cobra.Command {
	var wait waiting
	var length time.Duration
	c := leaf("start DEPLOYMENT", "Start a stopped deployment", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.StartDeployment(ctx, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Started %s.\n", d.Slug)
			if length != 0 {
				if d, err = s.ChangeRest(ctx, d.Slug, berth.ChangeRest{For: &length}); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "It goes to sleep at %s.\n", clock(d.Rest.Until))
			}
			if !wait.on {
				return nil
			}
			return a.waitForPhase(ctx, s, d.Slug, berth.PhaseRunning, wait.timeout)
		}))
	wait.flags(c)
	c.Flags().DurationVar(&length, "for", 0, "how long until it goes to sleep, as soon as nobody works in it (default: when nobody uses it)")
	return a.onDeployment(c)
}

func (a *app) restartCommand() *cobra.Command {
	var wait waiting
	c := leaf("restart DEPLOYMENT [ELEMENT]", "Replace the instances of an element, or of all components", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.RestartElement(ctx, args[0], optional(args, 1))
			if err != nil {
				return err
			}
			return a.afterRelease(ctx, s, d, newest(d), wait, fmt.Sprintf("Restarting %s.", d.Slug))
		}))
	wait.flags(c)
	return a.onDeployment(c)
}

func (a *app) renameCommand() *cobra.Command {
	return a.onDeployment(leaf("rename DEPLOYMENT NAME", "Rename a deployment; slug and hosts stay", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.RenameDeployment(ctx, args[0], args[1])
			if err == nil {
				fmt.Fprintf(a.out, "%s is now named %s.\n", d.Slug, d.Name)
			}
			return err
		})))
}

func (a *app) describeCommand() *cobra.Command {
	return a.onDeployment(leaf("describe DEPLOYMENT [ELEMENT]", "Print what the engine was given, secrets masked", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			text, err := s.Describe(ctx, args[0], optional(args, 1))
			fmt.Fprint(a.out, text)
			return err
		})))
}

func (a *app) deleteCommand() *cobra.Command {
	var yes bool
	var wait waiting
	c := leaf("delete DEPLOYMENT", "Delete a deployment with all its data", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			d, err := s.Deployment(ctx, args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("%s with its %d volumes", d.Slug, len(d.Volumes)), d.Slug); err != nil {
				return err
			}
			if err := s.DeleteDeployment(ctx, d.Slug); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Deleting %s.\n", d.Slug)
			if !wait.on {
				return nil
			}
			return a.waitGone(ctx, s, d.Slug, wait.timeout)
		}))
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	wait.flags(c)
	return a.onDeployment(c)
}

// confirm asks for the name of what goes: data that goes does not come back.
func (a *app) confirm(yes bool, what, name string) error {
	if yes {
		return nil
	}
	if !a.terminal.in {
		return berth.Errorf(berth.EInvalid, "deleting %s deletes its data too: say --yes if you mean it", name)
	}
	fmt.Fprintf(a.err, "This deletes %s for good. Type %s to go on: ", what, name)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if strings.TrimSpace(line) != name {
		return &exit{exitFailed, "nothing was deleted"}
	}
	if err != nil && line == "" {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
