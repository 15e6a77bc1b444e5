package control_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
)

// board is a Git host on which commits have statuses.
type board struct {
	told []string // "commit state context"
	fail error
}

func (b *board) take(_ context.Context, u berth.GitURL, token berth.Secret, s berth.CommitStatus) error {
	if b.fail != nil {
		return b.fail
	}
	b.told = append(b.told, fmt.Sprintf("%s %s %s", s.Commit[:1], s.State, s.Context))
	if u.Host != "git.test" || token.Reveal() != "t0ken" || len(s.Description) > 140 || s.URL != map[bool]string{true: "https://web-web-shop.test", false: "https://console.test/releases/web-shop"}[s.State == berth.CommitSuccess] {
		b.told = append(b.told, fmt.Sprintf("%+v of %s with %s", s, u, token.Reveal()))
	}
	return nil
}

// reporting is a world with a project whose host takes statuses, and a deployment of it.
func reporting(t *testing.T) (*world, *board, berth.Deployment) {
	t.Helper()
	w, b := newWorld(t), &board{}
	w.ReportStatus = b.take
	if _, err := w.owner.CreateProject(t.Context(), berth.NewProject{Name: "shop", GitURL: "https://git.test/shop.git", GitToken: berth.NewSecret("t0ken")}); err != nil {
		t.Fatal(err)
	}
	d := w.deployment(t, "shop", "web", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: d.ID, Element: "web", Identifier: "app", Label: "web-web-shop"})
	})
	w.deployment(t, "shop", "dev", "development")
	w.git.files[two], w.git.files[three] = "usual", "usual"
	return w, b, d
}

// told has everything reported that there is, and returns what the host heard.
func (w *world) told(t *testing.T, b *board) (told []string) {
	t.Helper()
	ids, err := w.Unreported(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := w.ReportCommits(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	told, b.told = b.told, nil
	return told
}

func (w *world) state(t *testing.T, d berth.Deployment, revision int, state berth.ReleaseState) {
	t.Helper()
	w.update(t, func(tx *sqlite.Tx) error {
		list, err := tx.Releases(d.ID, 0)
		for _, r := range list {
			if r.Revision == revision {
				r.State = state
				if state == berth.ReleaseServing {
					r.ServingAt = tx.Now()
				}
				err = errors.Join(err, tx.UpdateRelease(r))
			}
		}
		return err
	})
}

func TestCommitsHaveTheStateOfTheirReleases(t *testing.T) {
	w, b, d := reporting(t)
	push := func(commit string) {
		t.Helper()
		w.git.branches["main"] = commit
		if _, err := w.Follow(t.Context(), d.ProjectID, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"it begins", func() {}, []string{"1 pending berth/web-shop"}},
		{"nothing happens", func() {}, nil},
		{"it goes on", func() { w.state(t, d, 1, berth.ReleaseStarting) }, nil},
		{"it serves", func() { w.state(t, d, 1, berth.ReleaseServing) }, []string{"1 success berth/web-shop"}},
		{"a push overtakes another", func() { push(two); push(three) }, []string{"3 pending berth/web-shop"}},
		{"what was never told of is not told", func() { w.state(t, d, 2, berth.ReleaseSuperseded) }, nil},
		{"a push overtakes what was told of", func() { push(two); w.state(t, d, 3, berth.ReleaseSuperseded) }, []string{"3 cancelled berth/web-shop", "2 pending berth/web-shop"}},
		{"it fails", func() { w.state(t, d, 4, berth.ReleaseFailed) }, []string{"2 failure berth/web-shop"}},
		{"another release of the same commit", func() {
			if _, err := w.owner.Deploy(t.Context(), "web", ""); err != nil {
				t.Fatal(err)
			}
			w.state(t, d, 5, berth.ReleaseServing)
		}, []string{"2 success berth/web-shop"}},
		{"it is taken back", func() { w.state(t, d, 5, berth.ReleaseFailed); w.state(t, d, 1, berth.ReleaseServing) }, []string{"2 failure berth/web-shop"}},
	} {
		step.do()
		if got := w.told(t, b); !slices.Equal(got, step.want) {
			t.Errorf("%s: told %q, want %q", step.name, got, step.want)
		}
	}
	o, err := w.owner.OriginState(t.Context(), "shop")
	if err != nil || !o.ReportedAt.Equal(w.Now()) || o.ReportError != "" {
		t.Errorf("%+v, %v", o, err)
	}
}

// A server that is killed has told nothing of how the release ended; its successor does.
func TestWhatWasNotReportedIsReportedByTheNextServer(t *testing.T) {
	w, b, d := reporting(t)
	w.told(t, b)
	w.state(t, d, 1, berth.ReleaseServing)
	w.Control = control.New(w.Config)
	if got := w.told(t, b); !slices.Equal(got, []string{"1 success berth/web-shop"}) {
		t.Errorf("told %q", got)
	}
	if got := w.told(t, b); len(got) != 0 {
		t.Errorf("told again %q", got)
	}
}

func TestAHostThatTakesNoStatusIsToldOfOnce(t *testing.T) {
	events := func(w *world) (list []string) {
		w.update(t, func(tx *sqlite.Tx) error {
			all, err := tx.Events(berth.Everything(), "", 0, 0)
			for _, e := range all {
				if e.Kind == "commit.unreported" {
					list = append(list, e.Message)
				}
			}
			return err
		})
		return list
	}
	w, b, d := reporting(t)
	b.fail = &berth.Error{Code: berth.EForbidden, Message: "git.test refuses the status", Err: berth.ErrRefused}
	w.told(t, b)
	w.state(t, d, 1, berth.ReleaseServing)
	w.told(t, b)
	w.git.branches["main"] = two
	if _, err := w.Follow(t.Context(), d.ProjectID, ""); err != nil {
		t.Fatal(err)
	}
	w.told(t, b)
	if got := events(w); len(got) != 1 || !strings.Contains(got[0], "git.test refuses the status") {
		t.Errorf("events %q", got)
	}
	if o, err := w.owner.OriginState(t.Context(), "shop"); err != nil || o.ReportError != "git.test refuses the status" {
		t.Errorf("%+v, %v", o, err)
	}
	if ids, err := w.Unreported(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("it is asked for ever: %v, %v", ids, err)
	}
	b.fail = nil
	if _, err := w.owner.ConnectProject(t.Context(), "shop", berth.Connection{GitToken: berth.NewSecret("t0ken")}); err != nil {
		t.Fatal(err)
	}
	if got := w.told(t, b); !slices.Equal(got, []string{"2 pending berth/web-shop"}) {
		t.Errorf("with another token: %q", got)
	}

	b.fail = berth.Errorf(berth.EUnavailable, "git.test does not answer")
	w.state(t, d, 2, berth.ReleaseServing)
	w.told(t, b)
	again, err := w.ReportCommits(t.Context(), d.ID)
	if err != nil || again <= 0 || again > time.Minute {
		t.Errorf("again in %s, %v", again, err)
	}
	b.fail = nil
	if got := w.told(t, b); len(got) != 0 {
		t.Errorf("it was not left alone: %q", got)
	}
	w.pass(again)
	if got := w.told(t, b); !slices.Equal(got, []string{"2 success berth/web-shop"}) {
		t.Errorf("once it answers: %q", got)
	}
	if got := events(w); len(got) != 2 {
		t.Errorf("events %q", got)
	}
}

func TestNothingIsReportedWithoutAToken(t *testing.T) {
	w, b := newWorld(t), &board{}
	w.ReportStatus = b.take
	w.project(t, "shop")
	w.deployment(t, "shop", "web", "production")
	if ids, err := w.Unreported(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
}
