package reconciler_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// asked is what people asked for last: what the world must have come to.
type asked struct {
	kind     berth.StageKind
	commit   string
	greeting string
	restarts map[string]int
	stopped  bool
	deleted  bool
	// earlier says that an earlier release's elements were asked for last, with what had been set when it was made.
	earlier bool
}

// check compares the machine, the disk and the store with what was asked for.
func (w *world) check(a asked, others map[string]instance) {
	w.t.Helper()
	if now := w.others(); !maps.Equal(now, others) || len(w.names("volumes/"+string(neighbour)+"/web")) != 1 {
		w.t.Errorf("what is not ours was touched: %v before, %v now", others, now)
	}
	if !slices.Contains(w.names("volumes"), string(foreign)+"-of-others") {
		w.t.Error("a directory that is not ours is gone")
	}
	if left := w.names("checkouts"); len(left) > 0 {
		w.t.Errorf("checkouts are left: %v", left)
	}
	if a.deleted {
		w.checkGone()
		return
	}
	w.read(func(tx *sqlite.Tx) error {
		o, err := tx.Observed(ours)
		if err != nil {
			return err
		}
		heads, err := tx.Releases(ours, 0)
		if err != nil {
			return err
		}
		newest, _, err := tx.LatestRelease(ours)
		if err != nil {
			return err
		}
		w.checkReleases(a, heads)
		if a.stopped {
			w.checkStopped(o)
			return nil
		}
		w.checkRuns(a, newest, o)
		return nil
	})
}

// checkReleases: the newest serves, and no older one says that it is under way.
func (w *world) checkReleases(a asked, newestFirst []berth.Release) {
	w.t.Helper()
	for i, r := range newestFirst {
		switch {
		case i == 0 && a.stopped:
			if r.State != berth.ReleaseServing && r.State != berth.ReleaseStarting {
				w.t.Errorf("release %d of a stopped deployment is %s %q", r.Revision, r.State, r.Message)
			}
		case i == 0 && r.State != berth.ReleaseServing:
			w.t.Errorf("the newest release, %d, is %s: %q %q", r.Revision, r.State, r.Step, r.Message)
		case i > 0 && r.State != berth.ReleaseSuperseded && r.State != berth.ReleaseFailed && !a.stopped:
			w.t.Errorf("release %d is %s behind release %d", r.Revision, r.State, newestFirst[0].Revision)
		}
	}
}

func (w *world) checkStopped(o berth.Observed) {
	w.t.Helper()
	if running := w.running(ours); len(running)+len(o.Instances) != 0 {
		w.t.Errorf("stopped, and on the machine are %v, seen are %v", running, o.Instances)
	}
}

// checkRuns: exactly one ready instance of each element, of the newest release, as asked for.
func (w *world) checkRuns(a asked, newest berth.Release, o berth.Observed) {
	w.t.Helper()
	want := map[string]string{"web/app": "", "db/postgres": ""}
	running := w.running(ours)
	if len(running) != len(want) || len(o.Instances) != len(want) {
		w.t.Errorf("on the machine are %v, seen are %v, want one each of %v", running, o.Instances, want)
	}
	for _, i := range running {
		if hash, known := newest.Hashes[i.key]; !i.ready || !known || hash != i.hash {
			w.t.Errorf("%s: ready %v, hash %s; the release has %v", i.key, i.ready, i.hash, newest.Hashes)
		}
	}
	for _, i := range o.Instances {
		if _, exists := running[i.ID]; !exists || !i.Ready || !i.Wanted {
			w.t.Errorf("seen: %s is %s, ready %v, wanted %v; on the machine: %v", i.ID, i.State, i.Ready, i.Wanted, exists)
		}
	}
	if newest.Commit != a.commit {
		w.t.Errorf("commit %s serves, want %s", newest.Commit, a.commit)
	}
	for _, e := range newest.Elements {
		if !a.earlier && e.Restarts != a.restarts[e.Identifier] {
			w.t.Errorf("%s: %d restarts, want %d", e.Identifier, e.Restarts, a.restarts[e.Identifier])
		}
		if e.Identifier == "web" {
			w.checkWeb(a, e)
		}
	}
}

func (w *world) checkWeb(a asked, e berth.ReleaseElement) {
	w.t.Helper()
	image := imageOf([]byte(w.repo.tree(a.commit)["web/Dockerfile"]))
	if e.Image != image || !strings.Contains(string(e.Objects), image) {
		w.t.Errorf("web runs image %s, want %s", e.Image, image)
	}
	if !a.earlier && a.greeting != "" && !strings.Contains(string(e.Objects), fmt.Sprintf("%q", a.greeting)) {
		w.t.Errorf("web has no greeting %q: %s", a.greeting, e.Objects)
	}
}

// checkGone: nothing is left of ours, anywhere.
func (w *world) checkGone() {
	w.t.Helper()
	all, err := w.engine().Deployments(context.Background())
	if err != nil || !slices.Equal(all, []berth.ID{foreign, neighbour}) {
		w.t.Errorf("on the machine is something of %v, %v", all, err)
	}
	if names := w.names("volumes"); slices.Contains(names, string(ours)) {
		w.t.Errorf("the volumes are still there: %v", names)
	}
	if left := w.names("volumes/.trash"); len(left) > 0 {
		w.t.Errorf("in the trash is %v", left)
	}
	if n := w.images.count(); n > 0 {
		w.t.Errorf("%d images of ours are left", n)
	}
	w.read(w.checkRowsGone)
}

func (w *world) checkRowsGone(tx *sqlite.Tx) error {
	if _, err := tx.DeploymentByID(berth.Everything(), ours); berth.CodeOf(err) != berth.ENotFound {
		w.t.Errorf("the deployment's row: %v", err)
	}
	releases, err := tx.Releases(ours, 0)
	if err != nil {
		return err
	}
	builds, err := tx.Builds(ours)
	if err != nil {
		return err
	}
	volumes, err := tx.Volumes(ours)
	if err != nil {
		return err
	}
	settings, err := tx.Settings(ours)
	if err != nil {
		return err
	}
	hosts, err := tx.Hosts(ours)
	if err != nil {
		return err
	}
	if n := len(releases) + len(builds) + len(volumes) + len(settings) + len(hosts); n > 0 {
		w.t.Errorf("%d rows are left: %v %v %v %v %v", n, releases, builds, volumes, settings, hosts)
	}
	return nil
}
