// Package hooks hears what Git hosts deliver when a branch moved. Who delivers is no person: the secret of the
// project's hook, with which a delivery is signed, stands for one.
//
// It must not know how a delivery is checked, which projects there are, or what becomes of a push.
package hooks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Prefix is where hooks are heard; what follows it is the secret path of one.
const Prefix = "/hooks/"

const (
	maxDelivery  = 1 << 20 // bytes
	deliveryTime = 10 * time.Second
)

// Config is what a Handler is made of.
type Config struct {
	// Take hears a delivery and says what becomes of it. ENotFound for a hook that there is not, EForbidden for a
	// delivery that is not signed with its secret, EInvalid for one that cannot be read.
	Take func(ctx context.Context, path string, header http.Header, body []byte) (answer string, err error)
	Log  *slog.Logger
}

// Handler answers POSTs below Prefix in plain text.
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
	answer, err := h.config.Take(r.Context(), strings.TrimPrefix(r.URL.Path, Prefix), r.Header, body)
	if err != nil {
		h.refuse(w, err)
		return
	}
	_, _ = io.WriteString(w, answer+"\n")
}

func (h *Handler) refuse(w http.ResponseWriter, err error) {
	switch berth.CodeOf(err) {
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
