package release_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/stackfile"
)

func (b *bench) code() string {
	return b.volumes.Path(berth.Volume{Deployment: dev, Identifier: berth.CodeVolume})
}

func TestACloneThatWasCutShortIsStartedOverAndACompleteOneIsNeverTouched(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	whole := b.runner.run
	b.runner.run = func(task engine.Task) (int, error) {
		for dir := range task.Mounts {
			if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o600); err != nil {
				return 0, err
			}
		}
		return 0, errors.New("the server dies here")
	}
	id := b.ask(dev, "c1")
	if err := b.turn(dev); err == nil {
		t.Fatal("the loop does not hear of the failure")
	}
	b.runner.run = whole
	if r := b.prepare(dev, id); r.State != berth.ReleaseBuilding {
		t.Fatalf("the release is %s: %q", r.State, r.Message)
	}
	if _, err := os.Stat(filepath.Join(b.code(), "half")); !os.IsNotExist(err) {
		t.Errorf("what the first clone left is still there: %v", err)
	}

	work := filepath.Join(b.code(), "my work")
	if err := os.WriteFile(work, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.build(id, 8080)
	b.prepare(dev, id)
	b.complete(dev, "c1")
	if _, err := os.Stat(work); err != nil || len(b.runner.tasks) != 2 {
		t.Errorf("%d clones; what was written since: %v", len(b.runner.tasks), err)
	}
}

func TestACloneReadsTheMirrorAndRemembersTheOrigin(t *testing.T) {
	for name, c := range map[string]struct{ url, origin string }{
		"Berth's own repository": {"", "https://console.berth.test/git/shop.git"},
		"one from outside":       {"https://example.com/shop.git", "https://example.com/shop.git"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
			b.update(func(tx *sqlite.Tx) error {
				return tx.UpdateProject(berth.Project{ID: project, Name: "shop", GitURL: c.url, DefaultBranch: "main"})
			})
			b.ask(dev, "c1")
			if err := b.turn(dev); err != nil {
				t.Fatal(err)
			}
			task := b.runner.tasks[0]
			if end := task.Command[len(task.Command)-3:]; !slices.Equal(end, []string{"--", c.origin, "/app"}) {
				t.Errorf("git ends with %q", end)
			}
			if task.User != "1000:1000" || task.Mounts[b.code()] != "/app" || task.ReadOnly["/git/projectaaa.git"] == "" {
				t.Errorf("the task is %+v", task)
			}
		})
	}
}

func TestAFailedCloneSaysWhatGitSaid(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.runner.run = func(task engine.Task) (int, error) {
		_, err := task.Output.Write([]byte("Cloning into '/app'...\nfatal: Remote branch main not found\n"))
		return 128, err
	}
	id := b.ask(dev, "c1")
	err := b.turn(dev)
	r := b.release(id)
	if berth.CodeOf(err) != berth.EUnavailable || r.State != berth.ReleaseBuilding || !strings.Contains(r.Message, "fatal: Remote branch main not found") {
		t.Errorf("%v; the release is %s: %q", err, r.State, r.Message)
	}
}

func TestAReleaseIsPreparedWhileItsCodeIsCloned(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+"  - {name: Web, identifier: web, package: nodejs}\n"+db)
	b.complete(prod, "c1") // what it builds is there
	id := b.ask(dev, "c1")
	b.build(id)
	whole := b.runner.run
	b.runner.run = func(task engine.Task) (int, error) {
		for b.release(id).State != berth.ReleaseBuilding {
			if t.Context().Err() != nil {
				return 0, t.Context().Err()
			}
		}
		return whole(task)
	}
	b.prepare(dev, id)
	b.build(id)
	if r := b.prepare(dev, id); r.State != berth.ReleaseStarting {
		t.Errorf("the release is %s: %q", r.State, r.Message)
	}
}

