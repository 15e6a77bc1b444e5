package control_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
)

var serverAt = []netip.Addr{netip.MustParseAddr("203.0.113.9")}

// zone is the DNS that a world asks.
type zone map[string]control.DNS

func (w *world) withDNS(t *testing.T) (zone, *error) {
	t.Helper()
	z, failing := zone{}, new(error)
	w.Domain = "base.test"
	w.URLOf = func(name string) string { return "https://" + name }
	w.Reached = func(context.Context) []netip.Addr { return serverAt }
	w.Leads = func(_ context.Context, name string) (control.DNS, []netip.Addr, error) {
		return z[name], serverAt, *failing
	}
	return z, failing
}

// shopDomain adds a domain to the only host of the web.
func (w *world) shopDomain(t *testing.T, d berth.Deployment, name string) berth.Domain {
	t.Helper()
	return must[berth.Domain](t)(w.owner.AddDomain(t.Context(), d.Slug, berth.NewDomain{Name: name, Element: "web"}))
}

func (w *world) domainOf(t *testing.T, d berth.Deployment, name string) berth.Domain {
	t.Helper()
	for _, m := range must[[]berth.Domain](t)(w.owner.Domains(t.Context(), d.Slug)) {
		if m.Name == name {
			return m
		}
	}
	return berth.Domain{}
}

func (w *world) watch(t *testing.T, d berth.Deployment) time.Duration {
	t.Helper()
	return must[time.Duration](t)(w.WatchDomains(t.Context(), d.ID))
}

func TestADomainIsProvenLostAndFound(t *testing.T) {
	w := newWorld(t)
	dns, failing := w.withDNS(t)
	d := w.hosted(t)
	const name = "shop.example.com"
	added := w.shopDomain(t, d, "Shop.Example.com.")
	if added.Name != name || added.State != berth.DomainWaits || !added.ExpiresAt.Equal(added.CreatedAt.Add(72*time.Hour)) {
		t.Fatalf("%+v", added)
	}
	var kinds []string
	for _, r := range w.domainOf(t, d, name).Records {
		kinds = append(kinds, r.Type+" "+r.Name)
	}
	if got := strings.Join(kinds, ", "); got != "A shop.example.com, CNAME shop.example.com, TXT _berth.shop.example.com" {
		t.Errorf("the records to create are %s", got)
	}
	dns[name] = control.DNS{Seen: serverAt}
	w.pass(2 * time.Second)
	if again := w.watch(t, d); again != 2*time.Second || w.domainOf(t, d, name).State != berth.DomainServes {
		t.Fatalf("again in %s: %+v", again, w.domainOf(t, d, name))
	}
	dns[name] = control.DNS{}
	w.pass(23 * time.Hour)
	if again := w.watch(t, d); again > time.Hour || w.domainOf(t, d, name).State != berth.DomainServes {
		t.Errorf("looked at before its day is over, again in %s", again)
	}
	w.pass(time.Hour)
	*failing = errors.New("i/o timeout")
	w.watch(t, d)
	if got := w.domainOf(t, d, name); got.State != berth.DomainServes {
		t.Errorf("a name server that is out of order makes it %s: %s", got.State, got.Message)
	}
	*failing = nil
	w.watch(t, d)
	if got := w.domainOf(t, d, name); got.State != berth.DomainLost || !got.Proven || !strings.Contains(got.Message, "does not know") || !got.ExpiresAt.IsZero() {
		t.Errorf("%+v", got)
	}
	w.pass(100 * time.Hour)
	dns[name] = control.DNS{Seen: serverAt, Beside: serverAt}
	w.watch(t, d)
	if got := w.domainOf(t, d, name); got.State != berth.DomainServes {
		t.Errorf("%+v", got)
	}

	// what the issuer refuses is looked at at once
	dns[name] = control.DNS{Seen: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	w.update(t, func(tx *sqlite.Tx) error {
		return errors.Join(control.DoubtDomain(tx, name), control.DoubtDomain(tx, "nobodys.example"))
	})
	w.watch(t, d)
	if got := w.domainOf(t, d, name); got.State != berth.DomainLost {
		t.Errorf("%+v", got)
	}
	var told []string
	w.update(t, func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), d.ID, 0, 0)
		for _, e := range events {
			if strings.HasPrefix(e.Kind, "domain.") {
				told = append(told, e.Kind)
			}
		}
		return err
	})
	if got := strings.Join(told, " "); got != "domain.added domain.proven domain.lost domain.found domain.lost" {
		t.Errorf("events: %s", got)
	}
}

func TestAClaimThatNobodyProvesEnds(t *testing.T) {
	w := newWorld(t)
	_, failing := w.withDNS(t)
	d := w.hosted(t)
	w.shopDomain(t, d, "shop.example.com")
	*failing = errors.New("i/o timeout")
	w.pass(time.Hour)
	if again := w.watch(t, d); again != 5*time.Minute || !strings.Contains(w.domainOf(t, d, "shop.example.com").Message, "give no answer") {
		t.Errorf("again in %s: %+v", again, w.domainOf(t, d, "shop.example.com"))
	}
	w.pass(71 * time.Hour)
	w.watch(t, d)
	if w.domainOf(t, d, "shop.example.com").Name == "" {
		t.Error("given up before its time")
	}
	w.pass(time.Second)
	if again := w.watch(t, d); again != 0 || w.domainOf(t, d, "shop.example.com").Name != "" {
		t.Errorf("it is there after three days, again in %s", again)
	}
}

