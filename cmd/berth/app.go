package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/spf13/cobra"
)

// app is what every verb works with. Tests give it buffers, a clock and a service of their own.
type app struct {
	in       io.Reader
	out      io.Writer
	err      io.Writer
	env      func(name string) string
	config   string // directory of this person's configuration
	terminal terminal
	now      func() time.Time
	poll     time.Duration // between two looks at something that is awaited
	version  string

	connect func() (berth.Service, error)
	// answer asks a host for its first page, verified by the server's authority, and returns the status.
	// near is the server's address for whoever is on its machine.
	answer  func(ctx context.Context, url, ca, near string) (int, error)
	closing []func()
}

func newApp() *app {
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, config: configDir(),
		terminal: realTerminal(), now: time.Now, poll: 250 * time.Millisecond, version: version,
	}
	a.connect, a.answer = a.connectToServer, a.askHost
	return a
}

func configDir() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "/root/.config" // a service without HOME
	}
	return filepath.Join(dir, "berth")
}

func (a *app) close() {
	for _, f := range a.closing {
		f()
	}
}

// sockets are where a server on this machine may listen.
var sockets = []string{"/run/berth.sock", "/var/lib/berth/run/berth.sock"}

// connectToServer picks the server: what the environment says, else the one logged in to, else the one
// on this machine.
func (a *app) connectToServer() (berth.Service, error) {
	config, err := a.server()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config)
	if err != nil {
		return nil, err
	}
	a.closing = append(a.closing, c.Close)
	return c, nil
}

func (a *app) server() (client.Config, error) {
	if socket := a.env("BERTH_SOCKET"); socket != "" {
		return client.Config{Socket: socket}, nil
	}
	if url := a.env("BERTH_SERVER"); url != "" {
		return a.serverFromEnvironment(url)
	}
	stored, ok, err := a.credentials()
	if err != nil {
		return client.Config{}, err
	}
	if ok {
		return client.Config{URL: stored.URL, CA: stored.CA, Token: stored.Token}, nil
	}
	for _, socket := range sockets {
		if _, err := os.Stat(socket); err == nil {
			return client.Config{Socket: socket}, nil
		}
	}
	return client.Config{}, berth.Errorf(berth.EUnauthenticated,
		"there is no server to speak to: run berth login LINK with a link from berth login-link, or install one here with berth install (as root)")
}

// serverFromEnvironment is for CI, which has no place to keep a login.
func (a *app) serverFromEnvironment(url string) (client.Config, error) {
	config := client.Config{URL: url, Token: berth.NewSecret(a.env("BERTH_TOKEN"))}
	if file := a.env("BERTH_CA"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return config, fmt.Errorf("read BERTH_CA: %w", err)
		}
		config.CA = string(pem)
	}
	return config, nil
}

// verb is what a command does with a service.
type verb func(ctx context.Context, s berth.Service, args []string) error

// does connects and runs fn.
func (a *app) does(fn verb) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := a.connect()
		if err != nil {
			return err
		}
		return fn(cmd.Context(), s, args)
	}
}

// root is the tree of verbs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "berth",
		Short:         "Deployments of your applications, on your own machine",
		Version:       a.version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(
		&cobra.Group{ID: "projects", Title: "Projects and deployments:"},
		&cobra.Group{ID: "look", Title: "Looking:"},
		&cobra.Group{ID: "change", Title: "Changing:"},
		&cobra.Group{ID: "server", Title: "Server and persons:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("projects", a.upCommand(), a.projectCommand(), a.createCommand(), a.lsCommand(), a.deleteCommand())
	add("look", a.showCommand(), a.statusCommand(), a.waitCommand(), a.logsCommand(), a.eventsCommand(), a.execCommand(), a.sshCommand(), a.sshConfigCommand(),
		a.releasesCommand(), a.buildsCommand(), a.describeCommand(), a.planCommand(), a.mailCommand())
	add("change", a.deployCommand(), a.rollbackCommand(), a.promoteCommand(), a.branchCommand(), a.hookCommand(), a.hostCommand(), a.domainCommand(), a.applyCommand(), a.restartCommand(), a.stopCommand(), a.startCommand(), a.sleepCommand(), a.keepAwakeCommand(), a.renameCommand(), a.envCommand())
	add("server", a.loginCommand(), a.loginLinkCommand(), a.whoamiCommand(), a.passwdCommand(), a.loginsCommand(), a.userCommand(), a.memberCommand(), a.tokenCommand(), a.keyCommand(), a.gitCommand(), a.caCommand(), a.packageCommand(), a.volumeCommand(), a.registryCommand(), a.metricsCommand(), a.versionCommand())
	for _, c := range a.serverCommands() {
		add("server", c)
	}
	return root
}

// leaf is a command that does something.
func leaf(use, short string, args cobra.PositionalArgs, run func(*cobra.Command, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: run, ValidArgsFunction: cobra.NoFileCompletions}
}

// branch is a command that only has others.
func branch(use, short string, leaves ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(leaves...)
	return c
}

// onDeployment completes the first argument with the slugs there are.
func (a *app) onDeployment(c *cobra.Command) *cobra.Command {
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.complete(cmd.Context(), func(ctx context.Context, s berth.Service) (names []string, err error) {
			list, err := s.Deployments(ctx, "")
			for _, d := range list {
				names = append(names, d.Slug)
			}
			return names, err
		})
	}
	return c
}

// onProject completes the first argument with the projects there are.
func (a *app) onProject(c *cobra.Command) *cobra.Command {
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.complete(cmd.Context(), func(ctx context.Context, s berth.Service) (names []string, err error) {
			list, err := s.Projects(ctx)
			for _, p := range list {
				names = append(names, p.Name)
			}
			return names, err
		})
	}
	return c
}

func (a *app) complete(ctx context.Context, list func(context.Context, berth.Service) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	s, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	names, err := list(ctx, s)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
