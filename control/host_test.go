package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// hosted is a deployment whose web has two hosts and whose api has one.
func (w *world) hosted(t *testing.T) berth.Deployment {
	t.Helper()
	w.project(t, "shop")
	d := w.deployment(t, "shop", "main", "production")
	for _, h := range []berth.Host{{Element: "web", Identifier: "app", Label: "web-" + d.Slug}, {Element: "web", Identifier: "admin", Label: "web-admin-" + d.Slug},
		{Element: "api", Identifier: "app", Label: "api-" + d.Slug}} {
		h.Deployment = d.ID
		w.update(t, func(tx *sqlite.Tx) error { return tx.AddHost(h) })
	}
	return d
}

// guards are the hosts in short: "p" asks for a password, "a" has a list.
func guards(hosts []berth.Host) string {
	var texts []string
	for _, h := range hosts {
		text := "-"
		if h.Protection != nil {
			text = strings.Join(h.Protection.Allow, ",")
			if h.Protection.Password {
				text = "p" + text
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestHostsAreProtectedAndOpened(t *testing.T) {
	w := newWorld(t)
	d := w.hosted(t)
	password := berth.NewSecret("long enough")
	protect := func(host string, p berth.Secret, allow ...string) string {
		t.Helper()
		return guards(must[[]berth.Host](t)(w.owner.ProtectHosts(t.Context(), d.Slug, berth.ProtectHosts{Host: host, Password: p, Allow: allow})))
	}
	open := func(o berth.OpenHosts) string {
		t.Helper()
		return guards(must[[]berth.Host](t)(w.owner.OpenHosts(t.Context(), d.Slug, o)))
	}
	same := func(doing, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", doing, got, want)
		}
	}
	same("the api's", protect("api", berth.Secret{}, "10.0.0.0/8"), "- - 10.0.0.0/8")
	same("all", protect("", password), "p p p10.0.0.0/8")
	same("one opened", open(berth.OpenHosts{Host: "web-admin-main-shop.test"}), "p - p10.0.0.0/8")
	same("a list beside the password", protect("web-main-shop", berth.Secret{}, "192.0.2.1"), "p192.0.2.1/32 - p10.0.0.0/8")
	same("without the password", open(berth.OpenHosts{Password: true}), "192.0.2.1/32 - 10.0.0.0/8")
	same("without the list", open(berth.OpenHosts{Host: "api", Allow: true}), "192.0.2.1/32 - -")
	same("open", open(berth.OpenHosts{}), "- - -")
	same("open again", open(berth.OpenHosts{}), "- - -")
	same("all once more", protect("", password), "p p p")

	_ = must[berth.Deployment](t)(w.owner.RenameDeployment(t.Context(), d.Slug, "renamed"))
	shown := must[berth.Deployment](t)(w.owner.Deployment(t.Context(), "renamed"))
	same("renamed", guards(shown.Hosts), "p p p")
	same("listed", guards(must[[]berth.Host](t)(w.owner.Hosts(t.Context(), "renamed"))), "p p p")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: d.ID, Element: "shop", Identifier: "app", Label: "shop-" + d.Slug})
	})
	same("a host that comes later", guards(must[[]berth.Host](t)(w.owner.Hosts(t.Context(), d.Slug))), "p p p p")

	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	w.update(t, func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), d.ID, 0, 0)
		for _, e := range events {
			text = append(text, e.Kind+" "+e.Message+"\n"...)
		}
		return err
	})
	if !strings.Contains(string(text), "host.protected all hosts: a password is asked for\n") {
		t.Errorf("no event says what was done: %s", text)
	}
	if strings.Contains(string(text), "pbkdf2") || strings.Contains(string(text), "long enough") {
		t.Errorf("the password is shown: %s", text)
	}
}

func TestWhatCannotProtectIsRefused(t *testing.T) {
	w := newWorld(t)
	d := w.hosted(t)
	protect := func(p berth.ProtectHosts) error {
		_, err := w.owner.ProtectHosts(t.Context(), d.Slug, p)
		return err
	}
	mustFail(t, protect(berth.ProtectHosts{}), berth.EInvalid, "password")
	mustFail(t, protect(berth.ProtectHosts{Password: berth.NewSecret("short")}), berth.EInvalid, "8 to 256")
	mustFail(t, protect(berth.ProtectHosts{Allow: []string{"office"}}), berth.EInvalid, "office")
	mustFail(t, protect(berth.ProtectHosts{Host: "web", Allow: []string{"10.0.0.0/8"}}), berth.EInvalid, "several hosts")
	mustFail(t, protect(berth.ProtectHosts{Host: "redis", Allow: []string{"10.0.0.0/8"}}), berth.ENotFound, "web-admin-main-shop")
	if got := guards(must[[]berth.Host](t)(w.owner.Hosts(t.Context(), d.Slug))); got != "- - -" {
		t.Errorf("something is protected: %s", got)
	}
}
