package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/reconciler/garbage"
	"github.com/berth-dev/berth/sqlite"
)

// owners are all that may own something on the machine: deployments, projects, and projects whose
// repository is being fetched before their row exists.
func (d *Daemon) owners(ctx context.Context) (map[berth.ID]bool, error) {
	owners := map[berth.ID]bool{}
	for _, id := range d.control.Making() {
		owners[id] = true
	}
	err := d.store.View(ctx, func(tx *sqlite.Tx) error {
		projects, err := tx.Projects(berth.Everything())
		if err != nil {
			return err
		}
		all, err := tx.Deployments(berth.Everything(), "")
		for _, p := range projects {
			owners[p.ID] = true
		}
		for _, d := range all {
			owners[d.ID] = true
		}
		return err
	})
	return owners, err
}

// keepers hold things by owner, in the order in which they are swept.
func (d *Daemon) keepers() []garbage.Keeper {
	return []garbage.Keeper{
		{Name: "containers", Owners: d.engine.Deployments, Drop: d.dropFromEngine},
		{Name: "volumes", Owners: directoriesIn(d.dirs.volumes, ""), Drop: d.volumes.RemoveAll},
		{Name: "logs", Owners: directoriesIn(d.dirs.logs, ""), Drop: func(_ context.Context, id berth.ID) error { return d.logs.Forget(id) }},
		{Name: "requests", Owners: directoriesIn(d.dirs.requests, ""), Drop: func(_ context.Context, id berth.ID) error { return d.requests.Forget(id) }},
		{Name: "mail", Owners: directoriesIn(d.dirs.mail, ""), Drop: func(_ context.Context, id berth.ID) error { return d.mail.Forget(id) }},
		{Name: "repositories", Owners: directoriesIn(d.dirs.git, ".git"), Drop: d.git.Remove},
		{Name: "packages", Owners: directoriesIn(d.dirs.packages, ".git"), Drop: d.packages.Remove},
	}
}

// errNotGone makes the sweep come back soon.
var errNotGone = errors.New("not all is gone yet")

func (d *Daemon) dropFromEngine(ctx context.Context, id berth.ID) error {
	gone, err := d.engine.Remove(ctx, id)
	if err == nil && !gone {
		err = errNotGone
	}
	return err
}

// directoriesIn lists the owners of directories named <id><suffix>. Other names are none of ours.
func directoriesIn(dir, suffix string) func(context.Context) ([]berth.ID, error) {
	return func(context.Context) (ids []berth.ID, err error) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		for _, e := range entries {
			name := e.Name()
			if len(name) != len(berth.NewID())+len(suffix) || name[len(name)-len(suffix):] != suffix || !e.IsDir() {
				continue
			}
			ids = append(ids, berth.ID(name[:len(name)-len(suffix)]))
		}
		return ids, nil
	}
}

// origin is where a project's commits come from.
func (d *Daemon) origin(ctx context.Context, id berth.ID) (url string, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		p, err := tx.ProjectByID(berth.Everything(), id)
		url = p.GitURL
		return err
	})
	return url, err
}

// forget drops a deployment's files outside its volumes.
func (d *Daemon) forget(ctx context.Context, id berth.ID) error {
	var all []berth.Build
	if err := d.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		all, err = tx.Builds(id)
		return err
	}); err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	failures := []error{d.logs.Forget(id), d.mail.Forget(id), d.requests.Forget(id)}
	for _, b := range all {
		failures = append(failures, d.buildLogs.Remove(b.ID))
	}
	return errors.Join(failures...)
}
