package api

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

const maxLoginBody = 4 << 10

// login answers POST /login, the only route that needs no caller: the link's secret says who it is.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	var in apiwire.Login
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLoginBody)).Decode(&in); err != nil || in.Secret == "" {
		a.fail(w, r, &berth.Error{Code: berth.EInvalid, Field: "secret", Message: "a login needs the secret of a login link"})
		return
	}
	token, secret, err := a.Login(r.Context(), berth.NewSecret(in.Secret), clientOf(r))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(apiwire.CreatedToken{Token: token, Secret: secret.Reveal(), CA: a.CA(), ServerURL: a.ServerURL})
}

// clientOf is what is known of who sent a request.
func clientOf(r *http.Request) berth.LoginClient {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // a Unix socket has none
	c := berth.LoginClient{UserAgent: r.UserAgent()}
	if from.IsValid() {
		c.Address = from.Addr().String()
	}
	return c
}
