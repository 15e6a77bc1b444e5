package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

var (
	firefox = berth.LoginClient{Address: "203.0.113.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
	phrase  = berth.NewSecret("correct horse battery")
)

// secretOf is what a link's page sends.
func secretOf(l berth.LoginLink) berth.Secret {
	_, s, _ := strings.Cut(l.URL.Reveal(), "#")
	s, _, _ = strings.Cut(s, ".")
	return berth.NewSecret(s)
}

func (w *world) link(t *testing.T, person string) berth.Secret {
	t.Helper()
	return secretOf(must[berth.LoginLink](t)(w.owner.CreateLoginLink(t.Context(), person)))
}

// enters logs a browser in by a link.
func (w *world) enters(t *testing.T, person string, choose berth.Choices) (berth.Login, berth.Secret) {
	t.Helper()
	w.pass(time.Minute) // so that tests log in as often as they like
	l, cookie, err := w.EnterByLink(t.Context(), w.link(t, person), choose, firefox)
	if err != nil {
		t.Fatal(err)
	}
	return l, cookie
}

func (w *world) ended(t *testing.T, cookie berth.Secret) bool {
	t.Helper()
	_, _, err := w.AuthenticateLogin(t.Context(), cookie)
	if err != nil && berth.CodeOf(err) != berth.EUnauthenticated {
		t.Fatal(err)
	}
	return err != nil
}

func TestLoginsAreNoTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	l, cookie := w.enters(t, "", berth.Choices{})
	if l.Device != "Firefox on Linux" || l.Address != "203.0.113.7" {
		t.Errorf("%+v", l)
	}
	caller, again, err := w.AuthenticateLogin(ctx, cookie)
	if err != nil || caller.Name != "ada" || caller.Role != berth.RoleOwner || caller.Login != l.ID || again.ID != l.ID || !again.Current {
		t.Fatalf("%+v %+v %v", caller, again, err)
	}
	_, err = w.Authenticate(ctx, cookie)
	mustFail(t, err, berth.EUnauthenticated, "no token")
	_, token, err := w.owner.CreateToken(ctx, berth.NewToken{Name: "ci"})
	if err != nil || !w.ended(t, token) {
		t.Fatalf("a token opens a browser's login: %v", err)
	}
	for name, text := range w.files(t) {
		if bytes.Contains(text, []byte(cookie.Reveal())) {
			t.Errorf("%s holds a cookie's secret", name)
		}
	}
}

func TestLoginsEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, idle := w.enters(t, "", berth.Choices{})
	_, used := w.enters(t, "", berth.Choices{})
	for range 8 { // 80 days of somebody who looks in every ten
		w.pass(10 * 24 * time.Hour)
		if w.ended(t, used) {
			t.Fatal("a login that is used ended")
		}
	}
	if !w.ended(t, idle) {
		t.Error("a login that nobody used lives")
	}
	w.pass(10 * 24 * time.Hour)
	if !w.ended(t, used) {
		t.Error("a login lives for ever")
	}

	one, first := w.enters(t, "", berth.Choices{})
	_, second := w.enters(t, "", berth.Choices{})
	caller, l, err := w.AuthenticateLogin(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	me := w.As(caller)
	if list := must[[]berth.Login](t)(me.Logins(ctx)); len(list) != 2 || !list[0].Current || list[0].ID != l.ID || list[1].Current {
		t.Errorf("%+v", list)
	}
	eve := w.As(w.person(t, "eve", berth.RoleOwner, "", berth.RoleNone))
	mustFail(t, eve.DeleteLogin(ctx, one.ID), berth.ENotFound, "of yours")
	if err := me.DeleteLogin(ctx, one.ID); err != nil || !w.ended(t, first) || w.ended(t, second) {
		t.Errorf("one by one: %v", err)
	}
	_, third := w.enters(t, "", berth.Choices{})
	if err := me.DeleteOtherLogins(ctx); err != nil || !w.ended(t, third) || w.ended(t, second) {
		t.Errorf("all others: %v", err)
	}
	if err := errors.Join(w.Logout(ctx, second), w.Logout(ctx, second)); err != nil || !w.ended(t, second) {
		t.Errorf("logging out, twice: %v", err)
	}
}

func TestSetUpChoosesNameAndPassword(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	link, other := w.link(t, ""), w.link(t, "")
	if l := must[berth.Link](t)(w.LinkOf(ctx, link)); l.Purpose != berth.LinkSetUp || l.Person != "ada" {
		t.Fatalf("%+v", l)
	}
	for _, refused := range []struct {
		choose berth.Choices
		part   string
	}{{berth.Choices{Name: "Grace!"}, "lower-case"}, {berth.Choices{Password: berth.NewSecret("short")}, "8 to 256"}} {
		_, _, err := w.EnterByLink(ctx, link, refused.choose, firefox)
		mustFail(t, err, berth.EInvalid, refused.part)
	}
	_, cookie, err := w.EnterByLink(ctx, link, berth.Choices{Name: "grace", Password: phrase}, firefox)
	if err != nil {
		t.Fatalf("what was refused used the link up: %v", err)
	}
	if caller, _, err := w.AuthenticateLogin(ctx, cookie); err != nil || caller.Name != "grace" {
		t.Errorf("%+v, %v", caller, err)
	}
	if l := must[berth.Link](t)(w.LinkOf(ctx, other)); l.Purpose != berth.LinkLogin {
		t.Errorf("a server is set up twice: %+v", l)
	}
	_, _, err = w.EnterByLink(ctx, other, berth.Choices{Name: "mallory"}, firefox)
	mustFail(t, err, berth.EInvalid, "when the server is set up")
	if owner := must[berth.Caller](t)(w.Machine(ctx)); owner.Name != "grace" {
		t.Errorf("the machine's owner is %+v", owner)
	}
}