// The server may have died when all but the clone was done.
func TestAReleaseThatStartsWithoutItsCodeGetsIt(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	r := b.complete(dev, "c1")
	b.update(func(tx *sqlite.Tx) error { return tx.DeleteVolume(dev, "", berth.CodeVolume) })
	if err := os.WriteFile(filepath.Join(b.code(), "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if after := b.prepare(dev, r.ID); after.State != berth.ReleaseStarting || len(after.Elements) != 1 {
		t.Errorf("the release is %s with %d elements: %q", after.State, len(after.Elements), after.Message)
	}
	if _, err := os.Stat(filepath.Join(b.code(), "half")); !os.IsNotExist(err) {
		t.Errorf("the clone was not made anew: %v", err)
	}
	b.view(func(tx *sqlite.Tx) error {
		volumes, err := tx.Volumes(dev)
		if !berth.HasCode(volumes) {
			t.Error("the clone is not known to be complete")
		}
		return err
	})
}

// save writes a file of the working tree, as somebody who edits it does.
func (b *bench) save(name, text string) {
	b.Helper()
	file := filepath.Join(b.code(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// In development the working tree's project file counts once, and then what was applied of it; in build
// stages that of the commit.
func TestWhereAReleaseReadsItsFiles(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from)
	b.complete(dev, "c1")
	b.save("diploi.yaml", head+web+api)
	b.save("api/Dockerfile", from)
	if r := b.complete(dev, "c1"); len(r.Elements) != 1 {
		t.Errorf("development runs %d elements, 1 was applied", len(r.Elements))
	}
	b.apply(head + web + api)
	for range 2 {
		if r := b.complete(dev, "c1"); len(r.Elements) != 2 {
			t.Errorf("development runs %d elements, 2 were applied", len(r.Elements))
		}
	}
	if r := b.complete(prod, "c1"); len(r.Elements) != 1 {
		t.Errorf("production runs %d elements, its commit has 1", len(r.Elements))
	}
}

func TestACloneSaysWhatToDoAboutSubmodules(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+web, "web/Dockerfile", from, ".gitmodules", "[submodule]")
	b.prepare(dev, b.ask(dev, "c1"))
	b.prepare(dev, b.ask(dev, "c1")) // no clone, no word
	var told []berth.Event
	b.view(func(tx *sqlite.Tx) (err error) {
		told, err = tx.Events(berth.Everything(), dev, 0, 10)
		return err
	})
	if len(told) != 1 || !strings.Contains(told[0].Message, "git submodule update --init --recursive") {
		t.Errorf("told: %+v", told)
	}
}

// apply makes a release of a project file, as control does, which is overtaken before it is prepared.
func (b *bench) apply(file string) berth.ID {
	b.Helper()
	project, _, err := stackfile.ParseProject("diploi.yaml", []byte(file))
	if err != nil {
		b.Fatal(err)
	}
	text, err := project.Encode()
	if err != nil {
		b.Fatal(err)
	}
	id := b.ask(dev, "c1")
	b.update(func(tx *sqlite.Tx) error { return tx.PutStack(id, text) })
	return id
}

func TestWhatFailedWasNotApplied(t *testing.T) {
	b := newBench(t)
	b.commit("c1", "diploi.yaml", head+"  - {identifier: web, package: cobol}\n", "web/Dockerfile", from)
	b.wantFailed(b.prepare(dev, b.ask(dev, "c1")), "cobol")
	b.save("diploi.yaml", head+web)
	b.save("web/Dockerfile", from)
	if r := b.complete(dev, "c1"); len(r.Elements) != 1 {
		t.Errorf("development runs %d elements, want the one of the mended file", len(r.Elements))
	}
	b.wantFailed(b.prepare(dev, b.apply(head+"  - {identifier: web, package: cobol}\n")), "cobol")
	if r := b.complete(dev, "c1"); element(r, "web").Identifier == "" {
		t.Error("the release after one that failed does not run what ran before")
	}
}
