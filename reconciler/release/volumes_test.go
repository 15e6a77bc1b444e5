package release_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// detached returns a deployment's volumes by name, and whether nothing uses them.
func (b *bench) detached(of berth.ID) map[string]bool {
	b.Helper()
	out := map[string]bool{}
	b.view(func(tx *sqlite.Tx) error {
		all, err := tx.Volumes(of)
		for _, v := range all {
			out[v.Element+"/"+v.Identifier] = v.Detached
		}
		return err
	})
	return out
}

func TestAVolumeOutlivesItsElement(t *testing.T) {
	b := newBench(t)
	b.commit("with", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	b.commit("without", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.complete(prod, "with")
	data := filepath.Join(b.volumes.Path(berth.Volume{Deployment: prod, Element: "db", Identifier: "postgres"}), "data")
	if err := os.WriteFile(data, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		commit   string
		detached bool
	}{{"with", false}, {"without", true}, {"without", true}, {"with", false}} {
		b.complete(prod, step.commit)
		if detached, known := b.detached(prod)["db/postgres"]; !known || detached != step.detached {
			t.Errorf("%s: known %v, detached %v", step.commit, known, detached)
		}
		if text, err := os.ReadFile(data); string(text) != "precious" {
			t.Errorf("%s: the data is %q, %v", step.commit, text, err)
		}
	}
}

func TestTheCodeVolumeIsNeverDetached(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.complete(dev, "c1")
	b.complete(dev, "c1")
	if detached, known := b.detached(dev)["/"+berth.CodeVolume]; !known || detached {
		t.Errorf("known %v, detached %v", known, detached)
	}
}

func TestAReleaseThatFailsDetachesNothing(t *testing.T) {
	b := newBench(t)
	b.commit("with", "diploi.yaml", head+web+db, "web/Dockerfile", from)
	b.commit("broken", "diploi.yaml", head+web)
	b.complete(prod, "with")
	b.wantFailed(b.prepare(prod, b.ask(prod, "broken")))
	if b.detached(prod)["db/postgres"] {
		t.Error("the database of the release that serves is detached")
	}
}

// Packages know stages of the kind development by that name only.
func TestAVolumeOfDevelopmentIsInEveryStageOfThatKind(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", mine("go"))
	sandbox := deployment("sandboxsan", "box", berth.KindDevelopment)
	sandbox.Stage = "sandbox"
	b.update(func(tx *sqlite.Tx) error { return tx.CreateDeployment(sandbox) })
	for of, want := range map[berth.ID]bool{dev: true, sandbox.ID: true, prod: false} {
		b.complete(of, "c1")
		if _, has := b.detached(of)["web/cache"]; has != want {
			t.Errorf("%s has the volume: %v, want %v", of, has, want)
		}
	}
}
