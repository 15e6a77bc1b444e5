package params_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/params"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	elementNames  = []string{"a", "b", "c"}
	variableNames = []string{"V", "W", "X", "Y", "Z"}
)

// stack draws elements whose values refer to each other in every way there is.
func stack(t *rapid.T) []params.Element {
	name := rapid.SampledFrom(variableNames)
	value := rapid.OneOf(
		rapid.SampledFrom([]string{"", "on", "${V}", "${W}-${X}", "${NOPE}", "${DIPLOI_NAMESPACE}", "{diploi-ai-gateway-url}", "${generate-random-password:8}",
			"base64:${generate-random-bytes:4}", "${generate-jwt:V:role=a&exp=60}", "${", "${generate-random-password:0}"}),
		rapid.StringMatching(`[a-zA-Z0-9${}:-]{0,12}`),
	)
	path := rapid.Custom(func(t *rapid.T) params.Include {
		return params.Include{
			Path: rapid.SampledFrom([]string{"a", "b", "c", "*", "nope", "a*"}).Draw(t, "element") + rapid.SampledFrom([]string{".V", ".W", ".X", ".*", "", ".Y:Z", ".NOPE"}).Draw(t, "rest"),
			As:   rapid.SampledFrom([]string{"", "", "", "V"}).Draw(t, "as"),
		}
	})
	assignment := rapid.Custom(func(t *rapid.T) params.Assignment {
		return params.Assignment{Name: name.Draw(t, "name"), Value: value.Draw(t, "value")}
	})
	elements := make([]params.Element, 0, len(elementNames))
	for _, identifier := range elementNames[:rapid.IntRange(1, len(elementNames)).Draw(t, "elements")] {
		elements = append(elements, params.Element{
			Identifier: identifier,
			Params: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) params.Param {
				return params.Param{Name: name.Draw(t, "name"), Default: value.Draw(t, "default"), Secret: rapid.Bool().Draw(t, "secret"), ReadOnly: rapid.IntRange(0, 4).Draw(t, "readOnly") == 0}
			}), 0, 4).Draw(t, "params"),
			Includes: rapid.SliceOfN(path, 0, 2).Draw(t, "includes"),
			Statics:  rapid.SliceOfN(assignment, 0, 2).Draw(t, "statics"),
			Platform: rapid.SliceOfN(assignment, 0, 1).Draw(t, "platform"),
		})
	}
	return elements
}

func settings(t *rapid.T, v *vault) (all []berth.Setting) {
	for range rapid.IntRange(0, 3).Draw(t, "settings") {
		element, name := rapid.SampledFrom(elementNames).Draw(t, "element"), rapid.SampledFrom(variableNames).Draw(t, "name")
		if rapid.Bool().Draw(t, "secret") {
			all = append(all, v.secret(element, name, "hidden"))
		} else {
			all = append(all, berth.Setting{Element: element, Name: name, Value: rapid.StringMatching(`[a-z${}]{0,8}`).Draw(t, "value")})
		}
	}
	return all
}

func seeded() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

// Whatever the stack, the answer is a pure function of the input, names are unique, nothing
// secret is readable, and what was generated stays.
func TestResolveProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := newVault()
		in := v.input(stack(t)...)
		in.Settings, in.Random = settings(t, v), seeded()
		stored := v.next
		first, err := params.Resolve(in)

		v.next, in.Random = stored, seeded()
		again, errAgain := params.Resolve(in)
		if diff := cmp.Diff(first, again); diff != "" || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("the same input gave two answers:\n%s\n%v\n%v", diff, err, errAgain)
		}
		if err != nil {
			if berth.CodeOf(err) != berth.EInvalid {
				t.Fatalf("not an error for people: %v", err)
			}
			return
		}
		for element, values := range first.Values {
			seen := map[string]bool{}
			for _, one := range values {
				if seen[one.Name] {
					t.Fatalf("%s.%s is there twice", element, one.Name)
				}
				seen[one.Name] = true
				hidden := berth.MaskSecretTokens(one.Value) != one.Value
				if hidden && !one.Secret || one.Secret && one.Value != "" && !hidden {
					t.Fatalf("%s.%s: secret is %v in %q", element, one.Name, one.Secret, one.Value)
				}
			}
		}
		in.Settings, in.Random, in.Now = append(in.Settings, first.Generated...), rand.NewChaCha8([32]byte{8}), now.Add(1e15)
		later, err := params.Resolve(in)
		if err != nil || len(later.Generated) > 0 {
			t.Fatalf("resolved again, it generated %+v (%v)", later.Generated, err)
		}
		if diff := cmp.Diff(first.Values, later.Values); diff != "" {
			t.Fatalf("resolved again, values changed:\n%s", diff)
		}
	})
}

