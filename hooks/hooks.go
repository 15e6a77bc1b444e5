// Package hooks hears what Git hosts deliver when a branch moved, and whoever knows the URL that deploys a
// deployment. None of them is a person: the secret of the project's hook, with which a delivery is signed, or the
// token in the URL stands for one.
//
// It must not know how a delivery or a token is checked, which projects there are, or what becomes of a push.
package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Prefix is where hooks are heard; what follows it is the secret path of one.
const Prefix = "/hooks/"

// DeployPath is the path of the URL that deploys a deployment.
func DeployPath(slug, token string) string { return Prefix + deploy + slug + "/" + token }

// deploy begins the paths of deploy hooks; the secret path of a webhook has no slash.
const deploy = "deploy/"

const (
	maxDelivery  = 1 << 20 // bytes
	deliveryTime = 10 * time.Second
	deployTime   = 10 * time.Minute // the origin is fetched first
)

// Config is what a Handler is made of.
type Config struct {
	// Take hears a delivery and says what becomes of it. ENotFound for a hook that there is not, EForbidden for a
	// delivery that is not signed with its secret, EInvalid for one that cannot be read.
	Take func(ctx context.Context, path string, header http.Header, body []byte) (answer string, err error)
	// Deploy deploys the deployment of a slug for whoever knows the token of its hook. ENotFound for a hook that
	// there is not; behind the error of one that is used too often is berth.ErrTooOften.
	Deploy func(ctx context.Context, slug, token, rev string) (berth.HookDeployed, error)
	Log    *slog.Logger
}

// Handler answers POSTs below Prefix: webhooks in plain text, deploy hooks in JSON.
type Handler struct{ config Config }

// New returns a Handler.
func New(c Config) *Handler { return &Handler{c} }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a hook takes POST", http.StatusMethodNotAllowed)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(deliveryTime)) // HTTP/2 has limits of its own
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if err != nil {
		http.Error(w, "a delivery has at most 1 MiB, and comes within 10 s", http.StatusRequestEntityTooLarge)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, Prefix)
	if target, ok := strings.CutPrefix(path, deploy); ok {
		h.deploy(w, r, target)
		return
	}
	answer, err := h.config.Take(r.Context(), path, r.Header, body)
	if err != nil {
		h.refuse(w, err)
		return
	}
	_, _ = io.WriteString(w, answer+"\n")
}

// deploy does not read what a caller sends: the URL says it all. Its errors name no path, for the token is in it.
func (h *Handler) deploy(w http.ResponseWriter, r *http.Request, target string) {
	ctx, cancel := context.WithTimeout(r.Context(), deployTime)
	defer cancel()
	slug, token, _ := strings.Cut(target, "/")
	answer, err := h.config.Deploy(ctx, slug, token, r.URL.Query().Get("ref"))
	if err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(answer)
}

func (h *Handler) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, berth.ErrTooOften) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, berth.MessageOf(err), http.StatusTooManyRequests)
		return
	}
	switch berth.CodeOf(err) {
	case berth.EConflict:
		http.Error(w, berth.MessageOf(err), http.StatusConflict)
	case berth.EUnavailable:
		http.Error(w, berth.MessageOf(err), http.StatusServiceUnavailable)
	case berth.ENotFound:
		http.Error(w, berth.MessageOf(err), http.StatusNotFound)
	case berth.EForbidden:
		http.Error(w, berth.MessageOf(err), http.StatusForbidden)
	case berth.EInvalid:
		http.Error(w, berth.MessageOf(err), http.StatusUnprocessableEntity)
	default:
		h.config.Log.Error("hear delivery", "error", err)
		http.Error(w, "the server could not take it; deliver it again later", http.StatusInternalServerError)
	}
}
