package stackfile

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// value is one YAML node together with the way to it. Its readers say what is wrong and
// return a zero value, so that reading goes on to the next mistake.
type value struct {
	d     *document
	node  ast.Node
	field string
	at    Position
	key   Position // where its key stands, for members of an object
}

func (v value) fail(format string, args ...any) { v.d.fail(v.at, v.field, format, args...) }
func (v value) warn(format string, args ...any) { v.d.warn(v.at, v.field, format, args...) }

// resolved returns the node behind anchors, aliases and tags; nil for null and for what cannot be.
func (v value) resolved() ast.Node {
	n := v.node
	for {
		if v.d.visits++; v.d.visits > maxVisits {
			if v.d.visits == maxVisits+1 {
				v.fail("the file's aliases make it too large; write out what is meant")
			}
			return nil
		}
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		case *ast.AliasNode:
			if n = v.d.anchored(x); n == nil {
				name := plain(x.Value.GetToken().Value, 40)
				v.fail("refers to *%s, but nothing above is marked &%s; a pattern that starts with * must be quoted", name, name)
				return nil
			}
		case *ast.NullNode, nil:
			return nil
		default:
			return n
		}
	}
}

// absent reports whether there is nothing: no node, or null.
func (v value) absent() bool {
	return v.node == nil || v.resolved() == nil
}

// text returns a scalar as it is written: no schema turns "on" into true or 1.10 into 1.1.
func (v value) text() string {
	s, ok := v.scalar()
	if !ok {
		v.fail("must be a single value, not a list or a group of keys")
	}
	return s
}

func (v value) scalar() (text string, ok bool) {
	switch n := v.resolved().(type) {
	case nil:
		return "", true
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), true
	case ast.ScalarNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// line returns a scalar for people to read in one line.
func (v value) line() string {
	s := strings.TrimSpace(v.text())
	if strings.ContainsFunc(s, unicode.IsControl) {
		v.fail("must be one line of plain text, without control characters")
		return ""
	}
	return s
}

func (v value) boolean() bool {
	if b, ok := v.resolved().(*ast.BoolNode); ok {
		return b.Value
	}
	if !v.absent() {
		v.fail("must be true or false, not %s", v.written())
	}
	return false
}

// integer returns a whole number between low and high, or 0 with a finding.
func (v value) integer(low, high int64) int64 {
	s, ok := v.scalar()
	n, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil || n < low || n > high {
		v.fail("must be a whole number between %d and %d, not %s", low, high, v.written())
		return 0
	}
	return n
}

func (v value) port() int { return int(v.integer(1, 65535)) }

// written is the value as a message quotes it.
func (v value) written() string {
	if s, ok := v.scalar(); ok {
		return shown(s)
	}
	return "a list or a group of keys"
}

// list returns the items of a sequence.
func (v value) list() []value {
	switch n := v.resolved().(type) {
	case nil:
		return nil
	case *ast.SequenceNode:
		items := make([]value, len(n.Values))
		for i, item := range n.Values {
			items[i] = value{d: v.d, node: item, field: v.field + "[" + strconv.Itoa(i) + "]", at: position(item)}
		}
		return items
	}
	v.fail("must be a list: one item per line, each starting with a dash")
	return nil
}

// isList reports whether the value is a sequence.
func (v value) isList() bool {
	_, ok := v.resolved().(*ast.SequenceNode)
	return ok
}

// isObject reports whether the value is a mapping.
func (v value) isObject() bool {
	switch v.resolved().(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// entries returns the key-value pairs of a mapping node.
func entries(n ast.Node) (pairs []*ast.MappingValueNode, ok bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}
