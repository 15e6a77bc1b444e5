package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	pushGrace   = 2 * time.Second // that Berth may take beyond plain Docker
	pushImage   = "berth-bench-push"
	pushTimeout = 3 * time.Minute
)

// pushFiles is an application whose dependencies are installed in a layer of their own, which both sides have
// in their cache.
var pushFiles = map[string]string{
	"diploi.yaml":       "diploiVersion: v1.0\ncomponents:\n  - identifier: web\n    package: dockerfile\n    folder: /\n",
	"package.json":      `{"name": "web", "version": "1.0.0", "private": true}`,
	"package-lock.json": `{"name": "web", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "web", "version": "1.0.0"}}}`,
	"server.js":         "const text = require('node:fs').readFileSync('edition.txt')\nconst server = require('node:http').createServer((_, a) => a.end(text))\nserver.listen(3000)\nprocess.on('SIGTERM', () => process.exit(0))\n",
	"edition.txt":       "edition 0",
}

// pushDockerfile is the same for both; Berth puts its own image of Node in the place of the registry's, and the rival
// names that.
const pushDockerfile = "FROM %s\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\nEXPOSE 3000\nCMD [\"node\", \"server.js\"]\n"

// pushing measures from git push to the new version serving, against docker build and docker run of the same.
func (b *bench) pushing(ctx context.Context) (rows []row, err error) {
	err = b.withServer(ctx, "push", func(s *server) error {
		p, err := b.newPush(ctx, s)
		if err != nil {
			return err
		}
		var ours, theirs []time.Duration
		for n := range b.rounds {
			took, err := p.push(ctx, n+1)
			if err != nil {
				return fmt.Errorf("push %d: %w", n+1, err)
			}
			rival, err := p.build(ctx, n+1)
			if err != nil {
				return fmt.Errorf("build %d: %w", n+1, err)
			}
			ours, theirs = append(ours, took), append(theirs, rival)
			say("  round %d: Berth %s, Docker %s", n+1, seconds(took), seconds(rival))
		}
		mine, other := median(ours), median(theirs)
		rows = []row{{
			what:  fmt.Sprintf("git push of a one-line change to the new version serving over HTTPS, warm cache (median of %d)", b.rounds),
			value: seconds(mine), goal: "≤ Docker + 2 s", met: mine <= other+pushGrace,
			rival: seconds(other) + " docker build, docker run, until it answers", ratio: fmt.Sprintf("%.2f×", float64(mine)/float64(other)),
		}}
		return nil
	})
	return rows, err
}

// push is both sides' working trees.
type push struct {
	server     *server
	tree, same string
	url        string
	env        []string
}

func (b *bench) newPush(ctx context.Context, s *server) (*push, error) {
	p := &push{server: s, tree: filepath.Join(b.dir, "pushed"), same: filepath.Join(b.dir, "built")}
	for dir, from := range map[string]string{p.tree: "node:22-slim", p.same: "berth/node:22"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		for name, content := range pushFiles {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				return nil, err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), fmt.Appendf(nil, pushDockerfile, from), 0o644); err != nil {
			return nil, err
		}
	}
	if err := p.login(ctx, b.dir); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"init", "--quiet", "--initial-branch=main"}, {"add", "--all"}, {"commit", "--quiet", "--message=0"}} {
		if err := p.git(ctx, args...); err != nil {
			return nil, err
		}
	}
	if _, err := s.berth(ctx, "project", "create", "pushed", "--dir", p.tree); err != nil {
		return nil, err
	}
	if _, err := s.berth(ctx, "create", "pushed", "--name", "live", "--stage", "production", "--wait"); err != nil {
		return nil, err
	}
	d, err := s.show(ctx, "live-pushed")
	if err != nil {
		return nil, err
	}
	host, err := d.host("web")
	if err != nil {
		return nil, err
	}
	p.url = host.String()
	_, err = p.build(ctx, 0) // fills the rival's cache
	return p, err
}

// login gives git a token and the server's authority by its environment.
func (p *push) login(ctx context.Context, dir string) error {
	ca, err := p.server.berth(ctx, "ca")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "push-ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		return err
	}
	out, err := p.server.berth(ctx, "token", "create", "bench")
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(out))
	p.env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@berth.localhost",
		"GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@berth.localhost", "GIT_SSL_CAINFO="+file, "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bench:"+token)))
	return nil
}

func (p *push) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", p.tree}, args...)...)
	cmd.Env = p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// push measures Berth's round.
func (p *push) push(ctx context.Context, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	edition, err := writeEdition(p.tree, n)
	if err != nil {
		return 0, err
	}
	if err := p.git(ctx, "commit", "--quiet", "--all", "--message="+strconv.Itoa(n)); err != nil {
		return 0, err
	}
	pushed := make(chan error, 1)
	began := time.Now()
	go func() { // git stays and reports until the release serves
		pushed <- p.git(ctx, "push", "--quiet", "https://console.berth.localhost:"+strconv.Itoa(p.server.https)+"/git/pushed.git", "main")
	}()
	err = until(ctx, lookEvery, func() (bool, error) { return bodyOf(ctx, p.server.browser, p.url) == edition, nil })
	took := time.Since(began)
	return took, errors.Join(err, <-pushed)
}

// build measures the rival's round.
func (p *push) build(ctx context.Context, n int) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	edition, err := writeEdition(p.same, n)
	if err != nil {
		return 0, err
	}
	_, port, err := freeAddress()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := dockerCommand(ctx, "build", "--quiet", "--tag", pushImage, "--", p.same); err != nil {
		return 0, err
	}
	id, err := dockerCommand(ctx, "run", "--detach", "--publish", "127.0.0.1:"+port+":3000", pushImage)
	if err != nil {
		return 0, err
	}
	defer func() {
		_, removed := dockerCommand(context.WithoutCancel(ctx), "rm", "--force", "--volumes", "--", id)
		err = errors.Join(err, removed)
	}()
	err = until(ctx, lookEvery, func() (bool, error) {
		return bodyOf(ctx, http.DefaultClient, "http://127.0.0.1:"+port+"/") == edition, nil
	})
	return time.Since(began), err
}

func dockerCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // Debian packages no buildx
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), err
}

func writeEdition(dir string, n int) (string, error) {
	edition := "edition " + strconv.Itoa(n)
	return edition, os.WriteFile(filepath.Join(dir, "edition.txt"), []byte(edition), 0o644)
}

// bodyOf is what a URL answers with 200, "" otherwise.
func bodyOf(ctx context.Context, client *http.Client, url string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	response, err := client.Do(r)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
