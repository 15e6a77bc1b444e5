package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/danielgtaylor/huma/v2"
)

// problemOf says of an error what a person may read.
func problemOf(err error) apiwire.Problem {
	code := berth.CodeOf(err)
	status := apiwire.StatusOf(code)
	p := apiwire.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: berth.MessageOf(err), Code: code}
	if e := (*berth.Error)(nil); errors.As(err, &e) && e.Code != berth.EInternal {
		p.Detail, p.Field = e.Message, e.Field
	}
	if errors.Is(err, berth.ErrTooOften) {
		p.Status, p.Title = http.StatusTooManyRequests, http.StatusText(http.StatusTooManyRequests)
	}
	return p
}

// problem is a Problem that huma knows how to answer with.
type problem struct{ apiwire.Problem }

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return apiwire.ProblemType }

var _ interface {
	huma.StatusError
	huma.ContentTypeFilter
} = (*problem)(nil)

// problem logs what people cannot be told, once, and returns the rest.
func (a *api) problem(ctx context.Context, err error) *problem {
	p := &problem{problemOf(err)}
	if p.Code == berth.EInternal && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		a.Log.ErrorContext(ctx, "request failed", "request", requestOf(ctx), "error", err)
	}
	return p
}

// fail answers a request with a problem, where nothing was answered yet.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(w, a.problem(r.Context(), err).Problem)
}

func writeProblem(w http.ResponseWriter, p apiwire.Problem) {
	w.Header().Set("Content-Type", apiwire.ProblemType)
	if p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// problems turns huma's own errors, about bodies and parameters that do not fit, into ours. The value
// that did not fit is left out: it may be a secret.
func (a *api) problems(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := apiwire.Problem{Type: "about:blank", Title: http.StatusText(m.Status), Status: m.Status, Detail: m.Detail, Code: berth.EInvalid}
	if m.Status >= http.StatusInternalServerError {
		p.Code = berth.EInternal
	}
	if len(m.Errors) > 0 && m.Errors[0] != nil {
		p.Detail = cmp.Or(m.Errors[0].Message, p.Detail)
		_, p.Field, _ = strings.Cut(m.Errors[0].Location, ".")
	}
	return &problem{p}, nil
}

// problemResponse describes every error of every route.
var problemResponse = &huma.Response{
	Description: "What went wrong, and what to do",
	Content: map[string]*huma.MediaType{apiwire.ProblemType: {Schema: &huma.Schema{
		Type: huma.TypeObject,
		Properties: map[string]*huma.Schema{
			"type": {Type: huma.TypeString}, "title": {Type: huma.TypeString}, "status": {Type: huma.TypeInteger},
			"detail": {Type: huma.TypeString}, "field": {Type: huma.TypeString},
			"code": {Type: huma.TypeString, Enum: []any{
				string(berth.EInvalid), string(berth.EUnauthenticated), string(berth.EForbidden), string(berth.ENotFound),
				string(berth.EConflict), string(berth.EUnavailable), string(berth.EUnsupported), string(berth.EInternal),
			}},
		},
		Required: []string{"status", "detail", "code"},
	}}},
}
