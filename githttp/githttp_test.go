package githttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// repositories says what it was asked for.
type repositories struct {
	asked  []string
	answer string
	err    error

	meanwhile func() // while a push waits for its turn
	elsewhere bool   // the project has moved
}

func (r *repositories) Advertise(_ context.Context, project berth.ID, push bool, protocol string, w io.Writer) error {
	r.asked = append(r.asked, map[bool]string{true: "push ", false: "fetch "}[push]+string(project)+" "+protocol)
	_, err := io.WriteString(w, "refs")
	return errors.Join(err, r.err)
}

func (r *repositories) UploadPack(_ context.Context, _ berth.ID, _ string, in io.Reader, _ io.Writer) error {
	text, err := io.ReadAll(in)
	r.asked = append(r.asked, "upload "+string(text))
	return err
}

func (r *repositories) ReceivePack(ctx context.Context, _ berth.ID, force bool, may func(context.Context) error, in io.Reader, out io.Writer) error {
	if r.meanwhile != nil {
		r.meanwhile()
	}
	if err := may(ctx); err != nil {
		return err
	}
	text, err := io.ReadAll(in)
	r.asked = append(r.asked, map[bool]string{true: "forced ", false: "grown "}[force]+string(text))
	_, err2 := io.WriteString(out, r.answer)
	return errors.Join(err, err2, r.err)
}

func serve(t *testing.T, r *repositories, log io.Writer) http.Handler {
	t.Helper()
	return New(Config{
		Repositories: r,
		Authenticate: func(_ context.Context, token berth.Secret) (berth.Caller, error) {
			if token.Reveal() != "good" {
				return berth.Caller{}, berth.Errorf(berth.EUnauthenticated, "this is no token")
			}
			return berth.Caller{Person: "ada"}, nil
		},
		Open: func(_ context.Context, _ berth.Caller, project string, push bool) (berth.Project, error) {
			switch {
			case project == "broken":
				return berth.Project{}, errors.New("the disk says s3cret things")
			case push && r.elsewhere:
				return berth.Project{}, berth.Errorf(berth.EConflict, "push to https://git.test/shop")
			case project != "shop":
				return berth.Project{}, berth.Errorf(berth.ENotFound, "there is no project %s", project)
			}
			return berth.Project{ID: "shop000000", Name: "shop", DefaultBranch: "main", Protected: []string{"live"}}, nil
		},
		Pushed: func(_ context.Context, _ berth.Caller, _ berth.Project, say func(string) error) {
			_ = say("release 2 serves")
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

func ask(h http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://console.test"+path, strings.NewReader(body))
	if token != "" {
		r.SetBasicAuth("anybody", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhoIsLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		path, token string
		status      int
	}{
		"nobody":              {"/git/shop.git/info/refs?service=git-upload-pack", "", 401},
		"a wrong token":       {"/git/shop.git/info/refs?service=git-upload-pack", "bad", 401},
		"somebody":            {"/git/shop.git/info/refs?service=git-upload-pack", "good", 200},
		"another project":     {"/git/other.git/info/refs?service=git-receive-pack", "good", 404},
		"no repository":       {"/git/shop/info/refs?service=git-upload-pack", "good", 404},
		"out of the folder":   {"/git/..%2fshop.git/info/refs?service=git-upload-pack", "good", 404},
		"the dumb protocol":   {"/git/shop.git/info/refs", "good", 403},
		"another service":     {"/git/shop.git/info/refs?service=git-upload-archive", "good", 403},
		"a fault of our own":  {"/git/broken.git/info/refs?service=git-upload-pack", "good", 500},
		"a file of the store": {"/git/shop.git/config", "good", 404},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			r := &repositories{}
			w := ask(serve(t, r, &log), http.MethodGet, c.path, c.token, "")
			if w.Code != c.status || (c.status != 200) != (len(r.asked) == 0) {
				t.Errorf("%d %q, asked for %v", w.Code, w.Body, r.asked)
			}
			if strings.Contains(w.Body.String(), "s3cret") || strings.Contains(log.String(), "good") {
				t.Errorf("told %q, logged %q", w.Body, &log)
			}
			if c.status == 500 && !strings.Contains(log.String(), "disk") {
				t.Errorf("our own fault was not logged: %q", &log)
			}
			if c.status == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
				t.Error("git is not told to ask for a password")
			}
		})
	}
}

func TestAPushIsToldWhatBecomesOfIt(t *testing.T) {
	const result = "\x01000eunpack ok\n0000"
	for name, c := range map[string]struct {
		body  string
		asked string // "": git is not asked
		says  []string
		never string
	}{
		"of a branch":           {push("report-status side-band-64k", ones+" "+twos+" refs/heads/main"), "forced ", []string{"unpack ok", "release 2 serves"}, ""},
		"of a protected branch": {push("report-status side-band-64k", ones+" "+twos+" refs/heads/live"), "grown ", []string{"release 2 serves"}, ""},
		"without a side-band":   {push("report-status", ones+" "+twos+" refs/heads/main"), "forced ", []string{"unpack ok"}, "release 2"},
		"that is refused":       {push("report-status side-band-64k", ones+" "+zeros+" refs/heads/live"), "", []string{"ng refs/heads/live the branch is protected"}, "release 2"},
		"of nothing":            {flush, "forced ", []string{"unpack ok"}, "release 2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repositories{answer: packet(result) + flush}
			w := ask(serve(t, r, io.Discard), http.MethodPost, "/git/shop.git/git-receive-pack", "good", c.body+"PACK")
			if c.asked == "" && len(r.asked) > 0 || c.asked != "" && (len(r.asked) != 1 || r.asked[0] != c.asked+c.body+"PACK") {
				t.Errorf("git was asked %q", r.asked)
			}
			for _, text := range c.says {
				if !strings.Contains(w.Body.String(), text) {
					t.Errorf("%q does not say %q", w.Body, text)
				}
			}
			if c.never != "" && strings.Contains(w.Body.String(), c.never) || !strings.HasSuffix(w.Body.String(), flush) {
				t.Errorf("%q", w.Body)
			}
		})
	}
	if w := ask(serve(t, &repositories{}, io.Discard), http.MethodPost, "/git/shop.git/git-receive-pack", "good", "no packet"); w.Code != 400 {
		t.Errorf("what is no push: %d", w.Code)
	}
}

// Nothing is taken into a repository whose project moves elsewhere while the push waits for its turn.
func TestAPushThatComesTooLateIsToldWhereTo(t *testing.T) {
	r := &repositories{}
	r.meanwhile = func() { r.elsewhere = true }
	body := push("report-status side-band-64k", ones+" "+twos+" refs/heads/main", zeros+" "+twos+" refs/tags/v1")
	w := ask(serve(t, r, io.Discard), http.MethodPost, "/git/shop.git/git-receive-pack", "good", body+"PACK")
	for _, text := range []string{"ng refs/heads/main push to https://git.test/shop", "ng refs/tags/v1 push to https://git.test/shop"} {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("%q does not say %q", w.Body, text)
		}
	}
	if len(r.asked) > 0 || strings.Contains(w.Body.String(), "release 2") {
		t.Errorf("git was asked %q, answered %q", r.asked, w.Body)
	}
}
