package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

type nothing struct{}

// serverRoutes are about the server and who is asking.
func (a *api) serverRoutes() {
	call(a, route("whoami", "GET", "/whoami", "Who is asking whom"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) (berth.Whoami, error) { return s.Whoami(ctx) })

	raw(a, streams(route("ca", "GET", "/ca", "The server's local certificate authority"), "application/x-pem-file", "PEM"),
		func(w http.ResponseWriter, r *http.Request, s berth.Service) error {
			pem, err := s.CA(r.Context())
			return writeText(w, "application/x-pem-file", pem, err)
		})

	raw(a, streams(route("metrics", "GET", "/metrics", "What there is to measure about the server"), "text/plain; version=0.0.4", "Prometheus' text format"),
		func(w http.ResponseWriter, r *http.Request, s berth.Service) error {
			text, err := s.Metrics(r.Context())
			return writeText(w, "text/plain; version=0.0.4; charset=utf-8", text, err)
		})

	call(a, created(route("create-login-link", "POST", "/login-links", "Make a one-time login link")), usual,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.NewLoginLink }) (apiwire.LoginLink, error) {
			return shownLink(s.CreateLoginLink(ctx, in.Body.Person))
		})

	call(a, route("list-tokens", "GET", "/tokens", "The caller's API tokens"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.Token, error) {
			return list(s.Tokens(ctx))
		})

	call(a, created(route("create-token", "POST", "/tokens", "Make an API token of the caller")), usual,
		func(ctx context.Context, s berth.Service, in *struct{ Body apiwire.NewToken }) (apiwire.CreatedToken, error) {
			t, secret, err := s.CreateToken(ctx, berth.NewToken{Name: in.Body.Name, Role: in.Body.Role, TTL: time.Duration(in.Body.TTLSeconds) * time.Second})
			return apiwire.CreatedToken{Token: t, Secret: secret.Reveal()}, err
		})

	do(a, route("delete-token", "DELETE", "/tokens/{token}", "End an API token"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Token berth.ID `path:"token"`
		}) error {
			return s.DeleteToken(ctx, in.Token)
		})

	call(a, route("list-packages", "GET", "/packages", "The built-in catalogue"), usual,
		func(ctx context.Context, s berth.Service, _ *nothing) ([]berth.PackageInfo, error) {
			return list(s.Packages(ctx))
		})

	call(a, route("get-package", "GET", "/packages/{package}", "A package of the catalogue"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			Package string `path:"package"`
		}) (berth.PackageInfo, error) {
			return s.Package(ctx, in.Package)
		})
}

// shownLink is a link with its secret.
func shownLink(l berth.LoginLink, err error) (apiwire.LoginLink, error) {
	return apiwire.LoginLink{URL: l.URL.Reveal(), Person: l.Person, ExpiresAt: l.ExpiresAt, Install: l.Install}, err
}

func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

func accepted(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusAccepted
	return op
}

// list makes no rows an empty array.
func list[T any](rows []T, err error) ([]T, error) {
	if rows == nil {
		rows = []T{}
	}
	return rows, err
}

func writeText(w http.ResponseWriter, contentType, text string, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = io.WriteString(w, text) // a client that left needs no answer
	return nil
}
