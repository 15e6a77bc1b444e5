package daemon

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/githttp"
)

// repositories serves the projects' own repositories beside next.
func (d *Daemon) repositories(next http.Handler) http.Handler {
	return beside(githttp.Prefix, githttp.New(d.repositoryConfig()), next)
}

func (d *Daemon) repositoryConfig() githttp.Config {
	return githttp.Config{
		Repositories: d.git,
		Authenticate: func(ctx context.Context, token berth.Secret) (berth.Caller, error) {
			return d.control.Authenticate(ctx, token)
		},
		Open: func(ctx context.Context, caller berth.Caller, project string, push bool) (berth.Project, error) {
			return d.control.As(caller).OpenRepository(ctx, project, push)
		},
		Pushed: d.pushed, Log: d.log,
	}
}

// pushed has the deployments follow, and tells who pushed how they get on until nobody listens.
func (d *Daemon) pushed(ctx context.Context, caller berth.Caller, p berth.Project, say func(string) error) {
	following, err := d.control.Follow(ctx, p.ID, caller.Name)
	if err != nil {
		d.loops.follow.Hint(p.ID) // it is tried again, without anybody who listens
		d.log.Warn("follow push", "project", p.Name, "error", err)
		_ = say("the commits are stored; what follows them will be looked at again in a moment")
		return
	}
	var watched []githttp.Watched
	for _, f := range following {
		if f.Revision == 0 {
			_ = say(f.Deployment.Slug + ": " + f.Note)
			continue
		}
		_ = say(f.Deployment.Slug + ": release begins; ^C ends this report, not the release")
		watched = append(watched, githttp.Watched{Slug: f.Deployment.Slug, Revision: f.Revision})
	}
	githttp.Watch(ctx, lasting{d.control, caller}, watched, say)
}

// lasting reads releases as the caller may now: a report may outlast the right to it.
type lasting struct {
	control *control.Control
	caller  berth.Caller
}

// Deployment finds one that the caller may still see.
func (l lasting) Deployment(ctx context.Context, ref string) (berth.Deployment, error) {
	now, err := l.control.Current(ctx, l.caller)
	if err != nil {
		return berth.Deployment{}, err
	}
	return l.control.As(now).Deployment(ctx, ref)
}

// Releases lists those of a deployment that the caller may still see.
func (l lasting) Releases(ctx context.Context, ref string) ([]berth.Release, error) {
	now, err := l.control.Current(ctx, l.caller)
	if err != nil {
		return nil, err
	}
	return l.control.As(now).Releases(ctx, ref)
}
