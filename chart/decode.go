package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/berth-dev/berth"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	maxObjects = 500
	maxNodes   = 200_000 // of one file's YAML, aliases followed
)

// decode turns rendered texts into typed objects.
func (r *rendering) decode(texts []text) error {
	for _, t := range texts {
		if err := r.decodeFile(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *rendering) decodeFile(t text) error {
	documents := yaml.NewDecoder(strings.NewReader(t.content))
	d := &decoder{file: t.file, nodes: maxNodes, warn: r.warn}
	for {
		var doc yaml.Node
		err := documents.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return notYAML(t, err)
		}
		o, err := d.object(&doc)
		if err != nil {
			return err
		}
		if o == nil || empty(o) {
			continue
		}
		if r.out.Objects = append(r.out.Objects, o); len(r.out.Objects) > maxObjects {
			return berth.Errorf(berth.EInvalid, "the package's chart has more than %d objects", maxObjects)
		}
	}
}

// notYAML shows the rendered line that the parser did not understand: the template's own line
// numbers are gone by then.
func notYAML(t text, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if _, scanErr := fmt.Sscanf(message, "line %d:", &line); scanErr == nil {
		lines := strings.Split(t.content, "\n")
		if line >= 1 && line <= len(lines) {
			message += fmt.Sprintf(" (line %d of the rendered text is %q)", line, clip(lines[line-1]))
		}
	}
	return &berth.Error{Code: berth.EInvalid, Err: err,
		Message: t.file + ": what it renders to is not YAML: " + berth.MaskSecretTokens(message)}
}

// decoder reads YAML nodes by the Go type that they are for: that is how it can be lenient (numbers
// where text belongs, null for nothing, unknown fields) without guessing.
type decoder struct {
	file  string
	what  string // the object, for messages
	nodes int    // how many more may be looked at
	warn  func(string)
}

func (d *decoder) object(doc *yaml.Node) (runtime.Object, error) {
	node := doc
	if node.Kind == yaml.DocumentNode {
		node = node.Content[0]
	}
	if isNull(node) {
		return nil, nil
	}
	var head struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct {
			Name        string
			Annotations map[string]string
		}
	}
	if err := node.Decode(&head); err != nil || head.Kind == "" {
		return nil, berth.Errorf(berth.EInvalid, "%s:%d (of the rendered text): is not a Kubernetes object; it needs apiVersion and kind", d.file, node.Line)
	}
	d.what = head.Kind + " " + head.Metadata.Name
	k, ok := kindOf(head.APIVersion, head.Kind)
	if !ok {
		return nil, berth.Errorf(berth.EInvalid, "%s: %s (%s) is not allowed: a package may have only %s", d.file, d.what, head.APIVersion, kindNames())
	}
	for a := range head.Metadata.Annotations {
		if strings.HasPrefix(a, "helm.sh/hook") {
			return nil, berth.Errorf(berth.EInvalid, "%s: %s is a Helm hook (annotation %s), and Berth has none; make it a plain object", d.file, d.what, a)
		}
	}
	o := k.new()
	tree, err := d.value(node, reflect.TypeOf(o).Elem(), "")
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", d.what, err)
	}
	if err := json.Unmarshal(data, o); err != nil {
		return nil, &berth.Error{Code: berth.EInvalid, Err: err, Message: d.file + ": " + d.what + ": " + clip(err.Error())}
	}
	return o, nil
}

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (d *decoder) fail(n *yaml.Node, field, format string, args ...any) error {
	return berth.Errorf(berth.EInvalid, "%s:%d (of the rendered text): %s: %s %s", d.file, n.Line, d.what, field, fmt.Sprintf(format, args...))
}

