package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/git"
	"github.com/berth-dev/berth/images"
	"github.com/berth-dev/berth/keylock"
	"github.com/berth-dev/berth/machine"
	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/reconciler"
	"github.com/berth-dev/berth/reconciler/builds"
	"github.com/berth-dev/berth/reconciler/deployments"
	"github.com/berth-dev/berth/reconciler/garbage"
	"github.com/berth-dev/berth/reconciler/release"
	"github.com/berth-dev/berth/reconciler/saved"
	"github.com/berth-dev/berth/sqlite"
	"golang.org/x/sync/errgroup"
)

// loops are what makes wishes come true.
type loops struct {
	releases, deployments, builds, saved, origins, follow, reports, domains, garbage, disk, migration, idle *reconciler.Loop
	locks                                                                                                   keylock.Locks[berth.ID]
}

// deploymentsAtOnce bounds how many deployments get a turn at a time.
const deploymentsAtOnce = 8

// originsAtOnce bounds how many origins are tried at a time: a slow one must not hold up the others.
const originsAtOnce = 4

func (d *Daemon) openLoops(ctx context.Context) error {
	prepare := release.New(release.Config{
		Store: storeFor[release.Tx]{d.store, func(tx *sqlite.Tx) release.Tx { return tx }},
		Git:   d.git, Volumes: d.volumes, Images: present{d.images, d.engine}, Runner: d.engine, Vault: d.vault,
		Catalogue: packages.FS(), Packages: d.packages, Tools: images.Tools, HostName: d.names.host, HostURL: d.names.url,
		CloneURL: func(p berth.Project) string { return d.names.consoleURL() + "/git/" + p.Name + ".git" },
		Lock:     d.loops.locks.Lock, Beside: reconciler.Beside, Random: rand.Reader, Now: time.Now, Log: d.log,
	})
	watch := d.newDiskLoop()
	d.moves = d.newMigrationLoop()
	d.idling = d.newIdleLoop()
	keep := deployments.New(deployments.Config{
		Store:  storeFor[deployments.Tx]{d.store, func(tx *sqlite.Tx) deployments.Tx { return tx }},
		Engine: d.engine, Volumes: d.volumes, Drained: d.ingress.Drained, Standby: d.config.Standby,
		Answered: d.answered, AnsweredLately: d.answeredLately, LastLines: d.lastLines, MemoryIsShort: machine.MemoryIsShort, Storage: d.storageOf(watch), HostName: d.names.host,
		Forget: d.forget, Deleted: func(berth.ID) { d.loops.garbage.Hint("") }, Lock: d.loops.locks.Lock, Now: time.Now, Log: d.log,
	})
	build := builds.New(builds.Config{
		Store: storeFor[builds.Tx]{d.store, func(tx *sqlite.Tx) builds.Tx { return tx }},
		Git:   git.Sources{Git: d.git, Modules: d.packages, Origin: d.origin}, Builder: d.builder, Dir: d.dirs.checkouts, Room: d.disks.room, Secret: d.secretToken,
		Labels: map[string]string{builds.Label: string(d.server)}, Log: d.log, Now: time.Now,
	})
	if err := build.Recover(ctx); err != nil {
		return fmt.Errorf("recover builds: %w", err)
	}
	files := saved.New(saved.Config{Running: d.developing, Runs: d.develops, Stamp: d.stackStamp, Saved: d.control.Saved, Now: time.Now})
	sweep := garbage.New(garbage.Config{Wanted: d.owners, Keepers: d.keepers(), Images: d.sweepImages, History: d.forgetReleases, Cache: d.cache.trim})

	d.loops.releases = &reconciler.Loop{Name: "releases", Keys: prepare.Keys, Turn: prepare.Turn, Interrupt: prepare.Interrupt,
		Workers: deploymentsAtOnce, Log: d.log}
	d.loops.deployments = &reconciler.Loop{Name: "deployments", Keys: keep.Keys, Turn: keep.Turn, Workers: deploymentsAtOnce, Log: d.log}
	d.loops.builds = &reconciler.Loop{Name: "builds", Keys: build.Keys, Turn: build.Turn, Interrupt: build.Interrupt,
		Workers: buildsAtOnce, Log: d.log}
	d.loops.origins = &reconciler.Loop{Name: "origins", Keys: d.control.Waiting, Turn: d.control.TryOrigin, Workers: originsAtOnce, Every: 5 * time.Minute, Log: d.log}
	d.loops.follow = &reconciler.Loop{Name: "follow", Keys: d.control.Followers, Turn: d.control.FollowOrigin, Workers: originsAtOnce, Every: 2 * time.Minute, Log: d.log}
	d.loops.reports = &reconciler.Loop{Name: "reports", Keys: d.control.Unreported, Turn: d.control.ReportCommits, Workers: originsAtOnce, Every: 5 * time.Minute, Log: d.log}
	d.loops.domains = &reconciler.Loop{Name: "domains", Keys: d.control.WatchedDomains, Turn: d.control.WatchDomains, Workers: originsAtOnce, Every: 5 * time.Minute, Log: d.log}
	d.loops.saved = &reconciler.Loop{Name: "saved", Keys: files.Keys, Turn: files.Turn, Log: d.log}
	d.loops.garbage = &reconciler.Loop{Name: "garbage", Keys: sweep.Keys, Turn: sweep.Turn, Every: 5 * time.Minute, Log: d.log}
	d.loops.disk = &reconciler.Loop{Name: "disk", Keys: watch.Keys, Turn: watch.Turn, Workers: 3, Every: time.Minute, Log: d.log}
	d.loops.migration = &reconciler.Loop{Name: "migration", Keys: d.moves.Keys, Turn: d.moves.Turn, Every: 5 * time.Minute, Log: d.log}
	d.loops.idle = &reconciler.Loop{Name: "idle", Keys: d.idling.Keys, Turn: d.idling.Turn, Log: d.log}
	return nil
}

// runLoops starts the loops and what hints them, until ctx ends.
func (d *Daemon) runLoops(ctx context.Context, group *errgroup.Group) {
	changes, seen := d.store.Subscribe(ctx), d.engine.Watch(ctx)
	group.Go(func() error {
		for id := range changes {
			d.loops.releases.Hint(id)
			d.loops.deployments.Hint(id)
			d.loops.builds.Hint("")
			d.loops.disk.Hint(id)
			d.loops.domains.Hint(id) // of a project nothing but "" tells
			if id != "" {
				d.loops.saved.Hint(id)
				d.loops.reports.Hint(id)
				d.loops.idle.Hint(id)
			}
			if id == "" {
				d.loops.garbage.Hint("")
				d.loops.origins.Hint("")
			}
		}
		return nil
	})
	group.Go(func() error {
		for id := range seen {
			d.loops.deployments.Hint(id)
		}
		return nil
	})
	group.Go(func() error { return d.ingress.Run(ctx) })
	for _, l := range []*reconciler.Loop{d.loops.releases, d.loops.deployments, d.loops.builds, d.loops.saved, d.loops.origins, d.loops.follow, d.loops.reports, d.loops.domains, d.loops.garbage, d.loops.disk, d.loops.migration, d.loops.idle} {
		group.Go(func() error { return l.Run(ctx) })
	}
}
