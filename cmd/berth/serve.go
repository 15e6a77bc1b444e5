//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/daemon"
	"github.com/spf13/cobra"
)

// serverCommands are those that are no client: they run, or look after, a server on this machine.
func (a *app) serverCommands() []*cobra.Command {
	return []*cobra.Command{a.serveCommand(), a.installCommand(), a.upgradeCommand(), a.uninstallCommand(), a.doctorCommand()}
}

// The server idles for most of its life beside the applications that the machine is for: less
// garbage kept is worth the more frequent collections.
const heapGrowthPercent = 50

func (a *app) serveCommand() *cobra.Command {
	c := daemon.Config{Version: a.version}
	var environment string
	cmd := leaf("serve", "Run the server on this machine (as root)", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if err := readEnvironment(environment); err != nil {
			return err
		}
		c.Owner, c.SSHConnection = cmp.Or(a.env("SUDO_USER"), a.env("USER")), a.env("SSH_CONNECTION")
		c.Log = slog.New(slog.NewTextHandler(a.err, nil))
		if a.env("GOGC") == "" {
			debug.SetGCPercent(heapGrowthPercent)
		}
		return daemon.Run(cmd.Context(), c)
	})
	flags := cmd.Flags()
	flags.StringVar(&c.Data, "data", "", "directory of everything Berth keeps (default /var/lib/berth)")
	flags.StringVar(&c.Domain, "domain", "", "base domain of the deployments' hosts, to which *.DOMAIN leads here (default: as before; at first a name with this machine's address where others reach it, else "+daemon.DefaultDomain+")")
	flags.StringVar(&c.PublicIP, "public-ip", "", "address at which others reach this machine, for a base domain that leads there without any DNS record")
	flags.StringVar(&c.SSLIP, "sslip", "", "suffix of such a base domain (default sslip.io)")
	flags.StringArrayVar(&c.ACME.Directories, "acme-directory", nil, "issuer of public certificates, by the URL of its ACME directory; may be repeated, in order of preference; off: none (default: Let's Encrypt)")
	flags.StringVar(&c.ACME.Email, "acme-email", "", "where the issuer may write to")
	flags.StringVar(&c.ACME.Resolver, "acme-resolver", "", "name server, as HOST:PORT, that is asked whether a host leads here before an issuer is (default: the machine's)")
	flags.StringVar(&c.HTTP, "http", "", "address for HTTP (default :80)")
	flags.StringVar(&c.HTTPS, "https", "", "address for HTTPS (default :443)")
	flags.StringVar(&c.SSH, "ssh", "", "address for SSH (default :2222, and no SSH where somebody else has that)")
	flags.IntVar(&c.PublicHTTPS, "public-https", 0, "port at which others reach HTTPS, where a proxy passes it on (default: the one listened on)")
	flags.DurationVar(&c.Standby, "standby", time.Minute, "how long the release before stands by, to serve again at once, after a new one began to serve; 0: not at all")
	flags.DurationVar(&c.Idle, "idle", 4*time.Hour, "how long nobody may have used a development deployment before it goes to sleep, until something asks for it; 0: never")
	flags.DurationVar(&c.Drain, "drain", 5*time.Minute, "how long a WebSocket stays with an instance that was replaced, before it is closed with code 1001")
	flags.StringVar(&c.TrustedProxies, "trusted-proxies", "", "proxies in front of this server whose X-Forwarded headers are believed: how many there are, or their addresses and networks, with commas between them (default: none)")
	flags.StringVar(&c.Socket, "socket", "", "Unix socket of the commands on this machine (default DATA/run/berth.sock)")
	flags.StringVar(&c.Engine, "engine", "docker", "what runs the containers")
	flags.StringVar(&c.Docker, "docker", "", "Docker's socket (default: DOCKER_HOST, else /var/run/docker.sock)")
	flags.StringVar(&c.Agent, "agent", "", "the helper binary (default: berth-agent beside this one)")
	flags.StringVar(&c.Volumes, "volumes", "auto", "how to keep volumes from the first start on: directories, btrfs, xfs, or auto, which measures")
	flags.Int64Var(&c.BuildMemory, "build-memory", 0, "bytes that all builds together may use (default: half of the machine's)")
	flags.Int64Var(&c.BuildCache, "build-cache", 0, "bytes that the engine may keep for later builds, from whoever's builds; beyond them the least recently used goes (default: a fifth of its disk, at most 20 GB)")
	flags.StringVar(&environment, "environment", "", "file with settings of the environment, a NAME=VALUE a line: proxies, package mirrors, trust")
	return cmd
}

// readEnvironment puts a file's settings into the environment, where they are not set.
func readEnvironment(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read environment: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return berth.Errorf(berth.EInvalid, "%s has no setting in the line %q", file, name)
		}
	}
	return nil
}
