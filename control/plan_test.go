package control_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/stackfile"
)

const (
	webFile   = "diploiVersion: v1.0\ncomponents:\n  - {identifier: web, package: nodejs}\n"
	dbFile    = webFile + "addons:\n  - {identifier: db, package: postgres}\n"
	otherFile = "diploiVersion: v1.0\ncomponents:\n  - {identifier: web, package: python}\n"
)

// desk is a world with a development deployment and the project file of its working tree.
type desk struct {
	*world
	t    *testing.T
	d    berth.Deployment
	file string // "": there is none
}

func newDesk(t *testing.T) *desk {
	w := newWorld(t)
	w.project(t, "shop")
	k := &desk{world: w, t: t, d: w.deployment(t, "shop", "dev", "development"), file: webFile}
	k.update(t, func(tx *sqlite.Tx) error { return tx.PutVolume(code(k.d)) })
	w.SavedFile = func(context.Context, berth.ID) ([]byte, error) {
		if k.file == "" {
			return nil, fs.ErrNotExist
		}
		return []byte(k.file), nil
	}
	return k
}

func code(d berth.Deployment) berth.Volume {
	return berth.Volume{Deployment: d.ID, Identifier: berth.CodeVolume}
}

// prepared does what the release loop does with the newest release.
func (k *desk) prepared(state berth.ReleaseState) {
	k.t.Helper()
	p, _, err := stackfile.ParseProject("diploi.yaml", []byte(k.file))
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := p.Encode()
	if err != nil {
		k.t.Fatal(err)
	}
	k.update(k.t, func(tx *sqlite.Tx) error {
		r, _, err := tx.LatestRelease(k.d.ID)
		if err != nil {
			return err
		}
		r.State = state
		if err := tx.PutStack(r.ID, text); err != nil {
			return err
		}
		return tx.UpdateRelease(r)
	})
}

// save writes the file and lets it be noticed.
func (k *desk) save(file string) (done bool) {
	k.t.Helper()
	k.file = file
	done, err := k.Saved(k.t.Context(), k.d.ID)
	if err != nil {
		k.t.Fatal(err)
	}
	return done
}

func (k *desk) plan() string {
	k.t.Helper()
	return must[berth.Plan](k.t)(k.owner.Plan(k.t.Context(), "dev")).String()
}

func (k *desk) releases() []berth.Release {
	k.t.Helper()
	return must[[]berth.Release](k.t)(k.owner.Releases(k.t.Context(), "dev"))
}

// said is the newest event about the file.
func (k *desk) said() (kind, message string) {
	k.t.Helper()
	k.update(k.t, func(tx *sqlite.Tx) error {
		all, err := tx.Events(berth.Everything(), k.d.ID, 0, 0)
		for _, e := range all {
			if strings.HasPrefix(e.Kind, "plan.") {
				kind, message = e.Kind, e.Message
			}
		}
		return err
	})
	return kind, message
}

func (k *desk) mustSay(kind, part string) {
	k.t.Helper()
	if got, message := k.said(); got != kind || !strings.Contains(message, part) {
		k.t.Fatalf("said %s %q, want %s with %q", got, message, kind, part)
	}
}

func TestNothingIsPlannedBeforeTheFirstReleaseHasReadTheFile(t *testing.T) {
	k := newDesk(t)
	if k.save(dbFile) {
		t.Error("the file was taken note of")
	}
	_, err := k.owner.Plan(t.Context(), "dev")
	mustFail(t, err, berth.EConflict, "still being prepared")
	_, err = k.owner.Apply(t.Context(), "dev")
	mustFail(t, err, berth.EConflict, "still being prepared")
	if len(k.releases()) != 1 {
		t.Error("there is another release")
	}
}

func TestNothingIsSaidOfAWorkingTreeThatIsBeingCloned(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseStarting)
	k.update(t, func(tx *sqlite.Tx) error { return tx.DeleteVolume(k.d.ID, "", berth.CodeVolume) })
	if k.save("") {
		t.Error("half a working tree was taken note of")
	}
	if kind, message := k.said(); kind != "" {
		t.Errorf("said %s %s", kind, message)
	}
}

