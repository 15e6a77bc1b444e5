package params

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzExpression holds that parsing loses nothing, and that a value made of any text resolves
// without a panic to something bounded.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"", "on", "${A}", "${DIPLOI_NAMESPACE}.x", "postgresql://${U}:${P}@${H}:${N}/${D}", "${generate-random-password:24}", "base64:${generate-random-bytes:32}",
		"${generate-jwt:S:role=anon&iss=supabase&exp=126144000}", "{diploi-ai-gateway-url}/v1", "${", "${}", "$${A}", "${A${B}}", "${generate-}", "${generate-jwt:::}", "{diploi-", "${A\n}",
		"BERTHSECRET-aaaaaaaaaa-1-X", "${generate-random-bytes:-1}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var back strings.Builder
		previous := unknown
		for _, p := range parse(text) {
			if p.kind == literal && previous == literal {
				t.Errorf("%q: two literals in a row", text)
			}
			previous = p.kind
			back.WriteString(p.source())
		}
		if back.String() != text {
			t.Errorf("%q became %q", text, back.String())
		}
	})
}

// A pattern without the star's specials means the same as in package path.
func TestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab.*]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab.]{0,10}`).Draw(t, "text")
		want, err := path.Match(pattern, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(pattern, text); got != want {
			t.Fatalf("matches(%q, %q) = %v", pattern, text, got)
		}
	})
}
