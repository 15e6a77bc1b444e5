package release_test

import (
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// TestAKeptFileCountsWhereTheSourceHasNone: in build stages for the commit, in development for the
// working tree; a file of the source's own goes before it.
func TestAKeptFileCountsWhereTheSourceHasNone(t *testing.T) {
	for _, of := range []berth.ID{prod, dev} {
		b := newBench(t)
		b.commit("c1", "web/Dockerfile", from)
		id := b.ask(of, "c1")
		b.wantFailed(b.prepare(of, id), "has no diploi.yaml", "berth up")

		b.update(func(tx *sqlite.Tx) error {
			return tx.PutProjectFile(project, berth.ProjectFile{Origin: berth.FileProposed, Text: head + web})
		})
		if r := b.complete(of, "c1"); len(r.Elements) != 1 || r.Elements[0].Identifier != "web" {
			t.Errorf("%s runs %v", of, r.Elements)
		}
	}
	b := newBench(t)
	b.commit("c1", "web/Dockerfile", from, "api/Dockerfile", from, "diploi.yaml", head+api)
	b.update(func(tx *sqlite.Tx) error {
		return tx.PutProjectFile(project, berth.ProjectFile{Origin: berth.FileProposed, Text: head + web})
	})
	if r := b.complete(prod, "c1"); len(r.Elements) != 1 || r.Elements[0].Identifier != "api" {
		t.Errorf("a committed file was passed over: %v", r.Elements)
	}
}
