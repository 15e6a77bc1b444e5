package ui

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/berth-dev/berth"
)

// loginPage asks who somebody is. A login link puts its secret behind #, which stays in the browser until the page
// sends it; what is not sent by script can be pasted.
func loginPage(q *query) (screen, error) {
	to := within(q.asked("to") + q.form("to"))
	if q.service != nil {
		return screen{redirect: to}, nil
	}
	problem := ""
	if q.problem != nil {
		problem = berth.MessageOf(q.problem)
	}
	if q.link != nil {
		return screen{title: "Welcome", bare: true, still: welcome(*q.link, q.form("link"), to, problem)}, nil
	}
	return screen{title: "Log in", bare: true, still: loginForm(to, problem)}, nil
}

// logIn takes a one-time link, whole or from its # on. Who comes for the first time, or wants another password, is asked
// what to choose; all others are in.
func logIn(q *query) (string, error) {
	link, err := q.takeLink()
	if err != nil {
		return "", err
	}
	known, err := q.console.LinkOf(q.ctx, link)
	if err != nil {
		return "", err
	}
	if known.Purpose != berth.LinkLogin || q.form("choose") != "" {
		q.link = &known
		return "", nil
	}
	return q.enter(link, berth.Choices{})
}

// enter uses a link up, with what its holder chose.
func enter(q *query) (string, error) {
	link, err := q.takeLink()
	if err != nil {
		return "", err
	}
	to, err := q.enter(link, berth.Choices{Name: strings.TrimSpace(q.form("name")), Password: berth.NewSecret(q.form("password"))})
	if err != nil {
		if known, lost := q.console.LinkOf(q.ctx, link); lost == nil { // it is still good: only the choice was not
			q.link = &known
		}
	}
	return to, err
}

func (q *query) enter(link berth.Secret, choose berth.Choices) (string, error) {
	begun, cookie, err := q.console.EnterByLink(q.ctx, link, choose, clientOf(q.r))
	return q.remember(begun, cookie, err)
}

func logInByPassword(q *query) (string, error) {
	begun, cookie, err := q.console.LoginByPassword(q.ctx, strings.TrimSpace(q.form("name")), berth.NewSecret(q.form("password")), clientOf(q.r))
	return q.remember(begun, cookie, err)
}

// remember has the browser keep a login, and goes where it wanted to.
func (q *query) remember(begun berth.Login, cookie berth.Secret, err error) (string, error) {
	if err != nil {
		return "", err
	}
	login{cookie}.remember(q.w, int(begun.ExpiresAt.Sub(q.console.Now()).Seconds()))
	return within(q.form("to")), nil
}

// takeLink is the secret of a login link: what stands between # and the fingerprint of the authority.
func (q *query) takeLink() (berth.Secret, error) {
	link := strings.TrimSpace(q.form("link"))
	if _, after, found := strings.Cut(link, "#"); found {
		link = after
	}
	secret, _, _ := strings.Cut(link, ".")
	if secret == "" {
		return berth.Secret{}, &berth.Error{Code: berth.EInvalid, Message: "Paste the whole login link, with all that stands behind its #."}
	}
	return berth.NewSecret(secret), nil
}

// logOut ends the login itself, not only this browser's memory of it.
func logOut(q *query) (string, error) {
	if err := q.console.Logout(q.ctx, q.login.cookie); err != nil {
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

// welcomeWords greet the holder of a link.
func welcomeWords(l berth.Link) (title, words string) {
	switch l.Purpose {
	case berth.LinkSetUp:
		return "Welcome to Berth", "This server is yours. Choose what you are called here, and a password for the next time."
	case berth.LinkInvitation:
		return "Welcome, " + l.Person, "You were invited to this server. Choose a password for the next time."
	}
	return "Hello, " + l.Person, "Choose a new password. Your other logins end with the old one."
}
