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
