package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth"
)

// makeBundle writes the commits of a local directory into a git bundle inside work. A directory that is
// the top of a repository gives the branch it stands on; any other gives one commit of its files.
func makeBundle(ctx context.Context, dir, work string) (file string, warnings []string, err error) {
	dir, err = realDirectory(dir)
	if err != nil {
		return "", nil, err
	}
	file = filepath.Join(work, "bundle")
	g := git{dir: dir}
	if !g.isTop(ctx) {
		return file, nil, snapshot(ctx, dir, work, file)
	}
	if _, err := g.output(ctx, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
		return "", nil, berth.Errorf(berth.EInvalid, "%s is a Git repository without commits: commit your files first", dir)
	}
	branch, err := g.output(ctx, "symbolic-ref", "--quiet", "HEAD")
	if err != nil {
		return "", nil, berth.Errorf(berth.EInvalid, "%s stands on no branch (detached HEAD): git switch to one first", dir)
	}
	if shallow, _ := g.output(ctx, "rev-parse", "--is-shallow-repository"); shallow == "true" {
		return "", nil, berth.Errorf(berth.EInvalid, "%s is a shallow clone: git fetch --unshallow first", dir)
	}
	if changed, err := g.output(ctx, "status", "--porcelain"); err == nil && changed != "" {
		n := strings.Count(changed, "\n") + 1
		warnings = append(warnings, fmt.Sprintf("%d files in %s are not committed, and stay behind: what is committed is what counts.", n, dir))
	}
	_, err = g.output(ctx, "bundle", "create", "--quiet", file, "HEAD", branch)
	return file, warnings, err
}

func realDirectory(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("find directory: %w", err)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err != nil {
		return "", fmt.Errorf("open directory %s: %w", path, err)
	}
	return path, nil
}

// snapshot makes a bundle of one commit of a directory's files. The same files give the same commit, so
// that bringing them again changes nothing.
func snapshot(ctx context.Context, dir, work, file string) error {
	repository := filepath.Join(work, "snapshot.git")
	if _, err := (git{}).output(ctx, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", repository); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(repository, "info"), 0o700); err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(repository, "info", "exclude"), []byte("node_modules/\n"), 0o600); err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	g := git{dir: dir, env: []string{
		"GIT_DIR=" + repository, "GIT_WORK_TREE=" + dir,
		"GIT_AUTHOR_NAME=berth", "GIT_AUTHOR_EMAIL=berth@localhost", "GIT_AUTHOR_DATE=2000-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=berth", "GIT_COMMITTER_EMAIL=berth@localhost", "GIT_COMMITTER_DATE=2000-01-01T00:00:00Z",
	}}
	for _, step := range [][]string{
		{"add", "--all", "--", "."},
		{"commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", "Files of a local directory"},
		{"bundle", "create", "--quiet", file, "HEAD", "refs/heads/main"},
	} {
		if _, err := g.output(ctx, step...); err != nil {
			if step[0] == "commit" {
				return berth.Errorf(berth.EInvalid, "there are no files in %s", dir)
			}
			return err
		}
	}
	return nil
}

// git runs the git program in a directory.
type git struct {
	dir string
	env []string
}

// isTop reports whether the directory is the top of a repository: one that lies inside a larger one is not.
func (g git) isTop(ctx context.Context) bool {
	top, err := g.output(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return false
	}
	top, err = filepath.EvalSymlinks(top)
	return err == nil && top == g.dir
}

// output runs git and returns what it printed, without the last newline. Hooks and monitors of the
// repository do not run, and files are taken as they are.
func (g git) output(ctx context.Context, args ...string) (string, error) {
	verb := args[0]
	args = append([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.autocrlf=false"}, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	cmd.Env = append(cleanEnvironment(os.Environ()), g.env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", berth.Errorf(berth.EUnavailable, "git is not installed on this machine")
		}
		return "", fmt.Errorf("git %s: %w: %s", verb, err, oneLine(said.String()))
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

// cleanEnvironment leaves out what a Git hook or alias that runs us may have set.
func cleanEnvironment(environment []string) []string {
	var kept []string
	for _, v := range environment {
		if !strings.HasPrefix(v, "GIT_DIR=") && !strings.HasPrefix(v, "GIT_WORK_TREE=") && !strings.HasPrefix(v, "GIT_INDEX_FILE=") && !strings.HasPrefix(v, "GIT_PREFIX=") {
			kept = append(kept, v)
		}
	}
	return append(kept, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
}