// Levels are drawn in any combination: the highest that is present gives the value.
func TestPrecedenceProperty(t *testing.T) {
	levels := []berth.Origin{berth.OriginPackage, berth.OriginWildcard, berth.OriginImport, berth.OriginProject, berth.OriginShared, berth.OriginDeployment}
	rapid.Check(t, func(t *rapid.T) {
		v := newVault()
		in := v.input(params.Element{Identifier: "e"},
			params.Element{Identifier: "wild", Statics: []params.Assignment{{Name: "X", Value: string(berth.OriginWildcard)}}},
			params.Element{Identifier: "named", Statics: []params.Assignment{{Name: "Y", Value: string(berth.OriginImport)}}})
		e := &in.Elements[0]
		locked := rapid.Bool().Draw(t, "readOnly")
		want := berth.Origin("")
		for _, level := range levels {
			if !rapid.Bool().Draw(t, string(level)) {
				continue
			}
			if want != berth.OriginPackage || !locked {
				want = level
			}
			switch level {
			case berth.OriginPackage:
				e.Params = []params.Param{{Name: "X", Default: string(level), ReadOnly: locked}}
			case berth.OriginWildcard:
				e.Includes = append(e.Includes, params.Include{Path: "wild.*"})
			case berth.OriginImport:
				e.Includes = append(e.Includes, params.Include{Path: "named.Y:X"})
			case berth.OriginProject:
				e.Statics = []params.Assignment{{Name: "X", Value: "an earlier line"}, {Name: "X", Value: string(level)}}
			case berth.OriginShared:
				in.Shared = []berth.Setting{{Element: "e", Name: "X", Value: string(level)}}
			case berth.OriginDeployment:
				in.Settings = []berth.Setting{{Element: "e", Name: "X", Value: string(level)}}
			}
		}
		if rapid.Bool().Draw(t, "platform") {
			e.Platform, want = []params.Assignment{{Name: "X", Value: string(berth.OriginPlatform)}}, berth.OriginPlatform
		}
		got, err := params.Resolve(in)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := lookup(got, "e", "X")
		if ok != (want != "") || value.Origin != want || value.Value != string(want) {
			t.Fatalf("want %q, got %+v", want, value)
		}
	})
}

// The order of a file's elements decides the order of the answer and nothing else.
func TestElementOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elements := []params.Element{component("web", "postgres.*", "api.APP_ENDPOINT:API"), postgres(), component("api", "postgres.DATABASE_URL"), supabase()}
		v := newVault()
		first := resolve(t, v.input(elements...))
		in := v.input(rapid.Permutation(elements).Draw(t, "order")...)
		in.Settings = first.Generated
		if diff := cmp.Diff(first.Values, resolve(t, in).Values); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestManyImportsAreFast(t *testing.T) {
	big := params.Element{Identifier: "big"}
	for i := range 10_000 {
		big.Params = append(big.Params, params.Param{Name: "V" + strconv.Itoa(i), Default: "${V" + strconv.Itoa(max(i-1, 1)/2) + "}"})
	}
	big.Params[0].Default = "end"
	elements := []params.Element{big}
	for i := range 20 {
		elements = append(elements, params.Element{Identifier: "e" + strconv.Itoa(i), Includes: slices.Repeat([]params.Include{{Path: "big.*"}}, 1000)})
	}
	got := resolve(t, newVault().input(elements...))
	if v := find(t, got, "e19", "V9999"); v.Value != "end" {
		t.Errorf("got %+v", v)
	}
	if _, err := params.Resolve(newVault().input(params.Element{Identifier: "e", Includes: slices.Repeat([]params.Include{{Path: "*"}}, 1001)})); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("got %v", err)
	}
}
