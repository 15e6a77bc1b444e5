package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) envCommand() *cobra.Command {
	return branch("env", "Parameters of a deployment, or of all of a project", a.envLsCommand(), a.envSetCommand(), a.envUnsetCommand(), a.envExportCommand())
}

// envOf is whose parameters a command is about: an element's of a deployment, or a project's own.
type envOf struct{ project string }

func (of *envOf) flag(c *cobra.Command) {
	c.Flags().StringVar(&of.project, "project", "", "of all elements of all deployments of this project")
}

// args checks the arguments with those that say whose the parameters are, and without.
func (of *envOf) args(with, without cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if of.project != "" {
			return without(cmd, args)
		}
		return with(cmd, args)
	}
}

// split takes from the arguments what says whose the parameters are.
func (of *envOf) split(args []string) (ref, element string, rest []string) {
	if of.project != "" {
		return "", "", args
	}
	return args[0], optional(args, 1), args[min(2, len(args)):]
}

func (of *envOf) list(ctx context.Context, s berth.Service, ref, element string) ([]berth.Parameter, error) {
	if of.project != "" {
		return s.SharedEnvironment(ctx, of.project)
	}
	return s.Environment(ctx, ref, element)
}

// name is what messages call it.
func (of *envOf) name(element string) string {
	if of.project != "" {
		return "project " + of.project
	}
	return element
}

// followed is what a change leads to.
func (of *envOf) followed() string {
	if of.project != "" {
		return "a new release of each deployment is on its way"
	}
	return "a new release is on its way"
}

func (a *app) envLsCommand() *cobra.Command {
	var asJSON bool
	var of envOf
	c := a.onDeployment(jsonFlag(leaf("ls DEPLOYMENT [ELEMENT] | --project PROJECT", "List parameters with their origin; secrets are not shown",
		of.args(cobra.RangeArgs(1, 2), cobra.NoArgs),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			ref, element, _ := of.split(args)
			list, err := of.list(ctx, s, ref, element)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(orEmpty(list))
			}
			rows := make([][]cell, len(list))
			for i, p := range list {
				value := cell{oneLine(p.Value), plain}
				if p.Secret {
					value = cell{"•••", dim}
				}
				rows[i] = []cell{{cmp.Or(p.Element, "(all)"), plain}, {p.Name, plain}, value, {string(p.Origin), dim}}
			}
			a.table(a.out, []string{"ELEMENT", "NAME", "VALUE", "ORIGIN"}, rows)
			return nil
		})), &asJSON))
	of.flag(c)
	return c
}

func (a *app) envUnsetCommand() *cobra.Command {
	var of envOf
	c := a.onDeployment(leaf("unset {DEPLOYMENT ELEMENT | --project PROJECT} NAME…", "Take values back: what gave them before gives them again",
		of.args(cobra.MinimumNArgs(3), cobra.MinimumNArgs(1)),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			ref, element, names := of.split(args)
			unset := func() error { return s.UnsetEnvironment(ctx, ref, element, names) }
			if of.project != "" {
				unset = func() error { return s.UnsetSharedEnvironment(ctx, of.project, names) }
			}
			if err := unset(); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Unset %s of %s; %s.\n", strings.Join(names, ", "), of.name(element), of.followed())
			return nil
		})))
	of.flag(c)
	return c
}

