package git

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// newOrigin is a bare repository that takes pushes, also over HTTP, where s pushes branches.
func newOrigin(t testing.TB, s source, branches ...string) source {
	t.Helper()
	origin := source{t, filepath.Join(t.TempDir(), ".git")}
	must(t, os.Mkdir(origin.dir, 0o755))
	origin.git("init", "--quiet", "--bare", "--initial-branch=main")
	origin.git("config", "http.receivepack", "true")
	if len(branches) > 0 {
		s.git(append([]string{"push", "--quiet", origin.url()}, branches...)...)
	}
	return origin
}

// refs are all branches and tags with what they point to.
func (s source) refs() string {
	return s.git("for-each-ref", "--format=%(objectname) %(refname)")
}

func refsOf(t testing.TB, g *Git) string {
	t.Helper()
	return source{t, g.Dir(project)}.refs()
}

func moveOut(t testing.TB, g *Git, url string) (settled int, err error) {
	t.Helper()
	_, err = g.MoveOut(t.Context(), project, berth.Upstream{URL: url}, func(berth.Fetched) error { settled++; return nil })
	return settled, err
}

func TestAHistoryMovesOut(t *testing.T) {
	s := newSource(t)
	s.commit()
	s.git("tag", "-a", "-m", "annotated", "v1")
	s.git("branch", "topic/a")
	for name, url := range map[string]func(source) string{
		"to a file":       source.url,
		"over HTTP":       func(o source) string { return host(t, source{t, filepath.Dir(o.dir)}, "").URL + "/.git" },
		"without atomics": func(o source) string { o.git("config", "receive.advertiseAtomic", "false"); return o.url() },
	} {
		t.Run(name, func(t *testing.T) {
			g := imported(t, s)
			source{t, g.Dir(project)}.git("update-ref", "refs/berth/mine", resolve(t, g, "main"))
			origin := newOrigin(t, s)
			found, err := g.MoveOut(t.Context(), project, berth.Upstream{URL: url(origin)}, func(found berth.Fetched) error {
				if found.DefaultBranch != "main" || origin.refs() != s.refs() {
					t.Errorf("settled with %+v and\n%s", found, origin.refs())
				}
				return nil
			})
			must(t, err)
			if found.DefaultBranch != "main" || origin.refs() != s.refs() {
				t.Errorf("%+v, there is\n%s\nwant\n%s", found, origin.refs(), s.refs())
			}
		})
	}
}

// What an origin has more of comes here, what it lacks goes there, and neither is rewritten.
func TestAnOriginThatHasSomeOfIt(t *testing.T) {
	s := newSource(t)
	s.commit()
	origin := newOrigin(t, s, "main")
	s.commit()
	s.git("branch", "ahead")
	g := imported(t, s)
	s.git("switch", "--quiet", "ahead")
	further := s.commit()
	s.git("push", "--quiet", origin.url(), "ahead", "HEAD:refs/heads/theirs")
	if settled, err := moveOut(t, g, origin.url()); err != nil || settled != 1 {
		t.Fatalf("settled %d times, %v", settled, err)
	}
	if refsOf(t, g) != origin.refs() || resolve(t, g, "ahead") != further || resolve(t, g, "theirs") != further || resolve(t, g, "main") != s.git("rev-parse", "main") {
		t.Errorf("here is\n%s\nthere\n%s", refsOf(t, g), origin.refs())
	}
	if settled, err := moveOut(t, g, origin.url()); err != nil || settled != 1 {
		t.Errorf("repeated: settled %d times, %v", settled, err)
	}
}

func TestAnotherHistoryIsNotOverwritten(t *testing.T) {
	for name, diverge := range map[string]func(source){
		"branch main": func(s source) { s.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "another") },
		"tag v1":      func(s source) { s.commit(); s.git("tag", "--force", "v1") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.commit()
			s.git("tag", "v1")
			s.git("branch", "free")
			g := imported(t, s)
			diverge(s)
			origin := newOrigin(t, s, "main", "v1")
			here, there := refsOf(t, g), origin.refs()
			settled, err := moveOut(t, g, origin.url())
			wantCode(t, err, berth.EConflict, name, origin.url())
			if !errors.Is(err, berth.ErrDiverged) || settled > 0 || refsOf(t, g) != here || origin.refs() != there {
				t.Errorf("%v, settled %d times; here is\n%s\nthere\n%s", err, settled, refsOf(t, g), origin.refs())
			}
		})
	}
}

