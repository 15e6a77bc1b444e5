package berth_test

import (
	"testing"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

func TestNameFrom(t *testing.T) {
	for text, want := range map[string]string{
		"shop": "shop", "My Shop_2": "my-shop-2", "--x--": "x", "1st": "app-1st", "": "app", "ünïcode": "n-code", "..": "app",
		"a/b.git": "a-b-git", "UPPER": "upper",
	} {
		if got := berth.NameFrom(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		name := berth.NameFrom(text)
		if err := berth.ValidateName("name", name); err != nil || berth.NameFrom(name) != name {
			t.Fatalf("%q becomes %q: %v", text, name, err)
		}
	})
}
