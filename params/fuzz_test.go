package params_test

import (
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/params"
)

// FuzzResolve holds that no text in any place of an input panics, leaks a secret or makes an
// error that is not for people.
func FuzzResolve(f *testing.F) {
	f.Add("X", "${Y}", "b.X:Z", "${X}", "v")
	f.Add("KEY", "${generate-random-password:8}", "*", "${generate-jwt:KEY:role=a&exp=5}", "${KEY}")
	f.Add("A", "base64:${generate-random-bytes:3}", "b.*", "{diploi-ai-gateway-token}", "BERTHSECRET-aaaaaaaaaa-1-X")
	f.Add("Y", "${Y}", "a.Y", "BERTH${X}", "SECRET-aaaaaaaaaa-1-X")
	f.Fuzz(func(t *testing.T, name, value, include, static, setting string) {
		a := params.Element{
			Identifier: "a",
			Params:     []params.Param{{Name: name, Default: value}, {Name: "KEY", Default: "key", Secret: true}},
			Includes:   []params.Include{{Path: include}},
			Statics:    []params.Assignment{{Name: "X", Value: static}, {Name: "Z", Value: value}},
		}
		b := params.Element{Identifier: "b", Params: []params.Param{{Name: name, Default: static, Secret: true}}, Includes: []params.Include{{Path: "a.X"}}}
		v := newVault()
		in := v.input(a, b)
		in.Settings = []berth.Setting{{Element: "b", Name: "Y", Value: setting}}
		got, err := params.Resolve(in)
		if err != nil && berth.CodeOf(err) != berth.EInvalid {
			t.Fatalf("not an error for people: %v", err)
		}
		for _, values := range got.Values {
			for _, one := range values {
				v.open(t, one.Value) // fails for a token that nobody issued
				if len(one.Value) > params.MaxValue || one.Secret && one.Value != "" && berth.MaskSecretTokens(one.Value) == one.Value {
					t.Errorf("%+v", one)
				}
			}
		}
	})
}
