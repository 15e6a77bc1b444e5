package berth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

func TestADomainIsANameOfOnesOwn(t *testing.T) {
	for name, want := range map[string]string{
		"shop.example.com":  "shop.example.com",
		"Shop.Example.COM.": "shop.example.com",
		"example.com":       "example.com",
		"xn--bcher-kva.de":  "xn--bcher-kva.de",
	} {
		if got, err := berth.ParseDomain(name, "apps.example.net"); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "com", "*.example.com", "https://example.com", "example.com:443", "example.com/x", "-a.example.com", "a..example.com",
		"bücher.de", "203.0.113.9", "2001:db8::1", "apps.example.net", "console.apps.example.net", "x.y.apps.example.net", "example.net", "web.localhost",
		strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 130) + "com", "a b.com", "a_b.com"} {
		if got, err := berth.ParseDomain(name, "apps.example.net"); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%q is taken as %q (%v)", name, got, err)
		}
	}
}

func TestNamesBelowAProjectsDomain(t *testing.T) {
	added := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	parent := berth.Domain{Name: "*.apps.example.com", ProjectID: "shop", Proven: true, CreatedAt: added}
	hosts := []berth.Host{{Element: "web", Identifier: "app", Label: "web"}, {Element: "web", Identifier: "app", Label: "old", RedirectTo: "web"}}
	of := berth.Deployment{ID: "d", Slug: "main-shop", ProjectID: "shop", CreatedAt: added}
	list := parent.NamesBelow(of, hosts)
	if len(list) != 2 || list[0].Name != "web.apps.example.com" || list[0].RedirectTo != "" || list[0].Deployment != "d" || list[0].Element != "web" ||
		list[1].Name != "old.apps.example.com" || list[1].RedirectTo != "web.apps.example.com" || !list[1].Proven || list[1].Below != parent.Name {
		t.Errorf("%+v", list)
	}
	before, another := of, of
	before.CreatedAt, another.ProjectID = added.Add(-time.Second), "other"
	if n := len(parent.NamesBelow(before, hosts)) + len(parent.NamesBelow(another, hosts)) + len(berth.Domain{Name: "x.example.com", ProjectID: "shop"}.NamesBelow(of, hosts)); n > 0 {
		t.Errorf("%d names of deployments that were there before, of other projects or of no project's domain", n)
	}
}

func TestWhereDomainsOverlap(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"*.a.test", "a.test"}: true, {"*.a.test", "x.a.test"}: true, {"*.a.test", "x.y.a.test"}: true, {"*.a.test", "*.a.test"}: true,
		{"*.a.test", "*.b.a.test"}: true, {"*.a.test", "ba.test"}: false, {"*.b.a.test", "a.test"}: false, {"*.b.a.test", "c.a.test"}: false, {"a.test", "x.a.test"}: false,
	} {
		a, b := berth.Domain{Name: pair[0]}, berth.Domain{Name: pair[1]}
		if a.Overlaps(b) != want || b.Overlaps(a) != want {
			t.Errorf("%v: %v and %v, want %v", pair, a.Overlaps(b), b.Overlaps(a), want)
		}
	}
}