func TestWhatIsNewComesByItselfOnce(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseServing)
	if !k.save(webFile) || len(k.releases()) != 1 {
		t.Fatal("a file that says what runs did something")
	}
	if k.save(dbFile); k.plan() != "" {
		t.Errorf("still to do: %s", k.plan())
	}
	k.mustSay("plan.applied", "release 2 adds what is new in diploi.yaml: db")
	k.save(dbFile)
	if r := k.releases(); len(r) != 2 || r[0].Cause != "saved" || r[0].Commit != r[1].Commit {
		t.Errorf("releases %+v", r)
	}
}

func TestWhatChangesOrGoesWaitsForApply(t *testing.T) {
	k := newDesk(t)
	k.file = dbFile
	k.prepared(berth.ReleaseServing)
	k.save(otherFile)
	k.mustSay("plan.changed", "diploi.yaml would change web (package), remove db: berth apply dev-shop does it")
	if len(k.releases()) != 1 || k.plan() != "change web (package), remove db" {
		t.Fatalf("%d releases; plan %s", len(k.releases()), k.plan())
	}
	done := must[berth.Applied](t)(k.owner.Apply(t.Context(), "dev"))
	if done.Revision != 2 || done.Slug != "dev-shop" || done.Plan.String() != "change web (package), remove db" || k.plan() != "" {
		t.Fatalf("applied %+v; then plan %s", done, k.plan())
	}
	k.mustSay("plan.applied", "release 2 applies diploi.yaml")
	if again := must[berth.Applied](t)(k.owner.Apply(t.Context(), "dev")); again.Revision != 0 || len(k.releases()) != 2 {
		t.Errorf("applied again: %+v", again)
	}
}

func TestAnAdditionDoesNotWaitForAChange(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseServing)
	k.save(strings.Replace(dbFile, "nodejs", "python", 1))
	if r := k.releases(); len(r) != 2 || k.plan() != "change web (package)" {
		t.Errorf("%d releases, left: %s", len(r), k.plan())
	}
	k.mustSay("plan.changed", "change web (package)")
}

func TestAReleaseThatFailedWasNotApplied(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseServing)
	k.save(dbFile)
	k.prepared(berth.ReleaseFailed)
	if k.plan() != "add db" {
		t.Errorf("plan %q", k.plan())
	}
	if k.save(dbFile); len(k.releases()) != 2 {
		t.Error("what failed was tried again by itself")
	}
	if done := must[berth.Applied](t)(k.owner.Apply(t.Context(), "dev")); done.Revision != 3 {
		t.Errorf("applied %+v", done)
	}
}

func TestAFileThatMendsAFirstReleaseIsTaken(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseFailed)
	k.save(webFile)
	if r := k.releases(); len(r) != 2 {
		t.Errorf("%d releases", len(r))
	}
}

func TestAFileThatCannotBeUsedChangesNothing(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseServing)
	for file, part := range map[string]string{
		"diploiVersion: v1.0\ncomponents:\n  - {identifier: web, package: nodejs, hots: []}\n": "diploi.yaml:3:40: components[0].hots",
		"components: [":                    "diploi.yaml:1:",
		"":                                 "has no diploi.yaml",
		strings.Repeat("x: &a [b]\n", 300): "diploi.yaml:",
	} {
		k.save(file)
		k.mustSay("plan.invalid", part)
		_, err := k.owner.Plan(t.Context(), "dev")
		mustFail(t, err, berth.EInvalid, part)
		_, err = k.owner.Apply(t.Context(), "dev")
		mustFail(t, err, berth.EInvalid, part)
	}
	if len(k.releases()) != 1 {
		t.Error("there is a release of a file that cannot be used")
	}
}

func TestOnlyWorkingTreesHavePlans(t *testing.T) {
	k := newDesk(t)
	k.deployment(t, "shop", "live", "production")
	_, err := k.owner.Plan(t.Context(), "live")
	mustFail(t, err, berth.EInvalid, "its diploi.yaml follows the commit")
	viewer := k.As(k.person(t, "vera", berth.RoleNone, k.d.ProjectID, berth.RoleViewer))
	_, err = viewer.Apply(t.Context(), "dev")
	mustFail(t, err, berth.EForbidden, "apply the project file")
}

func TestAStoppedDeploymentHearsNothing(t *testing.T) {
	k := newDesk(t)
	k.prepared(berth.ReleaseServing)
	must[berth.Deployment](t)(k.owner.StopDeployment(t.Context(), "dev"))
	if k.save(dbFile) || len(k.releases()) != 1 {
		t.Error("a stopped deployment followed its file")
	}
}