func TestAStrangerCannotTakeWhatLeadsHereForOthers(t *testing.T) {
	w := newWorld(t)
	dns, _ := w.withDNS(t)
	w.Host = func(label string) (string, string) { return label + ".base.test", "https://" + label + ".base.test" }
	d := w.hosted(t)
	w.project(t, "evil")
	stranger := w.deployment(t, "evil", "main", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: stranger.ID, Element: "web", Identifier: "app", Label: "web-main-evil"})
	})
	dns["alias.example.com"] = control.DNS{Seen: serverAt, Alias: "web-main-shop.base.test"}
	dns["star.example.com"] = control.DNS{Seen: serverAt, Beside: serverAt}
	for _, name := range []string{"alias.example.com", "star.example.com"} {
		if got := w.shopDomain(t, stranger, name); got.Proven {
			t.Errorf("a stranger has %s", name)
		}
		if err := w.owner.DeleteDomain(t.Context(), stranger.Slug, name); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.shopDomain(t, d, "alias.example.com"); !got.Proven {
		t.Errorf("its own host's alias is not proven: %s", got.Message)
	}
	star := w.shopDomain(t, d, "star.example.com")
	dns["star.example.com"] = control.DNS{Seen: serverAt, Beside: serverAt, Texts: []string{star.Records[len(star.Records)-1].Value}}
	if got := must[berth.Domain](t)(w.owner.CheckDomain(t.Context(), d.Slug, "star.example.com")); !got.Proven {
		t.Errorf("a TXT record does not prove it: %s", got.Message)
	}
}

func TestADomainRedirectsToAnother(t *testing.T) {
	w := newWorld(t)
	w.withDNS(t)
	d := w.hosted(t)
	add := func(n berth.NewDomain) error {
		_, err := w.owner.AddDomain(t.Context(), d.Slug, n)
		return err
	}
	mustFail(t, add(berth.NewDomain{Name: "www.example.org", RedirectTo: "example.org"}), berth.EInvalid, "add that first")
	w.shopDomain(t, d, "example.org")
	www := must[berth.Domain](t)(w.owner.AddDomain(t.Context(), d.Slug, berth.NewDomain{Name: "www.example.org", RedirectTo: "Example.org."}))
	if www.RedirectTo != "example.org" || www.Element != "web" {
		t.Errorf("%+v", www)
	}
	mustFail(t, add(berth.NewDomain{Name: "old.example.org", RedirectTo: "www.example.org"}), berth.EInvalid, "redirect to example.org")
	mustFail(t, add(berth.NewDomain{Name: "old.example.org", RedirectTo: "example.org", Element: "api"}), berth.EInvalid, "one of both")
	mustFail(t, w.owner.DeleteDomain(t.Context(), d.Slug, "example.org"), berth.EConflict, "www.example.org redirects to example.org")
	if err := errors.Join(w.owner.DeleteDomain(t.Context(), d.Slug, "www.example.org"), w.owner.DeleteDomain(t.Context(), d.Slug, "example.org")); err != nil {
		t.Error(err)
	}
}

func TestDomainsAndHostsAreTheirProjectsOwn(t *testing.T) {
	w := newWorld(t)
	dns, _ := w.withDNS(t)
	d := w.hosted(t)
	w.shopDomain(t, d, "shop.example.com")
	dns["new.example.com"] = control.DNS{Seen: serverAt}
	foreign := w.As(w.person(t, "mallory", berth.RoleNone, "", berth.RoleNone))
	viewer := w.As(w.person(t, "vera", berth.RoleNone, d.ProjectID, berth.RoleViewer))
	for name, change := range map[string]func(*control.Service) error{
		"add": func(s *control.Service) error {
			_, err := s.AddDomain(t.Context(), d.Slug, berth.NewDomain{Name: "new.example.com", Element: "web"})
			return err
		},
		"check": func(s *control.Service) error {
			_, err := s.CheckDomain(t.Context(), d.Slug, "shop.example.com")
			return err
		},
		"delete": func(s *control.Service) error { return s.DeleteDomain(t.Context(), d.Slug, "shop.example.com") },
		"protect": func(s *control.Service) error {
			_, err := s.ProtectHosts(t.Context(), d.Slug, berth.ProtectHosts{Password: berth.NewSecret("long enough")})
			return err
		},
		"open": func(s *control.Service) error {
			_, err := s.OpenHosts(t.Context(), d.Slug, berth.OpenHosts{})
			return err
		},
	} {
		if err := change(foreign); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("%s by somebody foreign: %v", name, err)
		}
		if err := change(viewer); berth.CodeOf(err) != berth.EForbidden {
			t.Errorf("%s by a viewer: %v", name, err)
		}
	}
	if _, err := foreign.Domains(t.Context(), d.Slug); berth.CodeOf(err) != berth.ENotFound {
		t.Errorf("somebody foreign lists them: %v", err)
	}
	if list, err := viewer.Domains(t.Context(), d.Slug); err != nil || len(list) != 1 {
		t.Errorf("a viewer sees %+v (%v)", list, err)
	}
	if list, err := viewer.Hosts(t.Context(), d.Slug); err != nil || guards(list) != "- - -" {
		t.Errorf("a viewer sees %+v (%v)", list, err)
	}
}
