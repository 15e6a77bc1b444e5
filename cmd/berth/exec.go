package main

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) execCommand() *cobra.Command {
	var tty, noTTY, noStdin bool
	c := &cobra.Command{
		Use:   "exec DEPLOYMENT [ELEMENT] -- COMMAND [ARG…]",
		Short: "Run a command in a container; the exit code is the command's",
		Long: `Run a command in a container. ELEMENT is an element, by default the first component; ELEMENT.N is one of its instances.
The command gets a terminal where stdin and stdout are one; otherwise stdin, stdout and stderr are piped as they are.
The command is not a shell line: for one, run sh -c '…'.`,
		Args: cobra.MinimumNArgs(2),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		if dash < 1 || dash > 2 || dash == len(args) {
			return berth.Errorf(berth.EInvalid, "say which command to run, after --: berth exec DEPLOYMENT [ELEMENT] -- COMMAND")
		}
		s, err := a.connect()
		if err != nil {
			return err
		}
		x := berth.Exec{Element: optional(args[:dash], 1), Command: args[dash:], Stdin: a.in, Stdout: a.out, Stderr: a.err}
		if noStdin {
			x.Stdin = nil
		}
		x.TTY = tty || (!noTTY && !noStdin && a.terminal.in && a.terminal.out)
		return a.exec(cmd.Context(), s, args[0], x)
	}
	flags := c.Flags()
	flags.BoolVarP(&tty, "tty", "t", false, "give the command a terminal in any case")
	flags.BoolVarP(&noTTY, "no-tty", "T", false, "give the command no terminal")
	flags.BoolVarP(&noStdin, "no-stdin", "n", false, "give the command no input")
	c.MarkFlagsMutuallyExclusive("tty", "no-tty")
	return a.onDeployment(c)
}

func (a *app) exec(ctx context.Context, s berth.Service, ref string, x berth.Exec) error {
	if x.TTY && a.terminal.in {
		width, height, sizes, restore, err := rawTerminal(ctx)
		if err != nil {
			return err
		}
		defer restore()
		x.Width, x.Height, x.Resize = width, height, sizes
	}
	code, err := s.Exec(ctx, ref, x)
	if err != nil {
		return err
	}
	if code != 0 {
		return &exit{code: code}
	}
	return nil
}
