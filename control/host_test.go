package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

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

// labels are a deployment's hosts by label, and how many releases it has.
func (w *world) labels(t *testing.T, ref string) (labels string, releases int) {
	t.Helper()
	d := must[berth.Deployment](t)(w.owner.Deployment(t.Context(), ref))
	for _, h := range d.Hosts {
		labels += strings.TrimSuffix(h.Name, ".test") + " "
	}
	return labels, len(d.Releases)
}

func TestAHostIsRenamed(t *testing.T) {
	w := newWorld(t)
	d := w.hosted(t)
	rename := func(host, label string) error {
		_, err := w.owner.RenameHost(t.Context(), d.Slug, host, label)
		return err
	}
	want := func(doing, labels string, releases int) {
		t.Helper()
		if got, n := w.labels(t, d.Slug); got != labels || n != releases {
			t.Errorf("%s: %s with %d releases, want %s with %d", doing, got, n, labels, releases)
		}
	}
	former := func(label string) (h berth.Host, err error) {
		err = w.store.Store.View(t.Context(), func(tx *sqlite.Tx) error { h, err = tx.HostByLabel(label); return err })
		return h, err
	}
	shown, err := w.owner.RenameHost(t.Context(), d.Slug, "api", "orders")
	if err != nil || shown.Hosts[2].Name != "orders.test" || shown.Releases[0].Cause != "host renamed" || shown.Releases[0].Commit != one {
		t.Fatalf("%v %+v", err, shown)
	}
	want("renamed", "web-main-shop web-admin-main-shop orders ", 2)
	if h := must[berth.Host](t)(former("api-main-shop")); h.RedirectTo != "orders" || !h.Until.Equal(w.Now().Add(30*24*time.Hour)) {
		t.Errorf("the former label: %+v", h)
	}
	if err := rename("https://orders.test/", "orders"); err != nil {
		t.Error(err)
	}
	want("renamed to what it is", "web-main-shop web-admin-main-shop orders ", 2)

	mustFail(t, rename("web-main-shop", "orders"), berth.EConflict, "the host orders is taken")
	mustFail(t, rename("web-main-shop", "api-main-shop"), berth.EConflict, "the host api-main-shop is taken")
	mustFail(t, rename("web", "shop"), berth.EInvalid, "several hosts")
	mustFail(t, rename("", "shop"), berth.EInvalid, "say which host: web-main-shop, web-admin-main-shop, orders")
	mustFail(t, rename("nothing", "shop"), berth.ENotFound, "nothing")
	for _, label := range []string{"", "console", "Shop", "a.b", "-a", "a--b", "1a", strings.Repeat("a", 64), "*"} {
		if err := rename("orders", label); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("renamed to %q: %v", label, err)
		}
	}
	want("refused", "web-main-shop web-admin-main-shop orders ", 2)
	for role, code := range map[berth.Role]berth.Code{berth.RoleViewer: berth.EForbidden, berth.RoleNone: berth.ENotFound} {
		who := w.As(w.person(t, "p-"+string(role)+"x", berth.RoleNone, d.ProjectID, role))
		_, err := who.RenameHost(t.Context(), d.Slug, "orders", "")
		mustFail(t, err, code, "")
	}

	if err := errors.Join(rename("orders", strings.Repeat("a", 63)), rename("api", "api-main-shop")); err != nil {
		t.Fatal(err)
	}
	want("back to where it was", "web-main-shop web-admin-main-shop api-main-shop ", 4)
	if h := must[berth.Host](t)(former("orders")); h.RedirectTo != "api-main-shop" {
		t.Errorf("what led to a former label: %+v", h)
	}
	w.pass(31 * 24 * time.Hour)
	if err := rename("web-main-shop", "orders"); err != nil {
		t.Errorf("a label whose time is over: %v", err)
	}
}
