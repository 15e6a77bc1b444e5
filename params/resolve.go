package params

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Resolve returns the parameters of all elements. An error for people has code EInvalid and
// names all that is wrong; any other error is a hook's. The Result of an error holds what was
// stored before it, in Generated, and nothing else.
func Resolve(in Input) (Result, error) {
	if in.Store == nil || in.Reveal == nil || in.Random == nil {
		return Result{}, errors.New("resolve parameters: Store, Reveal and Random are required")
	}
	if twice := repeated(in.Elements); twice != "" {
		return Result{}, berth.Errorf(berth.EInvalid, "two elements are called %s; give one of them another identifier", twice)
	}
	r := newResolver(in)
	r.scopes()
	values := make(map[string][]Value, len(r.elements))
	for _, s := range r.elements {
		list, err := r.values(s)
		if err != nil {
			return Result{Generated: r.generated}, fmt.Errorf("resolve parameters of %s: %w", s.identifier, err)
		}
		values[s.identifier] = list
	}
	if err := r.failure(); err != nil {
		return Result{Generated: r.generated, Warnings: r.warnings}, err
	}
	return Result{Values: values, Generated: r.generated, Warnings: r.warnings}, nil
}

// repeated returns an identifier that two elements have.
func repeated(elements []Element) string {
	seen := map[string]bool{}
	for _, e := range elements {
		if seen[e.Identifier] {
			return e.Identifier
		}
		seen[e.Identifier] = true
	}
	return ""
}

// resolver is the state of one Resolve.
type resolver struct {
	input     Input
	elements  []*scope
	byElement map[string]*scope
	exports   map[string][]string // names that wildcards see, by element
	kept      map[string]berth.Setting
	issued    map[string]bool // tokens that may stand in values
	resolved  map[*binding]*resolution
	path      []string // what is being resolved, outermost first
	generated []berth.Setting
	problems  []berth.Error
	warnings  []string
}

// resolution is the value of a binding.
type resolution struct {
	text   string
	secret bool
	origin berth.Origin
	open   bool // being resolved
}

func newResolver(in Input) *resolver {
	r := &resolver{
		input: in, byElement: map[string]*scope{}, exports: map[string][]string{},
		kept: map[string]berth.Setting{}, issued: map[string]bool{}, resolved: map[*binding]*resolution{},
	}
	for _, s := range in.Settings {
		if s.Generated {
			r.kept[keptKey(s.Element, s.Name)] = s
			if _, ok := tokenID(s.Value); ok && s.Ref != "" {
				r.issued[s.Value] = true
			}
		}
	}
	for _, e := range in.Elements {
		r.exports[e.Identifier] = exports(e)
	}
	return r
}

