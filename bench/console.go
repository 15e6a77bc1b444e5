package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/ui"
)

const (
	pageGoal     = 30 * time.Millisecond
	pageRequests = 2000
)

// nowhere is a browser that counts what it is sent and keeps nothing.
type nowhere struct {
	header http.Header
	status int
	bytes  int
}

func (n *nowhere) Header() http.Header    { return n.header }
func (n *nowhere) WriteHeader(status int) { n.status = status }
func (n *nowhere) Write(p []byte) (int, error) {
	n.bytes += len(p)
	return len(p), nil
}

// pages measures what the server takes for pages of the console, without the way to the browser.
func pages(ctx context.Context, store *sqlite.Store, all everything, n int) (rows []row, err error) {
	console, err := ui.New(ui.Config{
		Service: all.service, Authenticate: all.AuthenticateLogin, LinkOf: all.LinkOf, EnterByLink: all.EnterByLink,
		LoginByPassword: all.LoginByPassword, Logout: all.Logout, RoleOn: all.RoleOn, Changes: store.Subscribe, Guide: os.DirFS("docs/guide"),
		CA: func() string { return "" }, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	defer console.Close()
	owner, err := all.Machine(ctx)
	if err != nil {
		return nil, err
	}
	link, err := all.As(owner).CreateLoginLink(ctx, "")
	if err != nil {
		return nil, err
	}
	_, cookie, err := all.EnterByLink(ctx, secretOf(link), berth.Choices{}, berth.LoginClient{})
	if err != nil {
		return nil, err
	}
	for _, page := range []struct{ name, path string }{{"projects", "/"}, {"overview", "/deployments/" + berth.Slug("deployment-0", "project-0")}} {
		took, bytes, err := visits(ctx, console, page.path, cookie)
		if err != nil {
			return rows, err
		}
		p99 := quantile(took, 0.99)
		rows = append(rows, row{what: fmt.Sprintf("console's page of %s with %d deployments, %d kB, server time, p99 of %d (median %s)", page.name, n, bytes/1000, len(took), milliseconds(quantile(took, 0.5))),
			value: milliseconds(p99), goal: "< 30 ms", met: p99 < pageGoal})
	}
	return rows, nil
}

// secretOf is what a login link holds between # and the authority's fingerprint.
func secretOf(link berth.LoginLink) berth.Secret {
	_, after, _ := strings.Cut(link.URL.Reveal(), "#")
	secret, _, _ := strings.Cut(after, ".")
	return berth.NewSecret(secret)
}

func visits(ctx context.Context, console http.Handler, path string, cookie berth.Secret) (took []time.Duration, bytes int, err error) {
	for range pageRequests {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://console.berth.localhost"+path, nil)
		if err != nil {
			return nil, 0, err
		}
		r.Header.Set("Accept", "text/html")
		r.AddCookie(&http.Cookie{Name: "__Host-berth", Value: cookie.Reveal()})
		to := &nowhere{header: http.Header{}}
		began := time.Now()
		console.ServeHTTP(to, r)
		took, bytes = append(took, time.Since(began)), to.bytes
		if to.status != http.StatusOK {
			return nil, 0, fmt.Errorf("page %s: status %d: was scripts/assets.sh run?", path, to.status)
		}
	}
	return took, bytes, nil
}
