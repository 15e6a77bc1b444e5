package ui

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// loginPage asks who somebody is. A login link puts its secret behind #, which stays in the browser until the page
// sends it; what is not logged in by script can be pasted.
func loginPage(q *query) (screen, error) {
	to := within(q.asked("to"))
	if q.service != nil {
		return screen{redirect: to}, nil
	}
	problem := ""
	if q.problem != nil {
		problem = berth.MessageOf(q.problem)
	}
	return screen{title: "Log in", bare: true, still: loginForm(to, problem)}, nil
}

// logIn takes a login link, whole or from its # on, and remembers whom it is for.
func logIn(q *query) (string, error) {
	secret := linkSecret(q.form("link"))
	if secret == "" {
		return "", &berth.Error{Code: berth.EInvalid, Message: "Paste the whole login link: it ends with # and two long words."}
	}
	begun, value, err := q.console.Login(q.ctx, berth.NewSecret(secret), clientOf(q.r))
	if err != nil {
		return "", err
	}
	login{begun.ID, value}.remember(q.w, int(time.Until(begun.ExpiresAt).Seconds()))
	return within(q.form("to")), nil
}

// linkSecret is the secret of a login link: what stands between # and the fingerprint of the authority.
func linkSecret(link string) string {
	link = strings.TrimSpace(link)
	if _, after, found := strings.Cut(link, "#"); found {
		link = after
	}
	secret, _, _ := strings.Cut(link, ".")
	return secret
}

// logOut ends the login itself, not only this browser's memory of it.
func logOut(q *query) (string, error) {
	if err := q.service.DeleteLogin(q.ctx, q.login.id); err != nil && berth.CodeOf(err) != berth.ENotFound {
		return "", err
	}
	forget(q.w)
	return "/login", nil
}

// clientOf is what is known of the browser.
func clientOf(r *http.Request) berth.LoginClient {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return berth.LoginClient{Address: from.Addr().String(), UserAgent: r.UserAgent()}
}