func TestWhatAnOriginDoesNotTakeIsNamed(t *testing.T) {
	s := newSource(t)
	s.commit()
	s.git("branch", "locked")
	s.git("branch", "zz")
	g := imported(t, s)
	origin := newOrigin(t, s)
	hook := "#!/bin/sh\ntest \"$1\" != refs/heads/locked || { echo it is locked >&2; exit 1; }\n"
	must(t, os.WriteFile(filepath.Join(origin.dir, "hooks", "update"), []byte(hook), 0o755))
	settled, err := moveOut(t, g, origin.url())
	wantCode(t, err, berth.EConflict, "branch locked", "hook declined")
	if settled > 0 || origin.refs() != "" {
		t.Errorf("settled %d times, there is\n%s", settled, origin.refs())
	}
}

func TestMovingOutNeedsWriteAccess(t *testing.T) {
	s := newSource(t)
	s.commit()
	g := imported(t, s)
	origin := newOrigin(t, s)
	behind := host(t, source{t, filepath.Dir(origin.dir)}, "").Config.Handler
	for status, says := range map[int]string{http.StatusForbidden: "may not write to this repository", http.StatusUnauthorized: "a token that may write to it"} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.String(), "receive-pack") {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "no", status)
				return
			}
			behind.ServeHTTP(w, r)
		}))
		t.Cleanup(front.Close)
		settled, err := moveOut(t, g, front.URL+"/.git")
		wantCode(t, err, berth.EInvalid, says)
		if !errors.Is(err, berth.ErrRefused) || settled > 0 {
			t.Errorf("%v, settled %d times", err, settled)
		}
	}
}

func TestAHistoryMovesOutWithADeployKey(t *testing.T) {
	s := newSource(t)
	s.commit()
	g := imported(t, s)
	origin := newOrigin(t, s)
	h := newSSHHost(t)
	public, private := h.keygen("deploy", "ed25519")
	h.authorize(`command="echo ERROR: The key you are authenticating with has been marked as read only. >&2; exit 1" ` + public)
	upstream := berth.Upstream{URL: h.url(source{t, filepath.Dir(origin.dir)}), Key: private}
	settle := func(berth.Fetched) error { return nil }
	_, err := g.MoveOut(t.Context(), project, upstream, settle)
	wantCode(t, err, berth.EInvalid, "allow it to write")
	h.authorize(public)
	found, err := g.MoveOut(t.Context(), project, upstream, settle)
	if err != nil || len(found.HostKeys) != 1 || origin.refs() != s.refs() {
		t.Errorf("%+v, %v, there is\n%s", found, err, origin.refs())
	}
}

// A push to Berth that waits while the history moves out is asked for once that is settled, and not before.
func TestAPushWaitsUntilTheMoveIsSettled(t *testing.T) {
	s := newSource(t)
	s.commit()
	g := imported(t, s)
	origin := newOrigin(t, s)
	moved, pushed := make(chan struct{}), make(chan error, 1)
	refused := errors.New("elsewhere")
	_, err := g.MoveOut(t.Context(), project, berth.Upstream{URL: origin.url()}, func(berth.Fetched) error {
		asked := make(chan struct{})
		go func() {
			close(asked)
			pushed <- g.ReceivePack(t.Context(), project, false, func(context.Context) error {
				select {
				case <-moved:
					return refused
				default:
					return errors.New("asked too early")
				}
			}, bytes.NewReader(nil), io.Discard)
		}()
		<-asked
		close(moved)
		return nil
	})
	must(t, err)
	if err := <-pushed; !errors.Is(err, refused) {
		t.Error(err)
	}
}
