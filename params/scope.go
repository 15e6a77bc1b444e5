package params

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// scope is one element with what each of its names is bound to.
type scope struct {
	identifier string
	bound      map[string]*binding
	order      []string // names in the order of their first appearance
	secret     map[string]bool
	group      map[string]string
}

// binding is where a name's value comes from.
type binding struct {
	name   string
	origin berth.Origin
	text   string
	// expressions: text holds expressions. What persons set and what the platform gives does not.
	expressions bool
	from        *scope // of an import
	fromName    string
	// locked: no later level may take its place.
	locked bool
	// below is what the binding took the place of.
	below *binding
}

// scopes builds the bindings of all elements, level by level.
func (r *resolver) scopes() {
	for _, e := range r.input.Elements {
		s := &scope{identifier: e.Identifier, bound: map[string]*binding{}, secret: map[string]bool{}, group: map[string]string{}}
		r.byElement[e.Identifier] = s
		r.elements = append(r.elements, s)
		r.bindOwn(s, e)
	}
	for i, s := range r.elements {
		r.bindRest(s, r.input.Elements[i])
	}
}

// bindOwn binds what needs no other element: the platform's and the package's values.
func (r *resolver) bindOwn(s *scope, e Element) {
	for _, v := range e.Platform {
		if r.named(s, v.Name) {
			s.set(&binding{name: v.Name, origin: berth.OriginPlatform, text: v.Value, locked: true})
		}
	}
	for _, p := range e.Params {
		if !r.named(s, p.Name) {
			continue
		}
		s.group[p.Name] = p.Group
		s.secret[p.Name] = s.secret[p.Name] || p.Secret
		if old := s.bound[p.Name]; old == nil || old.origin != berth.OriginPlatform {
			s.set(&binding{name: p.Name, origin: berth.OriginPackage, text: p.Default, expressions: true, locked: p.ReadOnly})
		}
	}
}

// bindRest binds the levels above, lowest first.
func (r *resolver) bindRest(s *scope, e Element) {
	if len(e.Includes) > maxIncludes {
		r.problem(s.identifier, "has %d imports; at most %d are read. Import by wildcard instead", len(e.Includes), maxIncludes)
		e.Includes = nil
	}
	wild := r.wildcards(s, e)
	for _, b := range wild {
		if old := s.bound[b.name]; old == nil || old.origin != berth.OriginWildcard {
			s.override(b)
		}
	}
	r.bindImports(s, e)
	for _, v := range e.Statics {
		if r.named(s, v.Name) {
			r.override(s, &binding{name: v.Name, origin: berth.OriginProject, text: v.Value, expressions: true})
		}
	}
	r.bindSettings(s, r.input.Shared, berth.OriginShared)
	r.bindSettings(s, r.input.Settings, berth.OriginDeployment)
	r.collisions(s, wild)
}

// named reports whether name can be a variable, and says so when it cannot.
func (r *resolver) named(s *scope, name string) bool {
	if !validName(name) {
		r.problem(s.identifier, "%q is not a name for a variable; use letters, digits and underscores", clip(name))
		return false
	}
	return true
}

// set binds a name, whatever it was bound to.
func (s *scope) set(b *binding) {
	old, known := s.bound[b.name]
	if !known {
		s.order = append(s.order, b.name)
	}
	b.below, s.bound[b.name] = old, b
}

// override binds a name unless what it is bound to is locked.
func (s *scope) override(b *binding) bool {
	if old := s.bound[b.name]; old != nil && old.locked {
		return false
	}
	s.set(b)
	return true
}

// override binds a name, and says so when that is not possible.
func (r *resolver) override(s *scope, b *binding) {
	if !s.override(b) {
		r.warn("%s.%s is decided by %s; the value from the level %q is ignored", s.identifier, b.name, decider(s.bound[b.name].origin), string(b.origin))
	}
}

// bindSettings binds what persons set for this element, sorted by name.
func (r *resolver) bindSettings(s *scope, settings []berth.Setting, origin berth.Origin) {
	var own []berth.Setting
	for _, one := range settings {
		if !one.Generated && (one.Element == s.identifier || one.Element == "") {
			own = append(own, one)
		}
	}
	slices.SortStableFunc(own, func(a, b berth.Setting) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Element, b.Element) // for every element first, then for this one
	})
	for _, one := range own {
		if !r.named(s, one.Name) {
			continue
		}
		if one.Ref != "" {
			s.secret[one.Name] = true
			if _, ok := tokenID(one.Value); !ok {
				r.problem(s.identifier+"."+one.Name, "the secret's value is missing; set it again")
				continue
			}
			r.issued[one.Value] = true
		}
		r.override(s, &binding{name: one.Name, origin: origin, text: one.Value})
	}
}

