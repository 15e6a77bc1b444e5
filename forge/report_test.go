package forge_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/forge"
)

// host is a Git host of one of the kinds, under any name.
type host struct {
	t      *testing.T
	kind   string // gitlab, gitea, github: what it answers as; other: a plain web server
	status int    // of the answer to a status; zero: success
	body   string
	asked  []string // method and path
	told   map[string]string
	host   string // that was asked for
}

const (
	statusToken = "s3cret-t0ken"
	commit      = "0123456789012345678901234567890123456789"
)

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.asked, h.host = append(h.asked, r.Method+" "+r.URL.EscapedPath()), r.Host
	answer := func(status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
	if r.Method == http.MethodGet {
		if r.Header.Get("Authorization") != "" {
			h.t.Errorf("%s was shown the token before anybody knew what it is", r.URL)
		}
		switch {
		case h.kind == "gitlab" && r.URL.Path == "/api/v4/version":
			answer(401, `{"message":"401 Unauthorized"}`)
		case h.kind == "gitea" && r.URL.Path == "/api/v1/version":
			answer(200, `{"version":"1.22.0"}`)
		case h.kind == "github" && r.URL.Path == "/api/v3/meta":
			answer(200, `{}`)
		case h.kind == "down":
			answer(502, `{}`)
		default:
			http.Redirect(w, r, "/login", http.StatusFound)
		}
		return
	}
	want := map[string]string{"gitlab": "Bearer ", "github": "Bearer ", "gitea": "token "}[h.kind] + statusToken
	if r.Header.Get("Authorization") != want {
		h.t.Errorf("%s: authorised with %q", r.URL, r.Header.Get("Authorization"))
	}
	if err := json.NewDecoder(r.Body).Decode(&h.told); err != nil {
		h.t.Error(err)
	}
	if h.status == 307 {
		http.Redirect(w, r, "https://elsewhere.test/", http.StatusTemporaryRedirect)
		return
	}
	if h.status != 0 {
		answer(h.status, h.body)
		return
	}
	answer(201, `{}`)
}

// reporter reaches h under every name.
func (h *host) reporter(t *testing.T) *forge.Reporter {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	return &forge.Reporter{Client: forge.NewClient(&http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(server.URL, "https://"))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	})}
}

func gitURL(t *testing.T, text string) berth.GitURL {
	t.Helper()
	u, err := berth.ParseGitURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func status(state berth.CommitState) berth.CommitStatus {
	return berth.CommitStatus{Commit: commit, State: state, Context: "berth/live-shop", Description: "Release 5 of live-shop serves", URL: "https://web-live-shop.example.com"}
}

func TestStatusesAreToldInEachHostsWay(t *testing.T) {
	for _, c := range []struct{ kind, url, host, path string }{
		{"github", "https://github.com/owner/shop.git", "api.github.com", "/repos/owner/shop/statuses/" + commit},
		{"github", "https://code.example.com/owner/shop", "code.example.com", "/api/v3/repos/owner/shop/statuses/" + commit},
		{"gitlab", "https://gitlab.com/group/sub/shop.git", "gitlab.com", "/api/v4/projects/group%2Fsub%2Fshop/statuses/" + commit},
		{"gitlab", "https://code.example.com:8443/group/shop", "code.example.com:8443", "/api/v4/projects/group%2Fshop/statuses/" + commit},
		{"gitea", "https://codeberg.org/owner/shop", "codeberg.org", "/api/v1/repos/owner/shop/statuses/" + commit},
		{"gitea", "https://code.example.com/owner/shop", "code.example.com", "/api/v1/repos/owner/shop/statuses/" + commit},
	} {
		h := &host{t: t, kind: c.kind}
		r := h.reporter(t)
		for state, word := range map[berth.CommitState][2]string{
			berth.CommitPending: {"pending", "pending"}, berth.CommitSuccess: {"success", "success"},
			berth.CommitFailure: {"failure", "failed"}, berth.CommitCancelled: {"error", "canceled"},
		} {
			if err := r.Report(t.Context(), gitURL(t, c.url), berth.NewSecret(statusToken), status(state)); err != nil {
				t.Fatalf("%s: %v", c.url, err)
			}
			want := word[0]
			if c.kind == "gitlab" {
				want = word[1]
			}
			if h.told["state"] != want || h.told["context"] != "berth/live-shop" || h.told["target_url"] != "https://web-live-shop.example.com" || h.told["description"] == "" {
				t.Errorf("%s of %s was told %v", c.kind, c.url, h.told)
			}
		}
		if last := h.asked[len(h.asked)-1]; last != "POST "+c.path || h.host != c.host {
			t.Errorf("%s: asked %s of %s", c.url, last, h.host)
		}
		if known := len(h.asked); known > 4+3 {
			t.Errorf("%s was asked what it is more than once: %v", c.url, h.asked)
		}
	}
}

func TestWhatHostsDoNotTake(t *testing.T) {
	for name, c := range map[string]struct {
		kind, url string
		status    int
		body      string
		code      berth.Code
		refused   bool
	}{
		"a token that may not":       {"github", "https://github.com/o/n", 403, `{"message":"s3cret"}`, berth.EForbidden, true},
		"a repository that is gone":  {"gitea", "https://codeberg.org/o/n", 404, `{}`, berth.EForbidden, true},
		"a host that was moved":      {"gitlab", "https://gitlab.com/o/n", 307, ``, berth.EForbidden, true},
		"too many requests":          {"github", "https://github.com/o/n", 429, `{}`, berth.EUnavailable, false},
		"a broken host":              {"gitlab", "https://gitlab.com/o/n", 502, `{}`, berth.EUnavailable, false},
		"a host that cannot say":     {"down", "https://code.example.com/o/n", 0, ``, berth.EUnavailable, false},
		"a host of another kind":     {"other", "https://code.example.com/o/n", 0, ``, berth.EUnsupported, false},
		"a host that takes none":     {"other", "https://bitbucket.org/o/n", 0, ``, berth.EUnsupported, false},
		"SSH":                        {"other", "git@github.com:o/n.git", 0, ``, berth.EUnsupported, false},
		"what it knows already":      {"gitlab", "https://gitlab.com/o/n", 400, `{"message":"Cannot transition status via :enqueue from :pending"}`, "", false},
		"what it finds wrong":        {"gitlab", "https://gitlab.com/o/n", 400, `{"message":"target_url is blocked"}`, berth.EForbidden, true},
		"a commit that is not there": {"github", "https://github.com/o/n", 422, `{}`, berth.EForbidden, true},
	} {
		h := &host{t: t, kind: c.kind, status: c.status, body: c.body}
		err := h.reporter(t).Report(t.Context(), gitURL(t, c.url), berth.NewSecret(statusToken), status(berth.CommitSuccess))
		if berth.CodeOf(err) != c.code || errors.Is(err, berth.ErrRefused) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v repeats a secret", name, err)
		}
	}
	var refused *url.Error
	r := &forge.Reporter{Client: forge.NewClient(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }})}
	if err := r.Report(t.Context(), gitURL(t, "https://github.com/o/n"), berth.NewSecret(statusToken), status(berth.CommitSuccess)); berth.CodeOf(err) != berth.EUnavailable || !errors.As(err, &refused) {
		t.Errorf("a host that cannot be reached: %v", err)
	}
}
