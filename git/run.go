package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// errTooLong is why a context ended that our own time limit ended.
var errTooLong = berth.Errorf(berth.EUnavailable, "git took too long and was stopped: the repository is too large, or its server too slow")

// command is one call of the git program. Its arguments never hold a secret.
type command struct {
	repository string
	args       []string
	config     []string // "key=value", for this call
	env        []string // more variables, secrets allowed
	files      bool     // may read repositories of this machine
	ssh        bool     // may speak SSH, by the client that env names
	maxFile    int64    // bytes of any file that it may write; zero: any
	stdin      io.Reader
	stdout     io.Writer
}

// failure is a git that ended with an error; what it said is for explain and for the log.
type failure struct {
	verb string
	said string
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("git %s: %v: %s", f.verb, f.err, f.said) }
func (f *failure) Unwrap() error { return f.err }

// exit is the code that git ended with, -1 where a signal ended it.
func (f *failure) exit() int {
	if exit := (*exec.ExitError)(nil); errors.As(f.err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// settings hold for every call. Old repositories have objects with harmless faults that the strict
// check of what comes in would refuse; those are let through by name. Nothing is ever pruned: a
// release refers to its commit also after somebody pushed it away.
var settings = []string{
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.symlinks=true", "credential.helper=", "core.askPass=",
	"transfer.fsckObjects=true", "fetch.fsck.zeroPaddedFilemode=ignore", "fetch.fsck.badTimezone=ignore",
	"fetch.fsck.missingSpaceBeforeDate=ignore", "fetch.fsck.missingSpaceBeforeEmail=ignore", "fetch.fsck.multipleAuthors=ignore",
	"submodule.recurse=false", "fetch.recurseSubmodules=false", "gc.autoDetach=false", "gc.pruneExpire=never", "maintenance.autoDetach=false",
	"http.followRedirects=initial", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60", "tar.umask=0022",
}

// run calls git and waits for it. The end of ctx ends git and everything that it started.
func (g *Git) run(ctx context.Context, c command) error {
	home := filepath.Join(g.config.Dir, ".home") // empty: no .netrc, no .gitconfig
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("make home: %w", err)
	}
	var args []string
	for _, setting := range append(settings[:len(settings):len(settings)], c.config...) {
		args = append(args, "-c", setting)
	}
	if c.repository != "" {
		args = append(args, "--git-dir="+c.repository)
	}
	said := &tail{max: 8 << 10}
	cmd := exec.CommandContext(ctx, "git", append(args, c.args...)...)
	cmd.Dir = home
	cmd.Env = append(g.environment(home, c), c.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.stdin, c.stdout, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := start(cmd, c.maxFile)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return berth.Errorf(berth.EUnavailable, "git is not installed on this machine: apt-get install git")
	case strings.Contains(said.String(), "No space left on device"):
		return g.diskFull()
	}
	return &failure{verb: c.args[0], said: strings.TrimSpace(said.String()), err: err}
}

// start starts a program whose files, and those of the programs it starts, may not become too large.
func start(cmd *exec.Cmd, maxFile int64) error {
	if err := cmd.Start(); err != nil || maxFile == 0 {
		return err
	}
	limit := &unix.Rlimit{Cur: uint64(maxFile), Max: uint64(maxFile)}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return errors.Join(fmt.Errorf("limit git: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return nil
}

func (g *Git) diskFull() error {
	return berth.Errorf(berth.EUnavailable, "the disk that holds %s is full: free some space there, then try again", g.config.Dir)
}

// environment is complete: nothing of the server's own environment reaches git.
func (g *Git) environment(home string, c command) []string {
	protocols := "https:http"
	if c.files || g.config.AllowFile {
		protocols += ":file"
	}
	if c.ssh {
		protocols += ":ssh"
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOW_PROTOCOL=" + protocols, "GIT_NO_REPLACE_OBJECTS=1", "GIT_LITERAL_PATHSPECS=1",
	}
	for name, value := range g.config.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// output is run for a call whose whole output is wanted, at most max bytes of it.
func (g *Git) output(ctx context.Context, max int64, c command) ([]byte, error) {
	out := &capped{max: max}
	c.stdout = out
	err := g.run(ctx, c)
	if out.full {
		return nil, berth.Errorf(berth.EInvalid, "git %s has more to say than Berth reads (%d KiB): the repository has too many branches, tags or files", c.args[0], max>>10)
	}
	return out.Bytes(), err
}

// capped keeps up to max bytes and refuses more.
type capped struct {
	bytes.Buffer
	max  int64
	full bool
}

func (c *capped) Write(p []byte) (int, error) {
	if int64(c.Len()+len(p)) > c.max {
		c.full = true
		return 0, io.ErrShortWrite
	}
	return c.Buffer.Write(p)
}

// tail keeps the last max bytes.
type tail struct {
	bytes.Buffer
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - t.max; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}
