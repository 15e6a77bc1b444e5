package stackfile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Compare says what has to happen to a deployment of one stack, so that it becomes one of another.
// The order of elements, and where in the file they stand, make no difference.
func Compare(old, next *Project) berth.Plan {
	plan := berth.Plan{Added: []berth.Planned{}, Changed: []berth.Planned{}, Removed: []berth.Planned{}}
	before, after := byIdentifier(old), byIdentifier(next)
	for _, e := range next.Elements() {
		was, known := before[e.Identifier]
		if !known {
			plan.Added = append(plan.Added, planned(e, nil))
			continue
		}
		reasons := differences(was, e)
		if !slices.Contains(reasons, "imports") {
			reasons = append(reasons, neighbours(e, before, after)...)
		}
		if len(reasons) > 0 {
			plan.Changed = append(plan.Changed, planned(e, reasons))
		}
	}
	for _, e := range old.Elements() {
		if _, stays := after[e.Identifier]; !stays {
			plan.Removed = append(plan.Removed, planned(e, nil))
		}
	}
	return plan
}

func planned(e Element, reasons []string) berth.Planned {
	return berth.Planned{Element: e.Identifier, Kind: e.Kind, Package: e.Package.String(), Reasons: reasons}
}

func byIdentifier(p *Project) map[string]Element {
	all := map[string]Element{}
	for _, e := range p.Elements() {
		all[e.Identifier] = e
	}
	return all
}

// differences names the parts of an element that are not the same any more.
func differences(old, next Element) (parts []string) {
	for _, part := range []struct {
		name string
		same bool
	}{
		{"kind", old.Kind == next.Kind},
		{"name", old.Name == next.Name},
		{"package", old.Package == next.Package},
		{"prebuildImage", old.PrebuildImage == next.PrebuildImage},
		{"folder", old.Folder == next.Folder},
		{"hosts", old.HostsSet == next.HostsSet && equal(old.Hosts, next.Hosts)},
		{"imports", equal(includesOf(old), includesOf(next))},
		{"env", equal(staticsOf(old), staticsOf(next))},
		{"containerCommands", old.ContainerCommands == next.ContainerCommands},
		{"storage", equal(storageOf(old), storageOf(next))},
		{"health", reflect.DeepEqual(old.Health, next.Health)},
		{"private", old.Private == next.Private},
	} {
		if !part.same {
			parts = append(parts, part.name)
		}
	}
	return parts
}

// equal compares lists; nil and empty are the same.
func equal[T any](a, b []T) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// includesOf, staticsOf and storageOf are parts of an element without their places in the file.
func includesOf(e Element) (all []Include) {
	for _, i := range e.Includes {
		i.Pos = Position{}
		all = append(all, i)
	}
	return all
}

func staticsOf(e Element) (all []Static) {
	for _, s := range e.Statics {
		s.Pos = Position{}
		all = append(all, s)
	}
	return all
}

func storageOf(e Element) (all []Storage) {
	for _, s := range e.Storage {
		s.Pos = Position{}
		all = append(all, s)
	}
	return all
}

// neighbours says why an element gets other parameters though nothing of its own was written differently:
// it imports from one that is new, or that goes.
func neighbours(e Element, before, after map[string]Element) (reasons []string) {
	for _, name := range slices.Sorted(keysOf(before, after)) {
		_, was := before[name]
		_, stays := after[name]
		switch {
		case was == stays || !imports(e, name):
		case was:
			reasons = append(reasons, fmt.Sprintf("imports from %s, which goes", name))
		default:
			reasons = append(reasons, fmt.Sprintf("imports from %s, which is new", name))
		}
	}
	return reasons
}

// keysOf yields every key of two maps, once.
func keysOf(a, b map[string]Element) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range a {
			if !yield(name) {
				return
			}
		}
		for name := range b {
			if _, seen := a[name]; !seen && !yield(name) {
				return
			}
		}
	}
}

// imports reports whether an element's imports may match a variable of another one.
func imports(e Element, other string) bool {
	return slices.ContainsFunc(e.Includes, func(i Include) bool {
		from, _, wild := strings.Cut(i.Path, "*")
		if element, _, dotted := strings.Cut(from, "."); dotted {
			return element == other
		}
		return wild && strings.HasPrefix(other+".", from)
	})
}

// Additions are the elements of next that may join the stack old without touching what runs: new ones
// that nothing of old imports from. There are none where something goes as well: that may be a new name
// for it.
func Additions(old, next *Project) (identifiers []string) {
	plan := Compare(old, next)
	if len(plan.Removed) > 0 {
		return nil
	}
	for _, added := range plan.Added {
		imported := slices.ContainsFunc(old.Elements(), func(e Element) bool { return imports(e, added.Element) })
		if !imported {
			identifiers = append(identifiers, added.Element)
		}
	}
	return identifiers
}

// With returns the stack with these elements of next in addition to its own.
func (p *Project) With(next *Project, identifiers []string) *Project {
	chosen := func(list []Element) (all []Element) {
		for _, e := range list {
			if slices.Contains(identifiers, e.Identifier) {
				all = append(all, e)
			}
		}
		return all
	}
	joined := *p
	joined.Components = slices.Concat(p.Components, chosen(next.Components))
	joined.Addons = slices.Concat(p.Addons, chosen(next.Addons))
	return &joined
}

// Encode writes a stack for the store.
func (p *Project) Encode() ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode stack: %w", err)
	}
	return text, nil
}

// Decode reads what Encode wrote.
func Decode(text []byte) (*Project, error) {
	p := &Project{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("decode stack: %w", err)
	}
	return p, nil
}
