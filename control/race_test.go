package control_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
)

// between runs fn beside the first look into a commit, after whoever looks has found where the branch is. It waits for
// fn a while, which fn, kept out, does not end in.
func (w *world) between(fn func()) (done chan struct{}) {
	read, first := w.ReadStack, true
	done = make(chan struct{})
	w.ReadStack = func(file string, data []byte) (control.Stack, error) {
		if first {
			first = false
			go func() { defer close(done); fn() }()
			select {
			case <-done:
			case <-time.After(200 * time.Millisecond):
			}
		}
		return read(file, data)
	}
	return done
}

// Whoever looked first where a branch was must not have the last word.
func TestAPushThatRacesAnotherOrADeployIsWhatStays(t *testing.T) {
	for name, look := range map[string]func(w *world, p berth.Project) error{
		"another push": func(w *world, p berth.Project) error { _, err := w.Follow(context.Background(), p.ID, ""); return err },
		"a deploy": func(w *world, _ berth.Project) error {
			_, err := w.owner.Deploy(context.Background(), "web", "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.project(t, "shop")
			w.deployment(t, "shop", "web", "production")
			w.git.files[two], w.git.files[three] = "usual", "usual"
			w.git.branches["main"] = two
			done := w.between(func() {
				w.git.move("main", three)
				if _, err := w.Follow(context.Background(), p.ID, ""); err != nil {
					t.Error(err)
				}
			})
			if err := look(w, p); err != nil {
				t.Fatal(err)
			}
			<-done
			if got := w.causes(t, "web"); got[0] != "push 3" || len(got) > 3 {
				t.Errorf("releases %v", got)
			}
			if list, err := w.Follow(t.Context(), p.ID, ""); err != nil || len(list) != 0 {
				t.Errorf("the last push was not acted upon: %v, %v", list, err)
			}
		})
	}
}

func TestAPushToABranchThatIsLeftDeploysNothing(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	w.git.files[two], w.git.files[three] = "usual", "usual"
	w.git.branches["main"] = three
	done := w.between(func() {
		if _, err := w.owner.FollowBranch(context.Background(), "web", "next"); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.Follow(t.Context(), p.ID, ""); err != nil {
		t.Fatal(err)
	}
	<-done
	if got := w.causes(t, "web"); got[0] != "branch 2" {
		t.Errorf("releases %v", got)
	}
}

// What is asked for last is what stays, and nothing is acted upon twice.
func TestPushesBesideRollbacksForceAndDeletion(t *testing.T) {
	w := newWorld(t)
	p := w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.git.files[two], w.git.files[three] = "usual", "usual"
	w.complete(t, d, berth.ReleaseServing)
	w.state(t, d, 1, berth.ReleaseServing)
	follow := func() {
		t.Helper()
		for range 2 {
			if _, err := w.Follow(t.Context(), p.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	serve := func(revision int) {
		w.complete(t, d, berth.ReleaseStarting)
		w.state(t, d, revision-1, berth.ReleaseSuperseded)
		w.state(t, d, revision, berth.ReleaseServing)
	}
	w.git.branches["main"] = two
	follow()
	serve(2)
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"a rollback", func() error { _, err := w.owner.Rollback(t.Context(), "web", 1); return err }, "rollback 1"},
		{"nothing is pushed since", func() error { return nil }, "rollback 1"},
		{"a push while it starts", func() error { w.git.branches["main"] = three; return nil }, "push 3"},
		{"a push forced back", func() error { w.git.branches["main"] = one; return nil }, "push 1"},
		{"the branch is deleted", func() error { delete(w.git.branches, "main"); return nil }, "push 1"},
		{"it comes back elsewhere", func() error { w.git.branches["main"] = two; return nil }, "push 2"},
	} {
		before := w.causes(t, "web")
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		follow()
		got := w.causes(t, "web")
		if got[0] != step.want || len(got) > len(before)+1 {
			t.Errorf("%s: releases %v", step.name, got)
		}
	}
	if got := w.causes(t, "web"); !slices.Equal(got, []string{"push 2", "push 1", "push 3", "rollback 1", "push 2", "created 1"}) {
		t.Errorf("releases %v", got)
	}
}
