package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/spf13/cobra"
)

// gitCommand makes git itself speak to the server.
func (a *app) gitCommand() *cobra.Command {
	return branch("git", "Let git clone from this server and push to it", a.gitSetupCommand(), a.gitCredentialCommand())
}

func (a *app) gitSetupCommand() *cobra.Command {
	return leaf("setup", "Tell git of this server: its certificate, and where your login is", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			config, err := a.login()
			if err != nil {
				return err
			}
			ca, err := a.keepCA(ctx, s)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find own binary: %w", err)
			}
			for _, setting := range [][2]string{
				{"http." + config.URL + ".sslCAInfo", ca},
				// git hands this to a shell, which reads the quotes.
				{"credential." + config.URL + ".helper", "!'" + strings.ReplaceAll(self, "'", `'\''`) + "' git credential"},
			} {
				if out, err := exec.CommandContext(ctx, "git", "config", "--global", "--replace-all", setting[0], setting[1]).CombinedOutput(); err != nil {
					return fmt.Errorf("git config: %w: %s", err, out)
				}
			}
			if a.env("GIT_SSL_CAINFO") != "" {
				a.say("GIT_SSL_CAINFO is set here and goes before what git was told: unset it, or git will not trust this server.")
			}
			fmt.Fprintf(a.out, "git knows %s now. A project's own repository is at %s/git/PROJECT.git.\n", config.URL, config.URL)
			return nil
		}))
}

// login is the one that git shall use.
func (a *app) login() (client.Config, error) {
	config, err := a.server()
	if err == nil && (config.URL == "" || config.Token.Empty()) {
		err = berth.Errorf(berth.EUnauthenticated, "git needs a login of your own, also on the server's machine: run berth login LINK with a link from berth login-link, without BERTH_SOCKET")
	}
	config.URL = strings.TrimSuffix(config.URL, "/")
	return config, err
}

// keepCA writes the server's authority, with those that the system trusts, to where git reads it.
func (a *app) keepCA(ctx context.Context, s berth.Service) (file string, err error) {
	pem, err := s.CA(ctx)
	if err != nil {
		return "", err
	}
	for _, bundle := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if system, err := os.ReadFile(bundle); err == nil { // a server with a public certificate
			pem = string(system) + "\n" + pem
			break
		}
	}
	file = filepath.Join(a.config, "git-ca.pem")
	if err := os.MkdirAll(a.config, 0o700); err != nil {
		return "", fmt.Errorf("make configuration directory: %w", err)
	}
	if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
		return "", fmt.Errorf("keep the server's authority: %w", err)
	}
	return file, nil
}

// gitCredentialCommand speaks git-credential(1): git asks with "get" and says what for on stdin.
func (a *app) gitCredentialCommand() *cobra.Command {
	c := leaf("credential get|store|erase", "Answer git, which asks for your login (git-credential)", cobra.ExactArgs(1),
		func(_ *cobra.Command, args []string) error {
			if args[0] != "get" {
				return nil // the login is kept by berth login
			}
			asked := map[string]string{}
			for lines := bufio.NewScanner(a.in); lines.Scan() && lines.Text() != ""; {
				name, value, _ := strings.Cut(lines.Text(), "=")
				asked[name] = value
			}
			config, err := a.login()
			if err != nil {
				return err
			}
			u, err := url.Parse(config.URL)
			if err != nil || asked["protocol"] != u.Scheme || asked["host"] != u.Host {
				return nil // it is not for this server: git asks elsewhere
			}
			fmt.Fprintf(a.out, "username=%s\npassword=%s\n", cmp.Or(asked["username"], "berth"), config.Token.Reveal())
			return nil
		})
	c.ValidArgs = []cobra.Completion{"get", "store", "erase"}
	return c
}
