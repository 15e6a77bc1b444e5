package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

// sshFlags are those of ssh(1) that are passed on as they are.
type sshFlags struct {
	identity        string
	local, remote   []string
	dynamic, option []string
	agent, tty      bool
	noCommand       bool
}

func (f *sshFlags) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&f.identity, "identity", "i", "", "file of the key to log in with (default: as ssh finds it)")
	flags.StringArrayVarP(&f.local, "local", "L", nil, "[HERE:]PORT:HOST:PORT, a port here that leads to one inside; may be repeated")
	flags.StringArrayVarP(&f.remote, "remote", "R", nil, "[THERE:]PORT:HOST:PORT, a port inside that leads to one here; may be repeated")
	flags.StringArrayVarP(&f.dynamic, "dynamic", "D", nil, "PORT, a SOCKS proxy here that leads inside; may be repeated")
	flags.StringArrayVarP(&f.option, "option", "o", nil, "NAME=VALUE, as in ssh_config(5); may be repeated")
	flags.BoolVarP(&f.agent, "agent", "A", false, "forward your SSH agent")
	flags.BoolVarP(&f.tty, "tty", "t", false, "give the command a terminal")
	flags.BoolVarP(&f.noCommand, "no-command", "N", false, "run nothing, only forward")
}

// args are the same for ssh.
func (f *sshFlags) args() (args []string) {
	if f.identity != "" {
		args = append(args, "-i", f.identity)
	}
	for flag, values := range map[string][]string{"-L": f.local, "-R": f.remote, "-D": f.dynamic, "-o": f.option} {
		for _, v := range values {
			args = append(args, flag, v)
		}
	}
	for flag, on := range map[string]bool{"-A": f.agent, "-t": f.tty, "-N": f.noCommand} {
		if on {
			args = append(args, flag)
		}
	}
	return args
}

func (a *app) sshCommand() *cobra.Command {
	var flags sshFlags
	c := &cobra.Command{
		Use:   "ssh DEPLOYMENT [ELEMENT] [-- COMMAND…]",
		Short: "Open a shell by your own SSH client; the server's keys are verified",
		Long: `Open a shell, or run a command, by the ssh of this machine. ELEMENT is an element, by default the first component;
ELEMENT.N is one of its instances. One COMMAND is a line for the shell there; several are a program and its arguments.
Your public key must be known to the server: berth key add. Other programs reach the same by berth ssh-config.`,
		Args: cobra.MinimumNArgs(1),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		command := []string(nil)
		if dash := cmd.ArgsLenAtDash(); dash >= 0 {
			args, command = args[:dash], args[dash:]
		}
		if len(args) < 1 || len(args) > 2 {
			return berth.Errorf(berth.EInvalid, "say berth ssh DEPLOYMENT [ELEMENT] [-- COMMAND]")
		}
		s, err := a.connect()
		if err != nil {
			return err
		}
		return a.ssh(cmd.Context(), s, args[0], optional(args, 1), flags, command)
	}
	flags.flags(c)
	return a.onDeployment(c)
}

func (a *app) ssh(ctx context.Context, s berth.Service, ref, element string, flags sshFlags, command []string) error {
	server, err := sshServer(ctx, s)
	if err != nil {
		return err
	}
	d, err := s.Deployment(ctx, ref)
	if err != nil {
		return err
	}
	if err := hasKey(ctx, s); err != nil {
		return err
	}
	known, err := a.knownHosts(server)
	if err != nil {
		return err
	}
	args := append(flags.args(), "-p", strconv.Itoa(server.Port), "-l", sshUser(d.Slug, element), "-o", "UserKnownHostsFile="+quotedPath(known),
		"-o", "StrictHostKeyChecking=yes", "-o", "ServerAliveInterval=15", "--", server.Host)
	return a.runSSH(append(args, shellLine(command)...))
}

// runSSH waits for ssh, which has the terminal and hears ^C itself.
func (a *app) runSSH(args []string) error {
	cmd := exec.Command("ssh", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) && failed.ExitCode() > 0 {
		return &exit{code: failed.ExitCode()}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return berth.Errorf(berth.EUnavailable, "there is no ssh on this machine: install OpenSSH's client, or use berth exec")
	}
	if err != nil {
		return fmt.Errorf("run ssh: %w", err)
	}
	return nil
}

// sshServer is where the server answers SSH.
func sshServer(ctx context.Context, s berth.Service) (berth.SSHServer, error) {
	who, err := s.Whoami(ctx)
	if err == nil && who.SSH.Host == "" {
		err = berth.Errorf(berth.EUnavailable, "this server answers no SSH: another program has its port; berth serve --ssh chooses another")
	}
	return who.SSH, err
}