// bindImports binds what the element imports by name.
func (r *resolver) bindImports(s *scope, e Element) {
	for _, include := range e.Includes {
		path, as := include.split()
		if strings.Contains(path, "*") {
			if as != "" {
				r.problem(s.identifier, "the import %s gives one name to everything it matches; rename one variable at a time", clip(include.Path))
			}
			continue
		}
		element, name, dotted := strings.Cut(path, ".")
		if as == "" {
			as = name
		}
		from, known := r.byElement[element]
		switch {
		case !dotted || !validName(name) || !validName(as):
			r.problem(s.identifier, "%q is not an import; write element.NAME", clip(include.Path))
		case !known:
			r.warn("%s imports %s, but there is no element %s; it is ignored", s.identifier, clip(include.Path), clip(element))
		default:
			r.override(s, &binding{name: as, origin: berth.OriginImport, from: from, fromName: name})
		}
	}
}

// split separates a rename from the path.
func (i Include) split() (path, as string) {
	path, as, _ = strings.Cut(i.Path, ":")
	if i.As != "" {
		as = i.As
	}
	return path, as
}

// wildcards returns what the element's wildcard imports match: every name of every other
// element once, in the order of the imports.
func (r *resolver) wildcards(s *scope, e Element) (found []*binding) {
	seen := map[*scope]map[string]bool{}
	for _, pattern := range patterns(e) {
		hits := 0
		for _, from := range r.elements {
			if from == s {
				continue
			}
			if seen[from] == nil {
				seen[from] = map[string]bool{}
			}
			for _, name := range r.exports[from.identifier] {
				if !matches(pattern, from.label(name)) {
					continue
				}
				hits++
				if !seen[from][name] {
					seen[from][name] = true
					found = append(found, &binding{name: name, origin: berth.OriginWildcard, from: from, fromName: name})
				}
			}
		}
		if hits == 0 && pattern != "*" {
			r.warn("%s imports %s, which matches nothing", s.identifier, clip(pattern))
		}
	}
	return found
}

// patterns lists an element's different wildcard imports.
func patterns(e Element) (all []string) {
	seen := map[string]bool{}
	for _, include := range e.Includes {
		if path, _ := include.split(); strings.Contains(path, "*") && !seen[path] {
			seen[path] = true
			all = append(all, path)
		}
	}
	return all
}

// collisions reports names that wildcards import from more than one element, where nothing of
// a higher level decides. Hosts have equal identifiers in most elements, so that a platform
// value is left out instead.
func (r *resolver) collisions(s *scope, wild []*binding) {
	sources := map[string][]string{}
	for _, b := range wild {
		sources[b.name] = append(sources[b.name], b.from.identifier)
	}
	for _, name := range slices.Clone(s.order) {
		b := s.bound[name]
		if len(sources[name]) < 2 || b.origin != berth.OriginWildcard {
			continue
		}
		list := strings.Join(sources[name], " and ")
		if r.platformOnly(name, sources[name]) {
			s.unbind(b)
			r.warn("%s does not get %s, because %s have it; import one by name, like %s.%s", s.identifier, name, list, sources[name][0], name)
			continue
		}
		r.problem(s.identifier+"."+name, "is imported by wildcards from %s; import the one that is meant by name, like %s.%s", list, sources[name][0], name)
	}
}

// platformOnly reports whether all these elements have the name from the platform.
func (r *resolver) platformOnly(name string, elements []string) bool {
	return !slices.ContainsFunc(elements, func(e string) bool {
		b := r.byElement[e].bound[name]
		return b == nil || b.origin != berth.OriginPlatform
	})
}

// unbind takes a binding back.
func (s *scope) unbind(b *binding) {
	if b.below != nil {
		s.bound[b.name] = b.below
		return
	}
	delete(s.bound, b.name)
	s.order = slices.DeleteFunc(s.order, func(name string) bool { return name == b.name })
}

// exported is what others get from a wildcard: the binding without the element's own wildcards,
// so that two elements may import everything from each other.
func (s *scope) exported(name string) *binding {
	b := s.bound[name]
	for b != nil && b.origin == berth.OriginWildcard {
		b = b.below
	}
	return b
}

// label names a variable of the element in messages and patterns.
func (s *scope) label(name string) string { return s.identifier + "." + name }