func TestPasswords(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	l, cookie := w.enters(t, "", berth.Choices{Password: phrase})
	w.person(t, "bare", berth.RoleViewer, "", berth.RoleNone) // has no password
	var answers []string
	for name, password := range map[string]berth.Secret{"ada": berth.NewSecret("wrong horse battery"), "nobody": phrase, "bare": {}} {
		_, _, err := w.LoginByPassword(ctx, name, password, firefox)
		mustFail(t, err, berth.EUnauthenticated, "wrong")
		answers = append(answers, err.Error())
	}
	if answers[0] != answers[1] || answers[1] != answers[2] {
		t.Errorf("the answers tell who is there: %q", answers)
	}
	_, byPassword, err := w.LoginByPassword(ctx, "ada", phrase, firefox)
	if err != nil {
		t.Fatal(err)
	}
	me := w.As(berth.Caller{Person: l.Person, Name: "ada", Role: berth.RoleOwner, Login: l.ID})
	next := berth.NewSecret("staple battery horse")
	mustFail(t, me.ChangePassword(ctx, berth.NewSecret("no idea"), next), berth.EInvalid, "not your password")
	mustFail(t, me.ChangePassword(ctx, phrase, berth.NewSecret("short")), berth.EInvalid, "8 to 256")
	if err := me.ChangePassword(ctx, phrase, next); err != nil {
		t.Fatal(err)
	}
	if w.ended(t, cookie) || !w.ended(t, byPassword) {
		t.Error("the other logins did not end, or the one that asked did")
	}
	w.pass(time.Minute)
	_, _, err = w.LoginByPassword(ctx, "ada", phrase, firefox)
	mustFail(t, err, berth.EUnauthenticated, "wrong")
	if _, _, err := w.LoginByPassword(ctx, "ada", next, firefox); err != nil {
		t.Error(err)
	}
	_, fresh := w.enters(t, "", berth.Choices{Password: phrase})
	if !w.ended(t, cookie) || w.ended(t, fresh) {
		t.Error("a password chosen with a link ends no logins, or its own")
	}
	for name, text := range w.files(t) {
		if bytes.Contains(text, []byte(phrase.Reveal())) {
			t.Errorf("%s holds a password", name)
		}
	}
}

func TestGuessesAreLimited(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.enters(t, "", berth.Choices{Password: phrase})
	guess := func(name, from string) error {
		_, _, err := w.LoginByPassword(ctx, name, berth.NewSecret("wrong"), berth.LoginClient{Address: from})
		return err
	}
	// One household's addresses are one; another is not held up.
	for i := range 10 {
		mustFail(t, guess("x"+fmt.Sprint(i), fmt.Sprintf("2001:db8:1:1::%x", i)), berth.EUnauthenticated, "wrong")
	}
	if err := guess("y", "2001:db8:1:1::ffff"); !errors.Is(err, berth.ErrTooOften) {
		t.Errorf("guess 11 from a network: %v", err)
	}
	mustFail(t, guess("y", "2001:db8:1:2::1"), berth.EUnauthenticated, "wrong")

	// A name is held up from everywhere, whether anybody has it or not, and never for who has a link.
	for _, name := range []string{"ada", "nobody"} {
		for i := range 20 {
			mustFail(t, guess(name, fmt.Sprintf("198.51.100.%d", i)), berth.EUnauthenticated, "wrong")
		}
		if err := guess(name, "192.0.2.1"); !errors.Is(err, berth.ErrTooOften) {
			t.Errorf("guess 21 of %s: %v", name, err)
		}
	}
	w.enters(t, "", berth.Choices{})
	w.pass(15 * time.Minute)
	if _, _, err := w.LoginByPassword(ctx, "ada", phrase, firefox); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// TestGuessesWaitTheirTurn: however many guess side by side, those that must wait too long are sent away, and who
// knows the password gets in afterwards.
func TestGuessesWaitTheirTurn(t *testing.T) {
	w := newWorld(t)
	w.enters(t, "", berth.Choices{Password: phrase})
	var mu sync.Mutex
	codes := map[berth.Code]int{}
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			_, _, err := w.LoginByPassword(t.Context(), fmt.Sprintf("x%d", i), phrase, berth.LoginClient{Address: fmt.Sprintf("198.51.100.%d", i)})
			mu.Lock()
			defer mu.Unlock()
			codes[berth.CodeOf(err)]++
		})
	}
	all.Wait()
	if codes[berth.EUnavailable] == 0 || codes[berth.EUnauthenticated] == 0 || len(codes) != 2 {
		t.Errorf("60 guesses at once: %v", codes)
	}
	if _, _, err := w.LoginByPassword(t.Context(), "ada", phrase, firefox); err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.LoginByPassword(gone, "ada", phrase, firefox); err == nil {
		t.Error("somebody who left was logged in")
	}
}
