//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/install"
	"github.com/spf13/cobra"
)

// placeFlags are those that say which installation a verb is about.
func (a *app) placeFlags(c *cobra.Command, o *install.Options) {
	o.Version, o.Log, o.Now = a.version, a.err, a.now
	o.Environ = os.LookupEnv
	c.Flags().StringVar(&o.Data, "data", a.env("BERTH_DATA"), "directory of everything Berth keeps (default BERTH_DATA, else PREFIX/var/lib/berth)")
	c.Flags().StringVar(&o.Root, "prefix", "/", "directory that stands for /: programs, unit and socket lie below it")
}

func (a *app) installCommand() *cobra.Command {
	var o install.Options
	var yes, planOnly bool
	c := leaf("install [-- SERVE-FLAGS…]", "Install Berth on this machine, or mend what is installed (as root)", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			o.Serve = args
		}
		return a.install(cmd.Context(), o, yes, planOnly)
	})
	c.Long = `Install Berth on this machine: Docker Engine where none answers, this program, its data directory, and the server, now and at every boot.
The machine is looked at first, what would be done is shown, and you are asked. Said again it mends what is missing and changes nothing else.`
	a.placeFlags(c, &o)
	c.Flags().StringVar(&o.Domain, "domain", "", "base domain of the deployments' hosts")
	c.Flags().StringVar(&o.HTTP, "http", "", "address for HTTP (default :80, or a free one)")
	c.Flags().StringVar(&o.HTTPS, "https", "", "address for HTTPS (default :443, or a free one)")
	c.Flags().StringVar(&o.SSH, "ssh", "", "address for SSH (default :2222, or a free one)")
	c.Flags().StringVar(&o.Docker, "docker", "", "Docker's socket (default: DOCKER_HOST, else /var/run/docker.sock)")
	c.Flags().BoolVar(&o.BehindProxy, "behind-proxy", false, "listen on loopback: another program has ports 80 and 443 and passes them on")
	c.Flags().StringVar(&o.Dist, "dist", "", "directory with the release's other files (default: where this program lies)")
	c.Flags().BoolVar(&planOnly, "plan", false, "only show what would be done")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) install(ctx context.Context, o install.Options, yes, planOnly bool) error {
	i, err := install.Prepare(ctx, o)
	if i != nil {
		a.printFindings(i.Findings, false)
	}
	if err != nil {
		return err
	}
	if i.Taken != "" && !o.BehindProxy {
		if i, err = a.choosePorts(ctx, o, i, yes || planOnly); err != nil {
			return err
		}
	}
	a.printSteps(i)
	if planOnly {
		return nil
	}
	if err := a.confirmed(yes || !pending(i), "Go on? [y/N] ", "y", "nothing was changed"); err != nil {
		return err
	}
	if err := i.Perform(ctx); err != nil {
		return err
	}
	return a.printInstalled(ctx, i)
}

// choosePorts lets a person say what becomes of ports that somebody else has.
func (a *app) choosePorts(ctx context.Context, o install.Options, i *install.Installation, silent bool) (*install.Installation, error) {
	fmt.Fprintln(a.out, i.Taken)
	if silent || !a.terminal.in {
		a.say("To put Berth behind what has them: --behind-proxy. Other addresses: --http, --https and --ssh.")
		return i, nil
	}
	answer, err := a.ask("Enter to go on with those, p to put Berth behind what has the ports, q to end: ")
	switch {
	case err != nil:
		return nil, err
	case answer == "q":
		return nil, &exit{exitFailed, "nothing was changed"}
	case answer == "p":
		o.BehindProxy = true
		return install.Prepare(ctx, o)
	}
	return i, nil
}

func pending(i *install.Installation) bool {
	for _, s := range i.Steps {
		if !s.Done {
			return true
		}
	}
	return false
}

