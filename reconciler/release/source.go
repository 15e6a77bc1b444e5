package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

const (
	stackFileName = "diploi.yaml"
	modulesFile   = ".gitmodules"
	maxStackFile  = 1 << 20
	maxDockerfile = 1 << 20
)

// source reads a release's files: in development from the working tree, else from its commit.
type source struct {
	read func(name string) ([]byte, error) // fs.ErrNotExist when missing
}

// source reads what was committed while the working tree is on its way: a clone has nothing else.
func (l *Loop) source(ctx context.Context, j *job) (source, error) {
	if j.deployment.Kind != berth.KindDevelopment {
		return l.committed(ctx, j), nil
	}
	if cloned, err := l.hasCode(ctx, j); !cloned || err != nil {
		return l.committed(ctx, j), err
	}
	return source{read: func(name string) ([]byte, error) {
		return l.Volumes.ReadFile(j.deployment.ID, codeVolume(j), name, maxStackFile)
	}}, nil
}

func (l *Loop) committed(ctx context.Context, j *job) source {
	return source{read: func(name string) ([]byte, error) {
		return l.Git.ReadFile(ctx, j.project.ID, j.release.Commit, name, maxStackFile)
	}}
}

// startClone begins to fill the code volume where that has to be done, and returns what waits for its end. The
// volume's row is written when the clone is complete, so a clone cut short is started over, and a complete
// one is never touched again.
func (l *Loop) startClone(ctx context.Context, j *job) (wait func() error, err error) {
	nothing := func() error { return nil }
	if j.deployment.Kind != berth.KindDevelopment {
		return nothing, nil
	}
	if cloned, err := l.hasCode(ctx, j); cloned || err != nil {
		return nothing, err
	}
	task, err := l.cloneTask(ctx, j)
	if err != nil {
		return nothing, err
	}
	note, err := l.aboutModules(ctx, j)
	if err != nil {
		return nothing, err
	}
	return l.Beside(func() error { return l.clone(ctx, codeVolume(j), task, note) }), nil
}

// aboutModules is what a person should know of a clone whose repository has submodules, nil where it has none.
func (l *Loop) aboutModules(ctx context.Context, j *job) (*berth.Event, error) {
	modules, err := l.committed(ctx, j).optional(modulesFile)
	if err != nil || modules == nil {
		return nil, err
	}
	return &berth.Event{Project: j.project.ID, Deployment: j.deployment.ID, Slug: j.deployment.Slug, Kind: "release.submodules",
		Message: "the repository has submodules (" + modulesFile + "), which were not cloned: run git submodule update --init --recursive in /app"}, nil
}

func (l *Loop) hasCode(ctx context.Context, j *job) (has bool, err error) {
	err = l.Store.View(ctx, func(tx Tx) error {
		volumes, err := tx.Volumes(j.deployment.ID)
		has = berth.HasCode(volumes)
		return err
	})
	return has, err
}

// cloneTask empties the code volume and returns what fills it: Git in a container of the deployment, never
// on the machine, because the tree belongs to the deployment's people. The origin recorded in it is the
// real one; only this run reads the mirror.
func (l *Loop) cloneTask(ctx context.Context, j *job) (task engine.Task, err error) {
	if err := l.step(ctx, j, "cloning "+j.deployment.Branch); err != nil {
		return task, err
	}
	tools, err := l.Images.Ensure(ctx, l.Tools, newSteps(ctx, l, j))
	if err != nil {
		return task, err
	}
	code := codeVolume(j)
	if err := l.Volumes.Reset(ctx, code); err != nil {
		return task, fmt.Errorf("empty code volume: %w", err)
	}
	dir, _, err := l.Volumes.Ensure(ctx, code)
	if err != nil {
		return task, fmt.Errorf("make code volume: %w", err)
	}
	origin := j.project.GitURL
	if origin == "" {
		origin = l.CloneURL(j.project)
	}
	return engine.Task{
		Deployment: j.deployment.ID, Name: "clone", Image: tools, Offline: true,
		Command: []string{"git", "-c", "url.file:///berth-mirror.insteadOf=" + origin,
			"clone", "--branch", j.deployment.Branch, "--", origin, "/app"},
		User: "1000:1000", WorkingDir: "/",
		Env:      map[string]string{"HOME": "/tmp", "GIT_TERMINAL_PROMPT": "0"},
		Mounts:   map[string]string{dir: "/app"},
		ReadOnly: map[string]string{l.Git.Dir(j.project.ID): "/berth-mirror"},
	}, nil
}

func (l *Loop) clone(ctx context.Context, code berth.Volume, task engine.Task, note *berth.Event) error {
	var output bytes.Buffer
	task.Output = &output
	switch exit, err := l.Runner.Run(ctx, task); {
	case err != nil:
		return fmt.Errorf("clone into code volume: %w", err)
	case exit != 0:
		return berth.Errorf(berth.EUnavailable, "git clone ended with code %d: %s", exit, lastLine(output.String()))
	}
	return l.Store.Update(ctx, func(tx Tx) error {
		if err := tx.PutVolume(code); err != nil || note == nil {
			return err
		}
		return tx.AppendEvent(*note)
	})
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// in returns a file's path below an element's folder ("/web" → "web/Dockerfile").
func in(folder, name string) string {
	return strings.TrimPrefix(path.Join("/", folder, name), "/")
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
