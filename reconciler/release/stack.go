package release

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// project is the stack that a release is made of. In build stages it is that of the commit. In development
// it is the one that was applied: the working tree's file is read for the first release only, and counts
// again when somebody applies it.
func (l *Loop) project(ctx context.Context, j *job, tree source) (*stackfile.Project, error) {
	if j.deployment.Kind != berth.KindDevelopment {
		return l.readStack(ctx, j, tree)
	}
	project, err := l.appliedStack(ctx, j)
	if project == nil && err == nil {
		project, err = l.readStack(ctx, j, tree)
	}
	if err != nil {
		return nil, err
	}
	text, err := project.Encode()
	if err != nil {
		return nil, err
	}
	return project, l.Store.Update(ctx, func(tx Tx) error { return tx.PutStack(j.release.ID, text) })
}

// appliedStack is what the newest release was made of that has not failed, nil before there is one.
func (l *Loop) appliedStack(ctx context.Context, j *job) (*stackfile.Project, error) {
	var text []byte
	err := l.Store.View(ctx, func(tx Tx) (err error) {
		text, _, err = tx.Stack(j.deployment.ID)
		return err
	})
	if err != nil || text == nil {
		return nil, err
	}
	return stackfile.Decode(text)
}

// readStack reads the project file.
func (l *Loop) readStack(ctx context.Context, j *job, tree source) (*stackfile.Project, error) {
	data, err := l.stackFile(ctx, j, tree)
	if err != nil {
		return nil, err
	}
	project, warnings, err := stackfile.ParseProject(stackFileName, data)
	if err != nil {
		return nil, err
	}
	l.warn(j, warnings)
	return project, nil
}