func hasKey(ctx context.Context, s berth.Service) error {
	keys, err := s.Keys(ctx, "")
	if err == nil && len(keys) == 0 {
		err = berth.Errorf(berth.EForbidden, "the server knows no SSH key of yours: berth key add laptop ~/.ssh/id_ed25519.pub (ssh-keygen -t ed25519 makes one)")
	}
	return err
}

// sshUser is the user name that leads to an element, or with "" to the one where people land.
func sshUser(slug, element string) string {
	if element == "" {
		return slug
	}
	return slug + "." + element
}

// shellLine is what ssh sends: one word as the line that it is, several quoted, so that each stays one there.
func shellLine(command []string) []string {
	if len(command) < 2 {
		return command
	}
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return []string{strings.Join(quoted, " ")}
}

// knownHosts writes what ssh verifies the server by, as it was told over a verified connection.
func (a *app) knownHosts(server berth.SSHServer) (file string, err error) {
	var text strings.Builder
	for _, key := range server.HostKeys {
		fmt.Fprintf(&text, "%s %s\n", knownHost(server), key)
	}
	file = filepath.Join(a.config, "known_hosts")
	if err := replacePrivate(file, []byte(text.String())); err != nil {
		return "", fmt.Errorf("write the server's host keys: %w", err)
	}
	return file, nil
}

func knownHost(server berth.SSHServer) string {
	if server.Port == 22 {
		return server.Host
	}
	return fmt.Sprintf("[%s]:%d", server.Host, server.Port)
}

// quotedPath is a path as a value of ssh_config(5).
func quotedPath(path string) string {
	return `"` + strings.ReplaceAll(filepath.ToSlash(path), "%", "%%") + `"`
}

func (a *app) sshConfigCommand() *cobra.Command {
	var file, identity string
	c := leaf("ssh-config", "Write a file of SSH hosts for IDEs and other programs, one per element", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			server, err := sshServer(ctx, s)
			if err != nil {
				return err
			}
			list, err := s.Deployments(ctx, "")
			if err != nil {
				return err
			}
			known, err := a.knownHosts(server)
			if err != nil {
				return err
			}
			text := sshConfig(server, list, known, identity)
			if file == "-" {
				fmt.Fprint(a.out, text)
				return nil
			}
			home, err := a.home()
			if err != nil {
				return err
			}
			return a.writeSSHConfig(home, file, text)
		}))
	c.Long = `Write ~/.ssh/berth_config with a host DEPLOYMENT.berth, and ELEMENT.DEPLOYMENT.berth, for every deployment that there is.
~/.ssh/config is not touched: put the line that is printed there, at its top, once. Say this again for new deployments.`
	c.Flags().StringVar(&file, "file", "", "another file, or - for stdout (default ~/.ssh/berth_config)")
	c.Flags().StringVarP(&identity, "identity", "i", "", "file of the key to log in with, and no other (default: as ssh finds it)")
	return c
}

func (a *app) home() (string, error) {
	if home := a.env("HOME"); home != "" {
		return home, nil
	}
	return os.UserHomeDir()
}

func (a *app) writeSSHConfig(home, file, text string) error {
	path := file
	if path == "" {
		path = filepath.Join(home, ".ssh", "berth_config")
	}
	if err := replacePrivate(path, []byte(text)); err != nil {
		return fmt.Errorf("write SSH configuration: %w", err)
	}
	fmt.Fprintf(a.out, "Wrote %s.\n", path)
	line := "Include " + quotedPath(path)
	if file == "" {
		line = "Include berth_config"
	}
	own, _ := os.ReadFile(filepath.Join(home, ".ssh", "config")) // that it is not there is as good as empty
	if !strings.Contains(string(own), line) {
		fmt.Fprintf(a.out, "Put this line at the top of ~/.ssh/config:\n%s\n", line)
	}
	return nil
}

// sshConfig is the text of a file for ssh_config(5). Every deployment's host is named: programs show what is.
func sshConfig(server berth.SSHServer, list []berth.Deployment, known, identity string) string {
	var b strings.Builder
	b.WriteString("# Written by berth ssh-config, which writes it anew each time.\n")
	host := func(name, user string) { fmt.Fprintf(&b, "\nHost %s.berth\n  User %s\n", name, user) }
	host("git", "git")
	for _, d := range list {
		for i, c := range d.SSH {
			if i == 0 {
				host(d.Slug, d.Slug)
			}
			host(c.Element+"."+d.Slug, sshUser(d.Slug, c.Element))
		}
	}
	fmt.Fprintf(&b, "\nHost *.berth\n  HostName %s\n  Port %d\n  HostKeyAlias %s\n  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n", server.Host, server.Port, knownHost(server), quotedPath(known))
	if identity != "" {
		fmt.Fprintf(&b, "  IdentityFile %s\n  IdentitiesOnly yes\n", quotedPath(identity))
	}
	b.WriteString("  ServerAliveInterval 15\n  ServerAliveCountMax 4\n")
	return b.String()
}
