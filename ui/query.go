package ui

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// patience is how long a page may take; what looks into other people's repositories or the DNS takes its time.
const patience = 2 * time.Minute

// query is one request of a browser.
type query struct {
	console *Console
	ctx     context.Context
	w       http.ResponseWriter
	r       *http.Request
	login   login
	caller  berth.Caller
	service berth.Service
	address string // of the page that is shown
	problem error  // why what was just asked for was not done
	// revealed are parameters with their secrets, for who just asked for them.
	revealed []berth.Parameter
	// link is a one-time link whose holder may choose something first.
	link *berth.Link
	// once is a secret that is shown in the answer to the form that asked for it, and never again.
	once berth.Secret
}

func (q *query) path(name string) string  { return q.r.PathValue(name) }
func (q *query) asked(name string) string { return q.r.URL.Query().Get(name) }
func (q *query) form(name string) string  { return q.r.PostFormValue(name) }

// known finds out who asks.
func (q *query) known() error {
	if q.login.cookie.Empty() {
		return berth.Errorf(berth.EUnauthenticated, "nobody is logged in")
	}
	caller, _, err := q.console.Authenticate(q.ctx, q.login.cookie)
	if err != nil {
		return err
	}
	q.caller, q.service = caller, q.console.Service(caller)
	return nil
}

// stillKnown asks again who it is, for what lasts longer than a page may take.
func (q *query) stillKnown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := *q
	now.ctx = ctx
	return now.known()
}

// role is what the caller may do to a project, or with "" on the server.
func (q *query) role(project string) (berth.Role, error) {
	if project == "" {
		return q.caller.Role, nil
	}
	return q.console.RoleOn(q.ctx, q.caller, project)
}

// open makes a query of a request and answers what panics.
func (c *Console) open(w http.ResponseWriter, r *http.Request, answer func(*query)) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	q := &query{console: c, ctx: ctx, w: w, r: r, login: loginOf(r), address: r.URL.RequestURI()}
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			panic(cause)
		default:
			c.Log.ErrorContext(ctx, "page panicked", "request", r.Method+" "+r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
			http.Error(w, berth.MessageOf(errors.New("panic")), http.StatusInternalServerError)
		}
	}()
	answer(q)
}

// handle is the way of every request to a route: who asks, is it our form, then the page or the deed.
func (c *Console) handle(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		c.open(w, request, func(q *query) {
			if !c.assets.there() {
				q.send(http.StatusServiceUnavailable, bare(q.frame("No console"), withoutAssets()))
				return
			}
			known := q.known()
			if known != nil && berth.CodeOf(known) != berth.EUnauthenticated {
				q.fail(known)
				return
			}
			if known != nil && !r.open {
				q.askLogin(r)
				return
			}
			switch {
			case r.method == http.MethodPost:
				q.act(r)
			case r.raw != nil:
				q.answer(r)
			case streams(request):
				q.stream(r.page)
			default:
				q.show(r.page, http.StatusOK)
			}
		})
	})
}

// askLogin sends a person to the login, and back afterwards; a script is told.
func (q *query) askLogin(r route) {
	if r.method != http.MethodGet || r.raw != nil || streams(q.r) {
		q.fail(berth.Errorf(berth.EUnauthenticated, "Your login has ended. Log in again."))
		return
	}
	to := "/login"
	if back := q.r.URL.RequestURI(); back != "/" {
		to += "?to=" + url.QueryEscape(back)
	}
	http.Redirect(q.w, q.r, to, http.StatusSeeOther)
}

// within returns an address of this console that something else named, or its first page.
func within(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(address, "/") ||
		strings.HasPrefix(address, "//") || strings.ContainsAny(address, "\\\r\n\t") {
		return "/"
	}
	return address
}

// act does what a form asks for, and goes on; what is refused is said on the page that the form stands on.
func (q *query) act(r route) {
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, maxForm)
	if err := q.r.ParseForm(); err != nil {
		q.fail(berth.Errorf(berth.EInvalid, "This form is too large, or did not arrive as a whole."))
		return
	}
	if !r.open && !q.login.proves(q.form(formField)) {
		q.fail(berth.Errorf(berth.EForbidden, "This form is not of your login. Load the page again, and try once more."))
		return
	}
	if r.raw != nil {
		q.answer(r)
		return
	}
	to, err := r.act(q)
	if err == nil && to == "" { // what was asked for is shown, and has no address
		q.address = q.filled(r.on)
		q.show(q.console.pages[r.on], http.StatusOK)
		return
	}
	if err == nil {
		http.Redirect(q.w, q.r, to, http.StatusSeeOther)
		return
	}
	stands, known := q.console.pages[r.on]
	if code := berth.CodeOf(err); !known || code == berth.EUnauthenticated && !r.open || code == berth.ENotFound {
		q.fail(err)
		return
	}
	q.problem, q.address = q.told(err), q.filled(r.on)
	q.show(stands, apiwire.StatusOf(berth.CodeOf(err)))
}

// answer is for what is no page.
func (q *query) answer(r route) {
	if err := r.raw(q); err != nil {
		q.fail(err)
	}
}

// filled is a route's path with what the request's own path has in its place.
func (q *query) filled(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parts[i] = url.PathEscape(q.path(strings.TrimSuffix(name, "}")))
		}
	}
	return strings.Join(parts, "/")
}

// show renders a page.
func (q *query) show(p page, status int) {
	s, err := p(q)
	if err != nil {
		q.fail(err)
		return
	}
	if s.redirect != "" {
		http.Redirect(q.w, q.r, s.redirect, http.StatusSeeOther)
		return
	}
	frame := q.frame(s.title)
	if s.bare {
		q.send(status, bare(frame, s.still))
		return
	}
	q.send(status, shell(frame, s))
}

// fail says what went wrong, on a page of its own.
func (q *query) fail(err error) {
	err = q.told(err)
	status := apiwire.StatusOf(berth.CodeOf(err))
	if !strings.Contains(q.r.Header.Get("Accept"), "text/html") {
		http.Error(q.w, berth.MessageOf(err), status)
		return
	}
	if berth.CodeOf(err) == berth.EUnauthenticated || q.service == nil && q.known() != nil {
		q.send(status, bare(q.frame("Not here"), problemAlone(status, berth.MessageOf(err))))
		return
	}
	q.send(status, shell(q.frame("Not here"), screen{still: problemPage(status, berth.MessageOf(err))}))
}

// told logs what people cannot be told.
func (q *query) told(err error) error {
	if berth.CodeOf(err) == berth.EInternal && q.r.Context().Err() == nil {
		q.console.Log.ErrorContext(q.ctx, "page failed", "request", q.r.Method+" "+q.r.URL.Path, "error", err)
	}
	return err
}

// send renders as a whole before anything is sent, so that what fails has a status of its own.
func (q *query) send(status int, content templ.Component) {
	var out bytes.Buffer
	if err := content.Render(q.ctx, &out); err != nil {
		q.console.Log.ErrorContext(q.ctx, "render page", "request", q.r.Method+" "+q.r.URL.Path, "error", err)
		http.Error(q.w, berth.MessageOf(err), http.StatusInternalServerError)
		return
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(out.Bytes()) // nobody is left to hear of an error
}
