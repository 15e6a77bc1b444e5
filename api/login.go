package api

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

const (
	// loginsPerMinute is how often one address may try; a link's secret has 128 bits, so this only keeps
	// the database quiet.
	loginsPerMinute = 10
	// addressesRemembered bounds what the limiter holds.
	addressesRemembered = 10_000
	maxLoginBody        = 4 << 10
)

// login answers POST /login, the only route that needs no caller: the link's secret says who it is.
func (a *api) login(w http.ResponseWriter, r *http.Request, limit *limiter) {
	if !limit.allow(r.RemoteAddr) {
		p := problemOf(berth.Errorf(berth.EUnavailable, "too many logins from your address: wait a minute"))
		p.Status, p.Title = http.StatusTooManyRequests, http.StatusText(http.StatusTooManyRequests)
		w.Header().Set("Retry-After", "60")
		writeProblem(w, p)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	var in apiwire.Login
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLoginBody)).Decode(&in); err != nil || in.Secret == "" {
		a.fail(w, r, &berth.Error{Code: berth.EInvalid, Field: "secret", Message: "a login needs the secret of a login link"})
		return
	}
	token, secret, err := a.Login(r.Context(), berth.NewSecret(in.Secret))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(apiwire.CreatedToken{Token: token, Secret: secret.Reveal(), CA: a.CA(), ServerURL: a.ServerURL})
}

// limiter counts tries per address in windows of a minute.
type limiter struct {
	now func() time.Time

	mu     sync.Mutex
	window time.Time
	tries  map[netip.Prefix]int
}

func newLimiter(now func() time.Time) *limiter { return &limiter{now: now} }

func (l *limiter) allow(remote string) bool {
	from := network(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.tries == nil || now.Sub(l.window) >= time.Minute {
		l.window, l.tries = now, map[netip.Prefix]int{}
	}
	if _, known := l.tries[from]; !known && len(l.tries) >= addressesRemembered {
		return false
	}
	l.tries[from]++
	return l.tries[from] <= loginsPerMinute
}

// network is whom an address stands for: one IPv4 address, a household's IPv6 network.
func network(remote string) netip.Prefix {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // a Unix socket
	}
	ip, bits := addr.Addr().Unmap(), 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits)
	return p
}
