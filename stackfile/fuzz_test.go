package stackfile_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"pgregory.net/rapid"
)

// seeds are shapes that once needed care.
var seeds = []string{
	"", head, guestbook, laravel, supabaseLike, n8n,
	head + "    env:\n      include:\n        - *\n",
	head + "    env: {include: '*'}\n    hosts: []\n",
	"a: &a {<<: *a}\n", "x: &x [*x]\n", "? a\n: b\n", "- - - a\n", "a: |\n  - *\n", "{a: 1, b}", "a: !!str 5\n", "\ufeffa: b", "a: \"\\x00\"\n", "%YAML 1.2\n---\na: b\n", "a: *\n", "<<: 1\n",
	"components: [{identifier: web, package: https://h/r#v, folder: ../x, berth: {storage: [{identifier: a, path: /a, size: 1Gi}], health: {command: [a], timeout: 1s}}}]\n",
}

// sound checks what holds for the findings of any file.
func sound(t *testing.T, data []byte, findings []stackfile.Finding) {
	t.Helper()
	lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
	for _, f := range findings {
		if f.File != "f" || f.Message == "" || f.Line < 0 || f.Line > lines || f.Column < 0 {
			t.Errorf("unsound finding %+v in %d lines", f, lines)
		}
		if !utf8.ValidString(f.String()) || len(f.String()) > 2000 {
			t.Errorf("unreadable finding %.100q", f.String())
		}
	}
	if len(findings) > 20 {
		t.Errorf("%d findings", len(findings))
	}
}

// outcome checks that there is either a value or an error for people, and the same one each time.
func outcome[T any](t *testing.T, parse func(string, []byte) (*T, []stackfile.Warning, error), data []byte) *T {
	t.Helper()
	value, warnings, err := parse("f", data)
	again, warningsAgain, errAgain := parse("f", data)
	if !reflect.DeepEqual(value, again) || !reflect.DeepEqual(warnings, warningsAgain) || !reflect.DeepEqual(err, errAgain) {
		t.Fatalf("two answers for one file:\n%v\n%v", err, errAgain)
	}
	sound(t, data, warnings)
	if (value == nil) != (err != nil) {
		t.Fatalf("value %v, error %v", value, err)
	}
	if err != nil {
		var all *stackfile.Errors
		if !errors.As(err, &all) || len(all.List) == 0 || berth.CodeOf(err) != berth.EInvalid {
			t.Fatalf("not an error for people: %v", err)
		}
		sound(t, data, all.List)
	}
	return value
}

func FuzzParseProject(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		project := outcome(t, stackfile.ParseProject, data)
		if project == nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range project.Elements() {
			if berth.ValidateName("identifier", e.Identifier) != nil || berth.ReservedIdentifier(e.Identifier) || seen[e.Identifier] {
				t.Errorf("element %q", e.Identifier)
			}
			seen[e.Identifier] = true
			if !strings.HasPrefix(e.Folder, "/") || strings.Contains(e.Folder, "..") && strings.Contains("/"+e.Folder+"/", "/../") {
				t.Errorf("folder %q", e.Folder)
			}
			if e.Package.Kind == "" {
				t.Errorf("%s has no package", e.Identifier)
			}
			if again, err := stackfile.ParsePackageRef(e.Package.String()); err != nil || again != e.Package {
				t.Errorf("package %+v is %+v again (%v)", e.Package, again, err)
			}
			for _, h := range e.Hosts {
				if h.Port < 0 || h.Port > 65535 || berth.ValidateName("identifier", h.Identifier) != nil {
					t.Errorf("host %+v", h)
				}
			}
			for _, s := range e.Storage {
				if !strings.HasPrefix(s.Path, "/") || s.Path == "/" || s.SizeMiB < 0 {
					t.Errorf("storage %+v", s)
				}
			}
		}
		if len(seen) == 0 || len(project.Stages) == 0 {
			t.Error("nothing to run, or nowhere")
		}
	})
}

func FuzzParsePackage(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := outcome(t, stackfile.ParsePackage, data)
		if p == nil {
			return
		}
		if p.Type != berth.KindComponent && p.Type != berth.KindAddon {
			t.Errorf("type %q", p.Type)
		}
		for _, s := range p.Storage {
			if s.UID < -1 || s.GID < -1 || berth.ValidateName("identifier", s.Identifier) != nil {
				t.Errorf("storage %+v", s)
			}
		}
		merged, _ := stackfile.MergeHosts(p.Hosts, nil, p.SupportsAdditionalHosts)
		for _, h := range merged {
			if h.Service == "" {
				t.Errorf("host %+v", h)
			}
		}
	})
}

// A bare * may stand wherever a list item may, and changes nothing around it.
func TestBareStarProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.SampledFrom([]string{"*", "a.B", "'*'", "a.*", "{name: X, value: '*'}"}), 1, 6).Draw(t, "items")
		indent := strings.Repeat(" ", rapid.IntRange(6, 10).Draw(t, "indent"))
		gap := strings.Repeat(" ", rapid.IntRange(1, 3).Draw(t, "gap"))
		end := rapid.SampledFrom([]string{"", " ", "  # all of it"}).Draw(t, "end")
		bare, quoted := "", ""
		for _, item := range items {
			bare += indent + "-" + gap + item + end + "\n"
			if item == "*" {
				item = "'*'"
			}
			quoted += indent + "-" + gap + item + end + "\n"
		}
		start := head + "    env:\n      include:\n"
		got, _, err := stackfile.ParseProject("f", []byte(start+bare+"    folder: x\n"))
		want, _, errWant := stackfile.ParseProject("f", []byte(start+quoted+"    folder: x\n"))
		if err != nil || errWant != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n%v\n%v", bare, err, errWant)
		}
	})
}
