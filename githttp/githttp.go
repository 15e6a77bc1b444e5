// Package githttp serves projects' own repositories over Git's smart HTTP protocol (gitprotocol-http(5)), clone,
// fetch and push with a token as the password, and over streams that somebody else has opened. A push's side-band
// tells what becomes of it.
//
// It must not know who may do what, how repositories are kept, or how anything is deployed.
package githttp

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Prefix is where repositories are, as Prefix<project>.git.
const Prefix = "/git/"

// The services of the protocol.
const (
	upload  = "git-upload-pack"  // clone and fetch
	receive = "git-receive-pack" // push
)

// Repositories is what this package needs of package git.
type Repositories interface {
	Advertise(ctx context.Context, project berth.ID, push bool, protocol string, w io.Writer) error
	UploadPack(ctx context.Context, project berth.ID, protocol string, in io.Reader, out io.Writer) error
	// ReceivePack asks may once nobody else writes to the repository, and takes nothing where that is an error.
	ReceivePack(ctx context.Context, project berth.ID, force bool, may func(context.Context) error, in io.Reader, out io.Writer) error
}

// Config is what the repositories are served with.
type Config struct {
	Repositories Repositories
	// Authenticate says whose token this is.
	Authenticate func(ctx context.Context, token berth.Secret) (berth.Caller, error)
	// Open finds a project for a caller who reads, or pushes. What the caller may not see is ENotFound.
	Open func(ctx context.Context, caller berth.Caller, project string, push bool) (berth.Project, error)
	// Pushed is told of a push that was taken. What it says goes to who pushed, a line at a time, and say
	// fails once nobody listens any more. The context lives on when the client has gone.
	Pushed func(ctx context.Context, caller berth.Caller, project berth.Project, say func(line string) error)
	Log    *slog.Logger
}

type handler struct{ Config }

// New returns the handler of everything below Prefix.
func New(c Config) http.Handler {
	h := handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"{repository}/info/refs", h.advertise)
	mux.HandleFunc("POST "+Prefix+"{repository}/"+upload, h.upload)
	mux.HandleFunc("POST "+Prefix+"{repository}/"+receive, h.receive)
	return mux
}

func (h handler) advertise(w http.ResponseWriter, r *http.Request) {
	service := r.URL.Query().Get("service")
	if service != upload && service != receive { // the dumb protocol
		http.Error(w, "this server speaks Git's smart protocol only", http.StatusForbidden)
		return
	}
	_, p, ok := h.open(w, r, service == receive)
	if !ok {
		return
	}
	answer(w, service, "advertisement")
	protocol := r.Header.Get("Git-Protocol")
	if service == receive {
		protocol = "" // there is no version 2 of it
	}
	if protocol != "version=2" {
		_, _ = io.WriteString(w, packet("# service="+service+"\n")+flush)
	}
	if err := h.Repositories.Advertise(r.Context(), p.ID, service == receive, protocol, w); err != nil {
		h.broken(r, err)
	}
}

// maxAsked is how much a fetch may ask for; the names of a million commits are less.
const maxAsked = 64 << 20

func (h handler) upload(w http.ResponseWriter, r *http.Request) {
	_, p, ok := h.open(w, r, false)
	if !ok {
		return
	}
	body, err := content(r)
	if err != nil {
		http.Error(w, "the request is not compressed as it says", http.StatusBadRequest)
		return
	}
	answer(w, upload, "result")
	if err := h.Repositories.UploadPack(r.Context(), p.ID, r.Header.Get("Git-Protocol"), io.LimitReader(body, maxAsked), flushing{w}); err != nil {
		h.broken(r, err)
	}
}

// pushTime is how long a push may take to arrive.
const pushTime = time.Hour

func (h handler) receive(w http.ResponseWriter, r *http.Request) {
	caller, p, ok := h.open(w, r, true)
	if !ok {
		return
	}
	body, err := content(r)
	if err != nil {
		http.Error(w, "the request is not compressed as it says", http.StatusBadRequest)
		return
	}
	in := bufio.NewReader(body)
	commands, err := readCommands(in)
	if err != nil {
		http.Error(w, "the request is no push: "+err.Error(), http.StatusBadRequest)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pushTime))
	answer(w, receive, "result")
	if err := h.push(r.Context(), caller, p, commands, io.MultiReader(bytes.NewReader(commands.raw), in), flushing{w}); err != nil {
		h.broken(r, err)
	}
}

// tell has the push acted upon, and passes on what is said of it where the client can show it.
func (h handler) tell(ctx context.Context, caller berth.Caller, p berth.Project, commands commands, out *held) {
	say := func(line string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !commands.sideBand {
			return nil
		}
		return out.say(line)
	}
	h.Pushed(context.WithoutCancel(ctx), caller, p, say)
}

// open finds who asks, and the project they ask for.
func (h handler) open(w http.ResponseWriter, r *http.Request, push bool) (berth.Caller, berth.Project, bool) {
	name, isRepository := strings.CutSuffix(r.PathValue("repository"), ".git")
	_, token, ok := r.BasicAuth()
	if !ok {
		h.unauthenticated(w, "say a token of Berth's as the password: berth git-credential does it for you")
		return berth.Caller{}, berth.Project{}, false
	}
	caller, err := h.Authenticate(r.Context(), berth.NewSecret(token))
	var p berth.Project
	if err == nil {
		if !isRepository {
			err = berth.Errorf(berth.ENotFound, "repositories are at %sPROJECT.git", Prefix)
		} else {
			p, err = h.Open(r.Context(), caller, name, push)
		}
	}
	switch code := berth.CodeOf(err); {
	case err == nil:
		return caller, p, true
	case code == berth.EUnauthenticated:
		h.unauthenticated(w, berth.MessageOf(err))
	case code == berth.EInternal:
		h.broken(r, err)
		http.Error(w, "something went wrong on the server: its log says what", http.StatusInternalServerError)
	default:
		http.Error(w, berth.MessageOf(err), statusOf(code))
	}
	return berth.Caller{}, berth.Project{}, false
}

func statusOf(code berth.Code) int {
	switch code {
	case berth.ENotFound:
		return http.StatusNotFound
	case berth.EForbidden:
		return http.StatusForbidden
	case berth.EUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusConflict
}

func (h handler) unauthenticated(w http.ResponseWriter, sentence string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="berth", charset="UTF-8"`)
	http.Error(w, sentence, http.StatusUnauthorized)
}

// broken logs what is no client's doing.
func (h handler) broken(r *http.Request, err error) {
	if r.Context().Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		h.Log.WarnContext(r.Context(), "serve repository", "path", r.URL.Path, "error", err)
	}
}

func answer(w http.ResponseWriter, service, kind string) {
	w.Header().Set("Content-Type", "application/x-"+service+"-"+kind)
	w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
}

// content is the request's body, as it was before git compressed it.
func content(r *http.Request) (io.Reader, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body, nil
	}
	return gzip.NewReader(r.Body)
}

// flushing passes everything on at once: progress is for people.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}