// value returns n as a JSON value for a Go value of type t; nil means to leave it out.
func (d *decoder) value(n *yaml.Node, t reflect.Type, field string) (any, error) {
	if d.nodes--; d.nodes < 0 {
		return nil, berth.Errorf(berth.EInvalid, "%s: renders to more than %d values", d.file, maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		return d.value(n.Alias, t, field)
	}
	if isNull(n) {
		return nil, nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return d.special(n, field)
	case t == reflect.TypeFor[[]byte]():
		return d.text(n, field)
	case t.Kind() == reflect.Struct:
		return d.fields(n, t, field)
	case t.Kind() == reflect.Map:
		return d.entries(n, t.Elem(), field)
	case t.Kind() == reflect.Slice:
		return d.items(n, t.Elem(), field)
	case t.Kind() == reflect.String:
		return d.text(n, field)
	case t.Kind() == reflect.Bool:
		return d.boolean(n, field)
	}
	return d.number(n, field)
}

// special is for types that read their own JSON: quantities, int-or-string, times.
func (d *decoder) special(n *yaml.Node, field string) (any, error) {
	if n.Kind != yaml.ScalarNode {
		return nil, d.fail(n, field, "must be a single value")
	}
	if n.Tag == "!!int" {
		return d.number(n, field)
	}
	return n.Value, nil
}

// text takes any scalar as it was written: a template that forgets to quote 5432 or on means text.
func (d *decoder) text(n *yaml.Node, field string) (any, error) {
	if n.Kind != yaml.ScalarNode {
		return nil, d.fail(n, field, "must be text")
	}
	return n.Value, nil
}

func (d *decoder) boolean(n *yaml.Node, field string) (any, error) {
	var b bool // YAML 1.1's yes and no count where a truth value is wanted
	if err := n.Decode(&b); err != nil {
		return nil, d.fail(n, field, "must be true or false")
	}
	return b, nil
}

func (d *decoder) number(n *yaml.Node, field string) (any, error) {
	var i int64
	if err := n.Decode(&i); err != nil {
		return nil, d.fail(n, field, "must be a number, not %q", clip(n.Value))
	}
	return i, nil
}

func (d *decoder) items(n *yaml.Node, t reflect.Type, field string) (any, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, d.fail(n, field, "must be a list")
	}
	out := []any{}
	for i, item := range n.Content {
		v, err := d.value(item, t, fmt.Sprintf("%s[%d]", field, i))
		if err != nil {
			return nil, err
		}
		if v != nil {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func (d *decoder) entries(n *yaml.Node, t reflect.Type, field string) (any, error) {
	out := map[string]any{}
	err := d.pairs(n, field, func(key string, v *yaml.Node) error {
		got, err := d.value(v, t, field+"."+key)
		if err != nil {
			return err
		}
		if got == nil && t.Kind() == reflect.String {
			got = "" // a ConfigMap's empty file is still a file
		}
		if got != nil {
			out[key] = got
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, nil
}

func (d *decoder) fields(n *yaml.Node, t reflect.Type, field string) (any, error) {
	known := fieldsOf(t)
	out := map[string]any{}
	err := d.pairs(n, field, func(key string, v *yaml.Node) error {
		at := strings.TrimPrefix(field+"."+key, ".")
		kind, ok := known[key]
		if !ok {
			d.warn(fmt.Sprintf("%s: %s has no field %s; it is ignored", d.file, d.what, at))
			return nil
		}
		got, err := d.value(v, kind, at)
		if got != nil {
			out[key] = got
		}
		return err
	})
	return out, err
}

// pairs visits a mapping's entries, those it merges (<<) first; of equal keys the last counts.
func (d *decoder) pairs(n *yaml.Node, field string, visit func(key string, v *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.nodes--; d.nodes < 0 {
		return berth.Errorf(berth.EInvalid, "%s: renders to more than %d values", d.file, maxNodes)
	}
	if n.Kind != yaml.MappingNode {
		return d.fail(n, field, "must be a group of keys")
	}
	var own [][2]*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if key.Tag != "!!merge" {
			own = append(own, [2]*yaml.Node{key, v})
			continue
		}
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		merged := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			merged = v.Content
		}
		for _, m := range merged {
			if err := d.pairs(m, field, visit); err != nil {
				return err
			}
		}
	}
	for _, pair := range own {
		if pair[0].Kind != yaml.ScalarNode {
			return d.fail(pair[0], field, "has a key that is not text")
		}
		if err := visit(pair[0].Value, pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf lists the JSON names of a struct's fields, those of its inlined structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && (f.Anonymous || options == "inline"):
			for k, v := range fieldsOf(f.Type) {
				out[k] = v
			}
		case name != "":
			out[name] = f.Type
		}
	}
	return out
}
