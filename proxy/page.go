package proxy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Page is an answer for people in the place of an application's. Its texts are plain text.
type Page struct {
	Status  int    // zero: 503
	Code    string // for programs: "starting"
	Title   string
	Message string
	Details []string
	// Retry is when it makes sense to ask again; zero: not said.
	Retry time.Duration
	// Refresh makes a browser ask again by itself after Retry.
	Refresh bool
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

var (
	unknownHostPage = &Page{
		Status: http.StatusNotFound, Code: "unknown_host",
		Title:   "There is nothing here",
		Message: "No deployment on this server has this host. It may have been deleted, or the address may be mistyped.",
	}
	noTargetPage = &Page{
		Code: "unavailable", Title: "Not available",
		Message: "Nothing answers for this host at the moment.",
		Retry:   5 * time.Second, Refresh: true,
	}
	replacedPage = &Page{
		Code: "replaced", Title: "Just replaced",
		Message: "A new version took over while this request was being answered. Please try again.",
		Retry:   time.Second,
	}
	connectPage = &Page{
		Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
		Title: "Not a tunnel", Message: "This server does not answer CONNECT.",
	}
)

func unreachablePage(port int, err error) *Page {
	return &Page{
		Status: http.StatusBadGateway, Code: "unreachable",
		Title:   "The application does not answer",
		Message: reasonOf(err, port),
		Details: []string{"If it has just been started or changed, it may need another moment. Its log says what it is doing."},
		Retry:   3 * time.Second, Refresh: true,
	}
}

func (p *Page) status() int {
	if p.Status == 0 {
		return http.StatusServiceUnavailable
	}
	return p.Status
}

// RetrySeconds is Retry for headers and templates, rounded up.
func (p *Page) RetrySeconds() int {
	return int((p.Retry + time.Second - 1) / time.Second)
}

// ServeHTTP answers as problem+json (RFC 9457) who prefers JSON, everybody else with HTML.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, body := "text/html; charset=utf-8", p.html()
	if prefersJSON(r.Header.Get("Accept")) {
		kind, body = "application/problem+json", p.json()
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
	if p.Retry > 0 {
		header.Set("Retry-After", strconv.Itoa(p.RetrySeconds()))
	}
	w.WriteHeader(p.status())
	_, _ = w.Write(body) // nothing of a body is sent for HEAD; nobody is left to hear of an error
}

func (p *Page) html() []byte {
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return []byte(template.HTMLEscapeString(p.Title))
	}
	return out.Bytes()
}

func (p *Page) json() []byte {
	body, err := json.Marshal(struct {
		Title   string   `json:"title"`
		Status  int      `json:"status"`
		Detail  string   `json:"detail"`
		Code    string   `json:"code"`
		Details []string `json:"details,omitempty"`
	}{p.Title, p.status(), p.Message, p.Code, p.Details})
	if err != nil {
		return []byte("{}")
	}
	return body
}

// prefersJSON reports whether JSON comes before HTML in an Accept header. Who takes anything gets HTML.
func prefersJSON(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, err := mime.ParseMediaType(part)
		switch {
		case err != nil:
		case kind == "application/json", strings.HasSuffix(kind, "+json"):
			return true
		case kind == "text/html", kind == "application/xhtml+xml":
			return false
		}
	}
	return false
}
