package stackfile

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// keys says which keys an object may have.
type keys struct {
	known []string // read, or safely ignored
	wild  []string // seen in real files though they never did anything
	moved map[string]string
}

// object is a mapping whose keys have been checked.
type object struct {
	value
	fields map[string]value
}

// object reads a mapping and reports every key that it may not have.
func (v value) object(k keys) object {
	o := object{value: v, fields: map[string]value{}}
	if v.absent() {
		return o
	}
	if !v.isObject() {
		v.fail("must be a group of keys, not %s", v.kind())
		return o
	}
	merged := map[string]value{}
	o.collect(v.resolved(), merged, 0)
	for name, field := range merged {
		if _, own := o.fields[name]; !own {
			o.fields[name] = field
		}
	}
	for name, field := range o.fields {
		o.check(k, name, field)
	}
	return o
}

func (v value) kind() string {
	if v.isList() {
		return "a list"
	}
	return v.written()
}

// collect adds the mapping's own keys to fields and those of merge keys (<<) to merged.
func (o object) collect(n ast.Node, merged map[string]value, depth int) {
	pairs, _ := entries(n)
	first := map[string]int{}
	for _, pair := range pairs {
		if pair.Key.IsMergeKey() {
			o.merge(pair.Value, merged, depth)
			continue
		}
		at := position(pair.Key)
		name, ok := keyText(value{d: o.d, node: pair.Key, at: at})
		if !ok {
			o.d.fail(at, o.field, "has a key that is not plain text")
			continue
		}
		if line, twice := first[name]; twice {
			o.d.fail(at, join(o.field, name), "is given twice, first on line %d; keep one of them", line)
			continue
		}
		first[name] = at.Line
		field := value{d: o.d, node: pair.Value, field: join(o.field, name), at: at, key: at}
		if _, empty := pair.Value.(*ast.NullNode); !empty && pair.Value != nil {
			field.at = position(pair.Value)
		}
		if depth == 0 {
			o.fields[name] = field
		} else if _, taken := merged[name]; !taken {
			merged[name] = field
		}
	}
}

func (o object) merge(n ast.Node, merged map[string]value, depth int) {
	v := value{d: o.d, node: n, field: join(o.field, "<<"), at: position(n)}
	sources := []value{v}
	if v.isList() {
		sources = v.list()
	}
	for _, source := range sources {
		if depth >= maxNesting || !source.isObject() {
			source.fail("must be one of the file's other groups of keys, or a list of them")
			return
		}
		o.collect(source.resolved(), merged, depth+1)
	}
}

// keyText returns the text of a mapping key.
func keyText(v value) (string, bool) {
	if k, ok := v.node.(*ast.MappingKeyNode); ok {
		v.node = k.Value
	}
	s, ok := v.scalar()
	return s, ok && s != ""
}

// check reports a key that the object may not have.
func (o object) check(k keys, name string, field value) {
	switch {
	case slices.Contains(k.known, name):
	case slices.Contains(k.wild, name):
		o.d.warn(field.key, field.field, "is not part of the format and has no effect; remove it")
	case o.d.lenient:
		o.d.warn(field.key, field.field, "is not a key of the format; %s", remedy(k, name))
	default:
		o.d.fail(field.key, field.field, "is not a key of the format; %s", remedy(k, name))
	}
}

// remedy says what to do about an unknown key.
func remedy(k keys, name string) string {
	if place, ok := k.moved[name]; ok {
		return "did you mean " + place + "?"
	}
	if near := nearest(name, k.known); near != "" {
		return "did you mean " + near + "?"
	}
	return "remove it (possible here: " + strings.Join(k.known, ", ") + ")"
}

// get returns a field; one that is missing is absent and stands where its object stands.
func (o object) get(name string) value {
	if field, ok := o.fields[name]; ok {
		return field
	}
	return value{d: o.d, field: join(o.field, name), at: o.at}
}

// has reports whether the key is written and not null.
func (o object) has(name string) bool {
	field, ok := o.fields[name]
	return ok && !field.absent()
}

// join adds a key to a path; the key may be anything.
func join(path, name string) string {
	name = plain(name, 40)
	if path == "" {
		return name
	}
	return path + "." + name
}
