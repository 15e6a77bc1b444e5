package berth_test

import (
	"strings"
	"testing"

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