// exports lists what a wildcard can see of an element: what the stack declares for it, but
// neither its own imports nor what a person set on one deployment.
func exports(e Element) (names []string) {
	seen := map[string]bool{}
	add := func(name string) {
		if validName(name) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, p := range e.Params {
		add(p.Name)
	}
	for _, v := range e.Statics {
		add(v.Name)
	}
	for _, v := range e.Platform {
		add(v.Name)
	}
	return names
}

// values resolves all names of an element, in order.
func (r *resolver) values(s *scope) ([]Value, error) {
	list, total := make([]Value, 0, len(s.order)), 0
	for _, name := range s.order {
		b := s.bound[name]
		got, err := r.resolve(s, b)
		if err != nil {
			return nil, err
		}
		if got == nil {
			continue // an import of what the other element does not have
		}
		list = append(list, Value{Name: name, Value: got.text, Secret: got.secret, Origin: got.origin, ReadOnly: b.locked, Group: s.group[name]})
		total += len(name) + len(got.text)
	}
	if total > MaxEnvironment {
		r.problem(s.identifier, "has %d KiB of parameters; at most %d KiB fit", total>>10, MaxEnvironment>>10)
	}
	return list, nil
}

// resolve returns a binding's value, made once. It is nil when the binding only imports what
// does not exist.
func (r *resolver) resolve(s *scope, b *binding) (*resolution, error) {
	if known, ok := r.resolved[b]; ok {
		if known != nil && known.open {
			r.cycle(s.label(b.name))
			return &resolution{}, nil
		}
		return known, nil
	}
	if len(r.path) >= maxDepth {
		r.problem(r.path[0], "refers to other values through more than %d steps", maxDepth)
		return &resolution{}, nil
	}
	r.resolved[b] = &resolution{open: true}
	r.path = append(r.path, s.label(b.name))
	got, err := r.evaluate(s, b)
	r.path = r.path[:len(r.path)-1]
	if err != nil {
		return nil, err
	}
	if got != nil {
		if err := r.finish(s, b, got); err != nil {
			return nil, err
		}
	}
	r.resolved[b] = got
	return got, nil
}

func (r *resolver) evaluate(s *scope, b *binding) (*resolution, error) {
	switch {
	case b.from != nil:
		return r.importOf(s, b)
	case b.expressions:
		return r.expand(s, b)
	}
	return &resolution{text: b.text, origin: b.origin}, nil
}

// importOf resolves a name of another element in that element's own context.
func (r *resolver) importOf(s *scope, b *binding) (*resolution, error) {
	source := b.from.bound[b.fromName]
	if b.origin == berth.OriginWildcard {
		source = b.from.exported(b.fromName)
	}
	if source == nil {
		r.warn("%s imports %s, which %s does not have; it is ignored", s.identifier, b.from.label(b.fromName), b.from.identifier)
		return r.resolveBelow(s, b)
	}
	got, err := r.resolve(b.from, source)
	if err != nil {
		return nil, err
	}
	if got == nil {
		return r.resolveBelow(s, b)
	}
	return &resolution{text: got.text, secret: got.secret, origin: b.origin}, nil
}

// resolveBelow resolves what an import that leads nowhere stands above.
func (r *resolver) resolveBelow(s *scope, b *binding) (*resolution, error) {
	if b.below == nil {
		return nil, nil
	}
	return r.resolve(s, b.below)
}

// expand puts values in the place of expressions.
func (r *resolver) expand(s *scope, b *binding) (*resolution, error) {
	var text strings.Builder
	got, ordinal := &resolution{origin: b.origin}, 0
	for _, p := range parse(b.text) {
		piece := ""
		switch p.kind {
		case literal:
			piece = p.text
		case unknown:
			r.warn("%s: %s is no expression that Berth knows; it stays as it is", s.label(b.name), clip(p.text))
			piece = p.text
		case gateway:
			r.warn("%s: %s is left empty, because this server offers no AI gateway", s.label(b.name), clip(p.text))
		case reference:
			value, err := r.lookup(s, b, p.text)
			if err != nil {
				return nil, err
			}
			piece = value.text
		case generator:
			ordinal++
			token, err := r.generate(s, keptName(b.name, ordinal), p)
			if err != nil {
				return nil, err
			}
			piece = token
			if b.origin == berth.OriginPackage {
				got.origin = berth.OriginGenerated
			}
		}
		if text.Len()+len(piece) > MaxValue {
			r.problem(s.label(b.name), "is longer than %d KiB", MaxValue>>10)
			return &resolution{}, nil
		}
		text.WriteString(piece)
	}
	got.text = text.String()
	return got, nil
}

// lookup resolves ${NAME} in the context of an element.
func (r *resolver) lookup(s *scope, b *binding, name string) (*resolution, error) {
	if name == namespace {
		return &resolution{text: s.identifier}, nil
	}
	target := s.bound[name]
	if target != nil {
		got, err := r.resolve(s, target)
		if err != nil || got != nil {
			return got, err
		}
	}
	r.warn("%s refers to ${%s}, which %s does not have; it is left empty", s.label(b.name), name, s.identifier)
	return &resolution{}, nil
}

// finish checks a value and puts a secret that is still readable into the vault.
func (r *resolver) finish(s *scope, b *binding, got *resolution) error {
	got.secret = got.secret || s.secret[b.name] || hasToken(got.text)
	switch {
	case len(got.text) > MaxValue:
		r.problem(s.label(b.name), "is longer than %d KiB", MaxValue>>10)
		got.text = ""
	case strings.ContainsRune(got.text, 0):
		r.problem(s.label(b.name), "holds a zero byte, which no environment variable can")
		got.text = ""
	case !r.onlyIssued(got.text):
		r.problem(s.label(b.name), "holds text that Berth reserves for its own use; change it")
		got.text = ""
	case got.secret && got.text != "" && !hasToken(got.text):
		token, err := r.keepLiteral(s, b.name, got.text)
		got.text = token
		return err
	}
	return nil
}

func (r *resolver) cycle(end string) {
	chain := r.path[slices.Index(r.path, end):]
	r.problem(chain[0], "refers to itself: %s", strings.Join(append(slices.Clone(chain), end), " → "))
}

func (r *resolver) problem(field, format string, args ...any) {
	r.problems = append(r.problems, berth.Error{Code: berth.EInvalid, Field: field, Message: fmt.Sprintf(format, args...)})
}

func (r *resolver) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(r.warnings) < maxWarnings && !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// failure makes one error of all problems.
func (r *resolver) failure() error {
	switch len(r.problems) {
	case 0:
		return nil
	case 1:
		return &r.problems[0]
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d parameters cannot be resolved:", len(r.problems))
	for i := range r.problems[:min(len(r.problems), maxProblems)] {
		text.WriteString("\n" + r.problems[i].Error())
	}
	return &berth.Error{Code: berth.EInvalid, Message: text.String()}
}

// clip shortens text from a file for a message.
func clip(text string) string {
	const longest = 80
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
