package ui

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/berth-dev/berth"
)

const (
	// loginCookie can be set by this host over TLS only, and is sent to it alone (RFC 6265bis, 4.1.3.2).
	loginCookie = "__Host-berth"
	themeCookie = "theme"
	// formField carries what proves that a form is one of ours.
	formField = "proof"
	// maxForm bounds what a form may send: a project file or a .env is the largest.
	maxForm = 1 << 20
)

// policy lets a page load what this server gives and nothing else, and run no script or style that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "no-store")
}

// foreign reports whether another origin's page sent a request. Applications live on sibling hosts, to which the
// login's cookie of SameSite is no stranger: links to a page may come from anywhere, nothing else may.
func foreign(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		link := reads && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		return site != "same-origin" && site != "none" && !link
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return !reads
	}
	u, err := url.Parse(origin)
	return err != nil || u.Scheme != "https" || u.Host != r.Host
}

// login is who a browser says it is.
type login struct{ cookie berth.Secret }

func loginOf(r *http.Request) login {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return login{}
	}
	return login{berth.NewSecret(cookie.Value)}
}

func (l login) remember(w http.ResponseWriter, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: l.cookie.Reveal(), Path: "/", MaxAge: seconds,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func forget(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// proof is what the forms of one login carry. Only pages that this login was shown have it.
func (l login) proof() string {
	sum := hmac.New(sha256.New, []byte(l.cookie.Reveal()))
	sum.Write([]byte("forms of the console"))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

func (l login) proves(text string) bool { return hmac.Equal([]byte(text), []byte(l.proof())) }
