package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// Reporter tells Git hosts what became of commits. It is safe for concurrent use.
type Reporter struct {
	// Client reaches the hosts. It must follow no redirect, which would carry the token elsewhere.
	Client *http.Client

	mu    sync.Mutex
	found map[string]software // by host, of those whose name does not say it
}

// NewClient returns a client as Reporter needs it, over a transport.
func NewClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// software is what a Git host runs, as far as it takes statuses.
type software string

const (
	gitHub       software = "GitHub"
	gitHubServer software = "GitHub Enterprise Server"
	gitLab       software = "GitLab"
	gitea        software = "Gitea or Forgejo"
	unknown      software = ""
)

// Report sets the status of a commit, with a token that its repository's host gave out. Blocks for a minute at most.
// Doing it again is no error. Behind the error of a host that does not take it is berth.ErrRefused, and the code of one
// that no status can be given to is EUnsupported. Sources: GitHub "REST API: Create a commit status" (statuses, and
// /api/v3 of Enterprise Server), GitLab "Commits API: Set commit pipeline status", Gitea and Forgejo API
// repoCreateStatus.
func (r *Reporter) Report(ctx context.Context, u berth.GitURL, token berth.Secret, s berth.CommitStatus) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if u.Scheme != "https" || token.Empty() {
		return berth.Errorf(berth.EUnsupported, "statuses are reported over https:// with a token")
	}
	kind, err := r.softwareOf(ctx, u)
	if err != nil {
		return err
	}
	if kind == unknown {
		return berth.Errorf(berth.EUnsupported, "%s is no GitHub, GitLab, Gitea or Forgejo, which take statuses of commits", u.Host)
	}
	request, err := statusRequest(ctx, kind, u, token, s)
	if err != nil {
		return err
	}
	response, err := r.Client.Do(request)
	if err != nil {
		return unanswered(ctx, u, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return judge(kind, u, response, body)
}

// statusRequest is how each software is told.
func statusRequest(ctx context.Context, kind software, u berth.GitURL, token berth.Secret, s berth.CommitStatus) (*http.Request, error) {
	at, fields := base(u)+"/api/v1/repos/"+escaped(u)+"/statuses/"+s.Commit, map[string]string{
		"context": s.Context, "description": s.Description, "target_url": s.URL, "state": string(s.State)}
	if s.State == berth.CommitCancelled {
		fields["state"] = "error"
	}
	switch kind {
	case gitHub:
		at = "https://api.github.com/repos/" + escaped(u) + "/statuses/" + s.Commit
	case gitHubServer:
		at = base(u) + "/api/v3/repos/" + escaped(u) + "/statuses/" + s.Commit
	case gitLab:
		at = base(u) + "/api/v4/projects/" + url.PathEscape(repository(u)) + "/statuses/" + s.Commit
		fields["state"] = map[berth.CommitState]string{berth.CommitPending: "pending", berth.CommitSuccess: "success",
			berth.CommitFailure: "failed", berth.CommitCancelled: "canceled"}[s.State]
	}
	if s.URL == "" {
		delete(fields, "target_url")
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make status request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	scheme := "Bearer "
	if kind == gitea {
		scheme = "token "
	}
	request.Header.Set("Authorization", scheme+token.Reveal())
	return request, nil
}

// judge says what an answer means. It repeats nothing of the body but what is compared.
func judge(kind software, u berth.GitURL, response *http.Response, body []byte) error {
	status := response.StatusCode
	switch {
	case status/100 == 2:
		return nil
	case kind == gitLab && status == http.StatusBadRequest && bytes.Contains(body, []byte("Cannot transition status")):
		return nil // it is in this state already
	case status == http.StatusTooManyRequests, status >= 500, status == http.StatusForbidden && response.Header.Get("X-Ratelimit-Remaining") == "0":
		return berth.Errorf(berth.EUnavailable, "%s does not take the status of a commit just now (status %d)", u.Host, status)
	}
	return &berth.Error{Code: berth.EForbidden, Err: berth.ErrRefused,
		Message: fmt.Sprintf("%s refuses the status of a commit of %s (it answers %d): %s", u.Host, repository(u), status, needs[kind])}
}

// needs says what a token must be good for.
var needs = map[software]string{
	gitHub:       "the token needs write access to commit statuses, repo:status of a classic one",
	gitHubServer: "the token needs write access to commit statuses, repo:status of a classic one",
	gitLab:       "the token needs the scope api and the role Developer",
	gitea:        "the token needs write access to the repository",
}

// softwareOf tells by its name what a host runs, and asks where that does not say it.
func (r *Reporter) softwareOf(ctx context.Context, u berth.GitURL) (software, error) {
	has := func(name string) bool { return strings.Contains(u.Host, name) }
	switch {
	case u.Host == "github.com":
		return gitHub, nil
	case u.Host == "bitbucket.org":
		return unknown, nil
	case has("gitlab"):
		return gitLab, nil
	case u.Host == "codeberg.org", has("gitea"), has("forgejo"):
		return gitea, nil
	}
	r.mu.Lock()
	kind, known := r.found[base(u)]
	r.mu.Unlock()
	if known {
		return kind, nil
	}
	kind, err := r.ask(ctx, u)
	if err != nil || kind == unknown { // what it runs may change
		return kind, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found = map[string]software{}
	}
	r.found[base(u)] = kind
	return kind, nil
}

// ask knocks, without the token, at a path that one software alone has: it answers, or wants to know who asks.
func (r *Reporter) ask(ctx context.Context, u berth.GitURL) (software, error) {
	for _, has := range []struct {
		path string
		kind software
	}{{"/api/v4/version", gitLab}, {"/api/v1/version", gitea}, {"/api/v3/meta", gitHubServer}} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base(u)+has.path, nil)
		if err != nil {
			return unknown, fmt.Errorf("ask %s what it runs: %w", u.Host, err)
		}
		response, err := r.Client.Do(request)
		if err != nil {
			return unknown, unanswered(ctx, u, err)
		}
		isJSON := strings.HasPrefix(response.Header.Get("Content-Type"), "application/json")
		_ = response.Body.Close()
		switch status := response.StatusCode; {
		case status >= 500:
			return unknown, berth.Errorf(berth.EUnavailable, "%s answers with status %d", u.Host, status)
		case isJSON && (status == http.StatusOK || status == http.StatusUnauthorized || status == http.StatusForbidden):
			return has.kind, nil
		}
	}
	return unknown, nil
}

func unanswered(ctx context.Context, u berth.GitURL, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &berth.Error{Code: berth.EUnavailable, Message: u.Host + " does not answer", Err: err}
}

// escaped is the repository as a path of a URL.
func escaped(u berth.GitURL) string { return (&url.URL{Path: repository(u)}).EscapedPath() }

func base(u berth.GitURL) string {
	if u.Port == "" {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Host, u.Port)
}