func (a *app) printSteps(i *install.Installation) {
	for _, s := range i.Steps {
		if s.Done {
			fmt.Fprintln(a.out, a.paint(dim, "  done   "+s.What))
			continue
		}
		fmt.Fprintln(a.out, "  to do  "+s.What)
	}
}

// printInstalled says what a person needs next; the login link is the last line.
func (a *app) printInstalled(ctx context.Context, i *install.Installation) error {
	r, err := i.Result(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\nBerth serves at "+r.ServerURL)
	if r.Proxy != "" {
		fmt.Fprintln(a.out, r.Proxy)
	}
	if len(r.Boot) > 0 {
		fmt.Fprintln(a.out, "There is no systemd here: have these lines run as root at boot, by whatever starts programs on this machine.")
		for _, line := range r.Boot {
			fmt.Fprintln(a.out, "  "+line)
		}
	}
	fmt.Fprintln(a.out, "Log in once, within 15 minutes, with berth login and this link:")
	fmt.Fprintln(a.out, r.Link.Reveal())
	return nil
}

// ask reads a person's answer to a question.
func (a *app) ask(question string) (string, error) {
	fmt.Fprint(a.err, question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && line == "" {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// confirmed goes on only when a person says the word.
func (a *app) confirmed(yes bool, question, word, otherwise string) error {
	if yes {
		return nil
	}
	if !a.terminal.in {
		return berth.Errorf(berth.EInvalid, "this changes the machine: say --yes if you mean it")
	}
	answer, err := a.ask(question)
	if err != nil {
		return err
	}
	if answer != word {
		return &exit{exitFailed, otherwise}
	}
	return nil
}

func (a *app) upgradeCommand() *cobra.Command {
	var o install.Options
	c := leaf("upgrade FILE", "Put another version in the place of the installed one; one that is not healthy goes back by itself", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		from, to, err := install.Upgrade(cmd.Context(), o, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "Berth %s serves; it was %s.\n", to, from)
		return nil
	})
	a.placeFlags(c, &o)
	return c
}

func (a *app) uninstallCommand() *cobra.Command {
	var o install.Options
	var yes, keepData bool
	c := leaf("uninstall", "Remove Berth and what it made from this machine, and nothing else (as root)", cobra.NoArgs, func(cmd *cobra.Command, _ []string) (err error) {
		r, err := install.Uninstall(cmd.Context(), o, keepData)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		return a.uninstall(cmd.Context(), r, yes)
	})
	a.placeFlags(c, &o)
	c.Flags().BoolVar(&keepData, "keep-data", false, "leave volumes, database and key for a later install")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) uninstall(ctx context.Context, r *install.Removal, yes bool) error {
	rows := make([][]cell, len(r.Belongings))
	for n, b := range r.Belongings {
		rows[n] = row(b.Kind, size(b.Bytes), b.Name)
	}
	a.table(a.out, []string{"WHAT", "SIZE", "NAME"}, rows)
	for _, line := range r.Kept {
		fmt.Fprintln(a.out, line)
	}
	if err := a.confirmed(yes, "All of this goes for good. Type uninstall to go on: ", "uninstall", "nothing was removed"); err != nil {
		return err
	}
	told := len(r.Kept)
	proof, err := r.Perform(ctx)
	for _, line := range r.Kept[told:] {
		fmt.Fprintln(a.out, line)
	}
	if err != nil {
		return err
	}
	return a.printProof(proof)
}

func (a *app) printProof(p install.Proof) error {
	fmt.Fprintf(a.out, "\n%d of %d are gone.\n", p.Removed, p.Removed+len(p.Left))
	for _, c := range p.Others {
		fmt.Fprintf(a.out, "%ss of others: %d before, %d of them still there.\n", c.Kind, c.Before, c.After)
	}
	for _, b := range p.Left {
		fmt.Fprintf(a.out, "left: %s %s\n", b.Kind, b.Name)
	}
	if len(p.Left) > 0 {
		return &exit{exitFailed, "not everything is gone"}
	}
	return nil
}
