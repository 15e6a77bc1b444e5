// Package api is the HTTP API: JSON under /api/v1, described at /openapi.json, with streams for logs,
// events and terminals. It knows who asks and turns each request into one call of berth.Service.
//
// It must not know how anything is done: it sees package berth only, and all rules about persons and
// projects are the service's. Nothing answers without a known caller but a login link.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Config is what the API is made of.
type Config struct {
	// Service is every verb for one caller.
	Service func(berth.Caller) berth.Service
	// Authenticate says whose token this is; EUnauthenticated when nobody's.
	Authenticate func(ctx context.Context, token berth.Secret) (berth.Caller, error)
	// Login exchanges the secret of a login link for a token.
	// Behind the error of who tries too often is berth.ErrTooOften.
	Login func(ctx context.Context, link berth.Secret, client berth.LoginClient) (berth.Token, berth.Secret, error)
	// Machine is the caller behind the Unix socket.
	Machine func(ctx context.Context) (berth.Caller, error)
	// OwnerUIDs may use the Unix socket besides root.
	OwnerUIDs []int
	// OurHost reports whether requests over the network may name this host. Anything else is a rebound
	// name or somebody else's.
	OurHost   func(host string) bool
	CA        func() string
	ServerURL string
	Version   string
	Log       *slog.Logger
	Now       func() time.Time
}

const (
	// usual is how long a request may take that only reads and writes the store.
	usual = 30 * time.Second
	// patient is how long a request may take that reads a Git repository elsewhere.
	patient = 10 * time.Minute
	// bodyTime is how long a client may take to send a JSON body.
	bodyTime = 30 * time.Second
	// maxBody bounds a JSON body, maxBundle an uploaded repository.
	maxBody   = 1 << 20
	maxBundle = 2 << 30
)

// api is the routes in the making.
type api struct {
	Config
	mux  *http.ServeMux
	huma huma.API
}

// New returns the handler of all routes. Serve it on the Unix socket with PeerContext as ConnContext, and
// elsewhere only behind TLS.
func New(c Config) http.Handler {
	a := &api{Config: c, mux: http.NewServeMux()}
	config := huma.DefaultConfig("Berth", c.Version)
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil // no pages, no $schema in answers
	config.OpenAPIPath = ""
	config.Transformers = []huma.Transformer{a.problems}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"token": {}}}
	a.huma = humago.New(a.mux, config)
	a.serverRoutes()
	a.peopleRoutes()
	a.loginRoutes()
	a.projectRoutes()
	a.sourceRoutes()
	a.registryRoutes()
	a.sshKeyRoutes()
	a.projectFileRoutes()
	a.deploymentRoutes()
	a.planRoutes()
	a.environmentRoutes()
	a.sharedRoutes()
	a.releaseRoutes()
	a.branchRoutes()
	a.hostRoutes()
	a.domainRoutes()
	a.hookRoutes()
	a.streamRoutes()
	a.storageRoutes()
	a.mailRoutes()
	a.mux.Handle("GET /openapi.json", a.description())
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, berth.Errorf(berth.ENotFound, "there is no route %s %s: /openapi.json lists them", r.Method, r.URL.Path))
	})
	return a.recovered(a.sameSite(a.open(a.authenticated(a.mux))))
}

// route is an operation with its least surprising settings.
func route(id, method, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: apiwire.Prefix + path, Summary: summary,
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTime,
		Responses: map[string]*huma.Response{"default": problemResponse},
	}
}

type answer[T any] struct{ Body T }

// call registers a route that turns one JSON request into one JSON answer within a time limit.
func call[I, O any](a *api, op huma.Operation, limit time.Duration, fn func(ctx context.Context, s berth.Service, in *I) (O, error)) {
	huma.Register(a.huma, withResponses(op), func(ctx context.Context, in *I) (*answer[O], error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		out, err := fn(ctx, serviceOf(ctx), in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return &answer[O]{out}, nil
	})
}

// do is call for a verb that answers nothing.
func do[I any](a *api, op huma.Operation, limit time.Duration, fn func(ctx context.Context, s berth.Service, in *I) error) {
	op.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, withResponses(op), func(ctx context.Context, in *I) (*struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if err := fn(ctx, serviceOf(ctx), in); err != nil {
			return nil, a.problem(ctx, err)
		}
		return nil, nil
	})
}

// withResponses copies the map that huma writes into.
func withResponses(op huma.Operation) huma.Operation {
	responses := map[string]*huma.Response{}
	for status, r := range op.Responses {
		responses[status] = r
	}
	op.Responses = responses
	return op
}

// raw registers a route that reads or writes something other than JSON. An error that handler returns
// before it wrote anything becomes a problem.
func raw(a *api, op huma.Operation, handler func(w http.ResponseWriter, r *http.Request, s berth.Service) error) {
	op = withResponses(op)
	a.huma.OpenAPI().AddOperation(&op)
	a.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{}) // streams last as long as somebody watches
		_ = control.SetWriteDeadline(time.Time{})
		if err := handler(w, r, serviceOf(r.Context())); err != nil {
			a.fail(w, r, err)
		}
	})
}

// streams describes a raw route's answer and parameters.
func streams(op huma.Operation, contentType, description string, params ...*huma.Param) huma.Operation {
	op.Responses["200"] = &huma.Response{Description: description, Content: map[string]*huma.MediaType{contentType: {}}}
	op.Parameters = params
	return op
}

func inPath(name string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
}

func inQuery(name, kind, description string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
}

// description serves what New made, encoded once.
func (a *api) description() http.Handler {
	text, err := a.huma.OpenAPI().MarshalJSON()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			a.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(text)
	})
}