func (a *app) envSetCommand() *cobra.Command {
	var of envOf
	var from string
	var plainOnly bool
	c := leaf("set {DEPLOYMENT ELEMENT | --project PROJECT} [KEY=VALUE | KEY | KEY=- | KEY=@FILE]…", "Give parameters values, in one release",
		of.args(cobra.MinimumNArgs(2), cobra.ArbitraryArgs),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			ref, element, items := of.split(args)
			present, err := of.list(ctx, s, ref, element)
			if err != nil {
				return err
			}
			in := &envInput{app: a, plain: plainOnly, secret: map[string]bool{}, values: map[string]string{}, secrets: map[string]berth.Secret{}}
			for _, p := range present {
				in.secret[p.Name] = p.Secret
			}
			if err := in.read(items, from); err != nil {
				return err
			}
			set := func() error { return s.SetEnvironment(ctx, ref, element, in.values, in.secrets) }
			if of.project != "" {
				set = func() error { return s.SetSharedEnvironment(ctx, of.project, in.values, in.secrets) }
			}
			if err := set(); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Set %d of %s; %s.\n", len(in.values)+len(in.secrets), of.name(element), of.followed())
			return nil
		}))
	c.Long = `Give parameters values, in one release.

  KEY=VALUE     a plain value; not for secrets, because other users and your shell's history see command lines
  KEY           asks for a secret without showing it
  KEY=-         reads a secret from stdin
  KEY=@FILE     reads a secret from a file
  --from FILE   reads KEY=VALUE lines, all of them secrets

With --plain the values are stored where people who may read the deployment can see them, except those of
parameters that the stack calls secrets. With --project the values are for all elements of all deployments of
the project; what is set for a deployment goes before them.`
	c.Flags().StringVar(&from, "from", "", "file of KEY=VALUE lines, like .env; - is stdin")
	c.Flags().BoolVar(&plainOnly, "plain", false, "store as plain values, whatever the names look like")
	of.flag(c)
	return a.onDeployment(c)
}

// envInput is the values of one env set.
type envInput struct {
	app    *app
	plain  bool
	secret map[string]bool // what the stack says of parameters
	stdin  bool            // has been read

	values  map[string]string
	secrets map[string]berth.Secret
}

func (in *envInput) read(items []string, from string) error {
	if from != "" {
		if err := in.readFile(from); err != nil {
			return err
		}
	}
	for _, item := range items {
		if err := in.readItem(item); err != nil {
			return err
		}
	}
	if len(in.values)+len(in.secrets) == 0 {
		return berth.Errorf(berth.EInvalid, "there is nothing to set: give KEY=VALUE, KEY, KEY=-, KEY=@FILE or --from FILE")
	}
	return nil
}

func (in *envInput) readItem(item string) error {
	name, value, given := strings.Cut(item, "=")
	switch {
	case !given:
		return in.prompt(name)
	case value == "-":
		text, err := in.readStdin()
		return in.keep(name, text, err)
	case strings.HasPrefix(value, "@"):
		text, err := os.ReadFile(value[1:])
		return in.keep(name, trimNewline(string(text)), err)
	case in.secret[name] && !in.plain:
		return berth.Errorf(berth.EInvalid, "%s is a secret: other users and your shell's history see command lines. Give %s to be asked for it, %s=- for stdin or %s=@FILE", name, name, name, name)
	case berth.LooksSecret(name) && !in.plain:
		return berth.Errorf(berth.EInvalid, "%s looks like a secret, and other users and your shell's history see command lines. Give %s to be asked for it, %s=- for stdin or %s=@FILE; or --plain if it is none", name, name, name, name)
	}
	in.values[name] = value
	return nil
}

func (in *envInput) prompt(name string) error {
	if !in.app.terminal.in {
		return berth.Errorf(berth.EInvalid, "there is no terminal to ask for %s: give %s=- and the value on stdin, or %s=@FILE", name, name, name)
	}
	text, err := in.app.askHidden(name)
	return in.keep(name, text, err)
}

// keep stores what did not come over the command line: as a secret, unless somebody said that it is none.
func (in *envInput) keep(name, value string, err error) error {
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if in.plain && !in.secret[name] {
		in.values[name] = value
	} else {
		in.secrets[name] = berth.NewSecret(value)
	}
	return nil
}

func (in *envInput) readStdin() (string, error) {
	if in.stdin {
		return "", berth.Errorf(berth.EInvalid, "only one value can come from stdin")
	}
	in.stdin = true
	text, err := io.ReadAll(io.LimitReader(in.app.in, berth.MaxValue*16))
	return trimNewline(string(text)), err
}

func trimNewline(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

func (in *envInput) readFile(name string) error {
	text, err := "", error(nil)
	if name == "-" {
		text, err = in.readStdin()
	} else {
		var content []byte
		content, err = os.ReadFile(name)
		text = string(content)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	pairs, err := parseDotenv(name, text)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if err := in.keep(p[0], p[1], nil); err != nil {
			return err
		}
	}
	return nil
}
