package reconciler_test

import (
	"context"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/sqlite"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The names of the world. The neighbour is another deployment of the same project, whose id differs in
// one letter; the foreign one is somebody else's, on the same machine.
const (
	project   berth.ID = "projectaaa"
	ours      berth.ID = "deployment"
	neighbour berth.ID = "deploymenu"
	foreign   berth.ID = "deploymen"
)

func newRelease(commit, cause string) berth.Release {
	return berth.Release{ID: berth.NewID(), Deployment: ours, State: berth.ReleasePending, Commit: commit, Cause: cause}
}

// The wishes write what control writes for them.

func create(kind berth.StageKind) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		if err := tx.CreateDeployment(berth.Deployment{ID: ours, ProjectID: project, Name: "prod", Slug: "prod-shop",
			Stage: string(kind), Kind: kind, Branch: "main", Size: "M", Desire: berth.DesireRun}); err != nil {
			return err
		}
		_, err := tx.CreateRelease(newRelease("main", "created"))
		return err
	}
}

func deploy(commit string) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		_, err := tx.CreateRelease(newRelease(commit, "deploy"))
		return err
	}
}

// rollBack is for a deployment that has what to go back to.
func rollBack(tx *sqlite.Tx) error {
	head, err := servedBefore(tx)
	if err != nil {
		return err
	}
	to, err := tx.Release(head.ID)
	if err != nil {
		return err
	}
	again := newRelease(to.Commit, berth.CauseRollback)
	again.State, again.StartingAt, again.Elements = berth.ReleaseStarting, tx.Now(), to.Elements
	_, err = tx.CreateRelease(again)
	return err
}

// servedBefore is the newest release that served before the one that does; without an id: there is none.
func servedBefore(tx *sqlite.Tx) (berth.Release, error) {
	heads, err := tx.Releases(ours, 0)
	for _, r := range heads {
		if r.State == berth.ReleaseSuperseded && !r.ServingAt.IsZero() {
			return r, err
		}
	}
	return berth.Release{}, err
}

func setEnv(value string) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		if err := tx.PutSetting(berth.Setting{Deployment: ours, Element: "web", Name: "GREETING", Value: value}); err != nil {
			return err
		}
		return rerelease(tx, "env set")
	}
}

func restart(element string) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), ours)
		if err != nil {
			return err
		}
		if d.Restarts == nil {
			d.Restarts = map[string]int{}
		}
		d.Restarts[element]++
		if err := tx.UpdateDeployment(d); err != nil {
			return err
		}
		return rerelease(tx, "restart")
	}
}

func rerelease(tx *sqlite.Tx, cause string) error {
	newest, _, err := tx.LatestRelease(ours)
	if err != nil {
		return err
	}
	_, err = tx.CreateRelease(newRelease(newest.Commit, cause))
	return err
}

func desire(what berth.Desire) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), ours)
		if err != nil {
			return err
		}
		d.Desire = what
		return tx.UpdateDeployment(d)
	}
}

// createNeighbour stores a project and a deployment that has long been served.
func createNeighbour(tx *sqlite.Tx) error {
	if err := tx.CreateProject(berth.Project{ID: project, Name: "shop", DefaultBranch: "main"}); err != nil {
		return err
	}
	if err := tx.CreateDeployment(berth.Deployment{ID: neighbour, ProjectID: project, Name: "prod2", Slug: "prod2-shop",
		Stage: "production", Kind: berth.KindBuild, Branch: "main", Size: "S", Desire: berth.DesireRun}); err != nil {
		return err
	}
	objects, err := chart.Marshal(podOf("neighbour"))
	if err != nil {
		return err
	}
	if _, err := tx.CreateRelease(berth.Release{ID: "neighbours", Deployment: neighbour, State: berth.ReleaseStarting,
		Commit: "main", StartingAt: birth, Elements: []berth.ReleaseElement{{Identifier: "web", Kind: berth.KindComponent,
			Objects: objects, Workloads: map[string]int{"app": 1}}}}); err != nil {
		return err
	}
	return tx.PutVolume(berth.Volume{Deployment: neighbour, Element: "web", Identifier: "data"})
}

func podOf(image string) []runtime.Object {
	return []runtime.Object{&appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 80}},
		}}}}},
	}}
}

// settleOthers brings up what is not ours, before anything is asked for, and returns what must stay.
func (w *world) settleOthers() (others map[string]instance) {
	w.t.Helper()
	ctx := context.Background()
	stranger := engine.Workload{Deployment: foreign, Kind: berth.KindBuild,
		Elements: []engine.Element{{Identifier: "web", Kind: berth.KindComponent, Objects: podOf("theirs")}}}
	for range 3 {
		if _, err := w.engine().Sync(ctx, stranger); err != nil {
			w.t.Fatal(err)
		}
		w.advance(time.Second)
	}
	if _, _, err := w.volumes().Ensure(ctx, berth.Volume{Deployment: neighbour, Element: "web", Identifier: "data", UID: -1, GID: -1}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return w.others()
}

func (w *world) others() map[string]instance {
	all := w.running(neighbour)
	for id, i := range w.running(foreign) {
		all[id] = i
	}
	return all
}
