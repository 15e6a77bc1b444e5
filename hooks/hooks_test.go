package hooks_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/hooks"
)

func TestAnswers(t *testing.T) {
	h := hooks.New(hooks.Config{Log: slog.New(slog.DiscardHandler), Take: func(_ context.Context, path string, header http.Header, body []byte) (string, error) {
		switch path {
		case "known":
			return header.Get("X-Event") + " " + string(body), nil
		case "unsigned":
			return "", berth.Errorf(berth.EForbidden, "not signed")
		case "text":
			return "", berth.Errorf(berth.EInvalid, "no JSON")
		case "broken":
			return "", errors.New("the database's password is hunter2")
		}
		return "", berth.Errorf(berth.ENotFound, "there is no such hook")
	}})
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"POST", "known", "body", 200, "push body"},
		{"GET", "known", "", 405, "POST"},
		{"POST", "unsigned", "", 403, "not signed"},
		{"POST", "text", "", 422, "no JSON"},
		{"POST", "absent", "", 404, "no such hook"},
		{"POST", "broken", "", 500, "deliver it again later"},
		{"POST", "known", strings.Repeat("x", 1<<20+1), 413, "1 MiB"},
	} {
		r := httptest.NewRequest(c.method, hooks.Prefix+c.path, strings.NewReader(c.body))
		r.Header.Set("X-Event", "push")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

func TestDeployHooksAnswer(t *testing.T) {
	var asked []string
	h := hooks.New(hooks.Config{Log: slog.New(slog.DiscardHandler), Deploy: func(_ context.Context, slug, token, rev string) (berth.HookDeployed, error) {
		asked = append(asked, slug+" "+token+" "+rev)
		switch token {
		case "dev":
			return berth.HookDeployed{}, berth.Errorf(berth.EConflict, "it runs its working tree")
		case "often":
			return berth.HookDeployed{}, berth.Errorf(berth.EUnavailable, "%w: wait", berth.ErrTooOften)
		case "away":
			return berth.HookDeployed{}, berth.Errorf(berth.EUnavailable, "the origin does not answer")
		case "known":
			return berth.HookDeployed{Deployment: slug, Revision: 7, State: berth.ReleasePending}, nil
		}
		return berth.HookDeployed{}, berth.Errorf(berth.ENotFound, "there is no such hook")
	}})
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"POST", hooks.DeployPath("live-shop", "known"), "", 202, `"revision":7`},
		{"POST", hooks.DeployPath("live-shop", "known") + "?ref=main", "{}", 202, `"live-shop"`},
		{"POST", hooks.DeployPath("live-shop", "dev"), "", 409, "working tree"},
		{"POST", hooks.DeployPath("live-shop", "often"), "", 429, "wait"},
		{"POST", hooks.DeployPath("live-shop", "away"), "", 503, "does not answer"},
		{"POST", hooks.DeployPath("live-shop", "guess"), "", 404, "no such hook"},
		{"POST", hooks.Prefix + "deploy/", "", 404, "no such hook"},
		{"POST", hooks.DeployPath("live-shop", "known"), strings.Repeat("x", 1<<20+1), 413, "1 MiB"},
		{"GET", hooks.DeployPath("live-shop", "known"), "", 405, "POST"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Code != 202 && strings.Contains(w.Body.String(), "known") || (w.Code == 429) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %v %s", c.path, w.Header(), w.Body)
		}
	}
	if len(asked) != 7 || asked[1] != "live-shop known main" {
		t.Errorf("asked for %q", asked)
	}
}
