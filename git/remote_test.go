package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// host serves a repository over HTTP as git's own backend does, to who knows the token.
func host(t *testing.T, s source, token string) *httptest.Server {
	t.Helper()
	exe, err := exec.Command("git", "--exec-path").Output()
	must(t, err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(exe)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + s.dir, "PATH=" + os.Getenv("PATH")},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestFetchMirrors(t *testing.T) {
	s := newSource(t)
	s.git("switch", "--quiet", "-c", "trunk")
	first := s.commit()
	s.git("branch", "gone")
	s.git("update-ref", "refs/pull/1/head", first)
	server := host(t, s, "")
	g := repositories(t)
	fetch := func() string {
		branch, err := fetchFrom(t.Context(), g, server.URL+"/.git", berth.Secret{})
		must(t, err)
		return branch
	}
	if branch := fetch(); branch != "trunk" || resolve(t, g, "trunk") != first || resolve(t, g, "HEAD") != first {
		t.Errorf("default branch %q", branch)
	}
	s.git("branch", "-D", "gone")
	s.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "rewritten")
	fetch()
	if resolve(t, g, "trunk") != s.git("rev-parse", "HEAD") {
		t.Error("the rewritten branch was not taken")
	}
	_, err := g.Resolve(t.Context(), project, "gone")
	wantCode(t, err, berth.ENotFound, "gone", "trunk")
	_, err = g.Resolve(t.Context(), project, "refs/pull/1/head")
	wantCode(t, err, berth.ENotFound)
}

// A look at an origin where nothing has moved asks for its refs and for nothing else.
func TestNothingIsFetchedWhereNothingHasMoved(t *testing.T) {
	s := newSource(t)
	s.commit()
	s.git("tag", "-a", "-m", "annotated", "v1")
	behind := host(t, s, "")
	var asked atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		behind.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	g := repositories(t)
	requests := func() int64 {
		asked.Store(0)
		_, err := fetchFrom(t.Context(), g, front.URL+"/.git", berth.Secret{})
		must(t, err)
		return asked.Load()
	}
	first := requests()
	if quiet := requests(); quiet >= first || quiet > 2 {
		t.Errorf("%d requests where nothing has moved, %d at first", quiet, first)
	}
	for what, move := range map[string]func(){"a branch": func() { s.commit() }, "a tag": func() { s.git("tag", "v2") }, "a tag less": func() { s.git("tag", "-d", "v1") }} {
		if move(); requests() <= 2 {
			t.Errorf("%s has moved, and nothing was fetched", what)
		}
		if quiet := requests(); quiet > 2 {
			t.Errorf("%d requests once %s was fetched", quiet, what)
		}
	}
	if got, want := resolve(t, g, "v2"), s.git("rev-parse", "v2"); got != want {
		t.Errorf("v2 is %s, want %s", got, want)
	}
}

func TestTokenOpensAndIsNeverShown(t *testing.T) {
	s := newSource(t)
	commit := s.commit()
	const token = "s3cr3t'$(x)"
	server := host(t, s, token)
	g := repositories(t)
	url := server.URL + "/.git"
	if _, err := fetchFrom(t.Context(), g, url, berth.NewSecret(token)); err != nil || resolve(t, g, "main") != commit {
		t.Fatal(err)
	}
	_, err := fetchFrom(t.Context(), g, url, berth.Secret{})
	wantCode(t, err, berth.EInvalid, url, "private", "token")
	_, err = fetchFrom(t.Context(), g, url, berth.NewSecret("wr0ng"))
	wantCode(t, err, berth.EInvalid, url, "wrong or expired")
	if all := fmt.Sprintf("%v %+v %v", err, err, errors.Unwrap(err)); strings.Contains(all, "wr0ng") {
		t.Errorf("the error shows the token: %s", all)
	}
	must(t, filepath.WalkDir(g.config.Dir, func(path string, d os.DirEntry, err error) error {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), token) {
			t.Errorf("%s has the token", path)
		}
		return err
	}))
}

func TestTokenDoesNotFollowARedirect(t *testing.T) {
	asked := make(chan string, 100)
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		asked <- password
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer thief.Close()
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+r.URL.String(), http.StatusFound)
	}))
	defer door.Close()
	_, err := fetchFrom(t.Context(), repositories(t), door.URL+"/x", berth.NewSecret("s3cr3t"))
	wantCode(t, err, berth.EInvalid)
	if len(asked) == 0 {
		t.Fatal("the redirect was not followed: this test shows nothing")
	}
	close(asked)
	for password := range asked {
		if password != "" {
			t.Errorf("another host got %q", password)
		}
	}
}

func TestFetchSaysWhatIsWrong(t *testing.T) {
	g := repositories(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	empty := newSource(t)
	for url, c := range map[string]struct {
		code berth.Code
		says string
	}{
		closed.URL + "/x":        {berth.EUnavailable, "does not answer"},
		nothing.URL + "/x":       {berth.EInvalid, "no Git repository"},
		secure.URL + "/x":        {berth.EUnavailable, "not trusted"},
		"https://host.invalid/x": {berth.EUnavailable, "resolve host.invalid"},
		"file:///does/not/exist": {berth.EInvalid, "no Git repository"},
		empty.url():              {berth.EInvalid, "no branch yet"},
	} {
		_, err := fetchFrom(t.Context(), g, url, berth.Secret{})
		wantCode(t, err, c.code, c.says)
	}
}

func TestBadURLs(t *testing.T) {
	g := New(Config{Dir: t.TempDir()})
	for _, url := range []string{
		"", "x", "-x", "--upload-pack=touch /tmp/x", "ext::sh -c touch% /tmp/x", "file:///etc", "/etc", "../x", "git://host/x", "ssh://host/x", "ssh://-oProxyCommand=x/y", "git@-oProxyCommand=x:y", "ssh://-x@host/y", "git@host:-x", "ssh://git:hunter2@host/x", "git@host:",
		"https://", "https:///x", "https://user:hunter2@host/x", "https://host/x?token=hunter2", "https://host/x y",
		"https://host/x\ny", "fd::3", "ftp://host/x", "http://%zz:hunter2@x/",
	} {
		_, err := fetchFrom(t.Context(), g, url, berth.Secret{})
		wantCode(t, err, berth.EInvalid)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	if entries, _ := os.ReadDir(g.config.Dir); len(entries) != 0 {
		t.Errorf("a refused URL left %v", entries)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	stuck, reached := make(chan struct{}), make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reached <- struct{}{}
		<-stuck
	}))
	defer server.Close()
	defer close(stuck)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	start := time.Now()
	_, err := fetchFrom(ctx, repositories(t), server.URL+"/x", berth.Secret{})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	g := repositories(t)
	g.config.Timeout = 300 * time.Millisecond
	_, err = fetchFrom(t.Context(), g, server.URL+"/x", berth.Secret{})
	wantCode(t, err, berth.EUnavailable, "too long")
}
