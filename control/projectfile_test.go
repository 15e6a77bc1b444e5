package control_test

import (
	"errors"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
	"github.com/google/go-cmp/cmp"
)

// proposes makes the world propose a text, and counts how often it was asked.
func (w *world) proposes(text string, fault error) *int {
	asked := new(int)
	w.Propose = func(t control.Tree) (string, []berth.FileNote, error) {
		*asked++
		names, err := t.List("")
		return text, []berth.FileNote{{Line: 1, Kind: berth.NoteFound, Text: "it is there", Source: names[0]}}, errors.Join(err, fault)
	}
	return asked
}

func TestAProposalCountsWhereTheCommitHasNoFile(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.project(t, "shop")
	wish := berth.NewDeployment{Name: "web", Stage: "production", Branch: "empty"}
	_, err := w.owner.CreateDeployment(ctx, "shop", wish)
	mustFail(t, err, berth.EInvalid, "or let berth up propose one")

	w.proposes("usual", nil)
	f := must[berth.ProjectFile](t)(w.owner.ProposeProjectFile(ctx, "shop", "empty"))
	want := berth.ProjectFile{Origin: berth.FileProposed, Branch: "empty", Commit: bare, Text: "usual", ChangedAt: w.now,
		Notes: []berth.FileNote{{Line: 1, Kind: berth.NoteFound, Text: "it is there", Source: "Dockerfile"}}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Fatal(diff)
	}
	wish.Set = map[string]string{"absent.A": "1"}
	_, err = w.owner.CreateDeployment(ctx, "shop", wish)
	mustFail(t, err, berth.EInvalid, "it has web, api, postgres")
	wish.Set = nil
	if d := must[berth.Deployment](t)(w.owner.CreateDeployment(ctx, "shop", wish)); d.Commit != bare {
		t.Fatalf("%+v", d)
	}
	// A commit's own file goes before it.
	f = must[berth.ProjectFile](t)(w.owner.ProjectFile(ctx, "shop", "next"))
	if f.Origin != berth.FileCommitted || f.Text != "staged" || f.Commit != two || f.Notes != nil {
		t.Errorf("%+v", f)
	}
	_, err = w.owner.CreateDeployment(ctx, "shop", berth.NewDeployment{Name: "pr", Stage: "production", Branch: "next", Set: map[string]string{"api.A": "1"}})
	mustFail(t, err, berth.EInvalid, "the stack has no element api; it has web")
	_, err = w.owner.ProposeProjectFile(ctx, "shop", "broken")
	mustFail(t, err, berth.EInvalid, "diploi.yaml:3:5: components[0].package: is missing")
}

func TestAProposalFollowsTheRepositoryUntilAPersonWritesOne(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.git.branches = map[string]string{"main": bare}
	w.project(t, "shop")
	asked := w.proposes("usual", nil)
	for range 2 {
		must[berth.ProjectFile](t)(w.owner.ProposeProjectFile(ctx, "shop", ""))
	}
	if kinds := w.events(t, "project.proposed"); kinds != 1 || *asked != 2 {
		t.Errorf("asked %d times, told %d times", *asked, kinds)
	}
	w.proposes("staged", nil)
	must[berth.ProjectFile](t)(w.owner.ProposeProjectFile(ctx, "shop", ""))
	if p := must[berth.Project](t)(w.owner.Project(ctx, "shop")); len(p.Stages) != 3 || p.Stages[1].Identifier != "preview" {
		t.Errorf("the project offers %v", p.Stages)
	}
	_, err := w.owner.SetProjectFile(ctx, "shop", "nonsense")
	mustFail(t, err, berth.EInvalid, "diploi.yaml:3:5: components[0].package: is missing")
	f := must[berth.ProjectFile](t)(w.owner.SetProjectFile(ctx, "shop", "usual"))
	if f.Origin != berth.FileWritten || f.Notes != nil {
		t.Errorf("%+v", f)
	}
	asked = w.proposes("staged", nil)
	f = must[berth.ProjectFile](t)(w.owner.ProposeProjectFile(ctx, "shop", ""))
	if f.Text != "usual" || *asked != 0 {
		t.Errorf("what a person wrote became %+v", f)
	}
}

func TestACommittedFileIsNotWrittenOver(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	_, err := w.owner.SetProjectFile(t.Context(), "shop", "staged")
	mustFail(t, err, berth.EConflict, "the branch main of shop has a diploi.yaml of its own")
}

func TestNothingIsKeptOfARefusedProposal(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.git.branches = map[string]string{"main": bare}
	w.project(t, "shop")
	w.proposes("", berth.Errorf(berth.EInvalid, "Berth found nothing"))
	_, err := w.owner.ProposeProjectFile(ctx, "shop", "")
	mustFail(t, err, berth.EInvalid, "Berth found nothing")
	if f := must[berth.ProjectFile](t)(w.owner.ProjectFile(ctx, "shop", "")); f.Origin != "" || f.Text != "" || f.Commit != bare {
		t.Errorf("%+v", f)
	}
}

// events counts those of a kind.
func (w *world) events(t *testing.T, kind string) (n int) {
	t.Helper()
	w.update(t, func(tx *sqlite.Tx) error {
		all, err := tx.Events(berth.Everything(), "", 0, 0)
		for _, e := range all {
			if e.Kind == kind {
				n++
			}
		}
		return err
	})
	return n
}
