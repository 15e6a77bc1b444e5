package stackfile

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document is one YAML document being read.
type document struct {
	findings
	lenient bool // unknown keys are warnings
	anchors map[string][]*ast.AnchorNode
	visits  int
}

// open parses data. ok is false when there is nothing to read; why is among the findings.
func (d *document) open(data []byte) (root value, ok bool) {
	if len(data) > MaxBytes {
		d.fail(Position{}, "", "is %d KiB long; at most %d KiB are read. A stack file needs only a few; remove what does not belong into it",
			(len(data)+1023)>>10, MaxBytes>>10)
		return value{}, false
	}
	if at := bytes.IndexByte(data, 0); at >= 0 || !utf8.Valid(data) {
		d.fail(Position{}, "", "is not text; save it as YAML in UTF-8")
		return value{}, false
	}
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if !d.acceptTokens(tokens) {
		return value{}, false
	}
	file, err := parse(tokens)
	if err != nil {
		d.syntaxError(err)
		return value{}, false
	}
	return d.root(file)
}

// acceptTokens refuses what the parser could only spend time on, and mends the documented
// "- *", which no YAML parser accepts.
func (d *document) acceptTokens(tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		d.fail(Position{}, "", "has more than %d YAML tokens; a stack file needs far fewer", maxTokens)
		return false
	}
	flow, entries, line := 0, 0, 0
	for i, t := range tokens {
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			entries++
		case token.AliasType:
			if !d.acceptAlias(tokens, i) {
				return false
			}
		}
		if flow > maxNesting || entries > maxNesting {
			d.fail(at(t), "", "is nested more than %d levels deep", maxNesting)
			return false
		}
	}
	return true
}

// acceptAlias turns a bare * that is a whole list item into the text "*".
func (d *document) acceptAlias(tokens token.Tokens, i int) bool {
	star := tokens[i]
	sameLine := func(j int) bool {
		return j >= 0 && j < len(tokens) && tokens[j].Position.Line == star.Position.Line && tokens[j].Type != token.CommentType
	}
	if sameLine(i+1) && tokens[i+1].Type == token.StringType && tokens[i+1].Position.Column == star.Position.Column+1 {
		return true
	}
	if sameLine(i-1) && tokens[i-1].Type == token.SequenceEntryType && !sameLine(i+1) {
		star.Type, star.CharacterType, star.Indicator = token.StringType, token.CharacterTypeMiscellaneous, token.NotIndicator
		return true
	}
	d.fail(at(star), "", "a * on its own has a meaning in YAML; quote it: '*'")
	return false
}

// parse calls the YAML parser and turns a panic inside it into an error: the file is foreign
// input, and a fault of the parser must not take the server down.
func parse(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("this text cannot be read as YAML")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func (d *document) syntaxError(err error) {
	where, message := Position{}, err.Error()
	if syntax := yaml.Error(nil); errors.As(err, &syntax) {
		message = syntax.GetMessage()
		if t := syntax.GetToken(); t != nil {
			where = at(t)
		}
	}
	d.fail(where, "", "is not valid YAML: %s", plain(message, 200))
}

func (d *document) root(file *ast.File) (value, bool) {
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			d.fail(position(doc.Body), "", "holds more than one YAML document; keep the first and remove the rest from here on")
			return value{}, false
		}
		body = doc.Body
	}
	if body == nil {
		d.fail(Position{Line: 1, Column: 1}, "", "is empty; it starts with the line diploiVersion: %s", formatVersion)
		return value{}, false
	}
	d.anchors = map[string][]*ast.AnchorNode{}
	ast.Walk(d, body)
	return value{d: d, node: body, at: position(body)}, true
}

// Visit collects anchors; it makes document an ast.Visitor.
func (d *document) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok && anchor.Name != nil {
		name := anchor.Name.GetToken().Value
		d.anchors[name] = append(d.anchors[name], anchor)
	}
	return d
}

// anchored returns what an alias stands for: the last anchor of its name before it.
func (d *document) anchored(alias *ast.AliasNode) (found ast.Node) {
	for _, anchor := range d.anchors[alias.Value.GetToken().Value] {
		if anchor.Start.Position.Offset < alias.Start.Position.Offset {
			found = anchor.Value
		}
	}
	return found
}

func at(t *token.Token) Position {
	return Position{Line: t.Position.Line, Column: t.Position.Column}
}

// position is where a person sees the node begin.
func position(n ast.Node) Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0])
		}
	case *ast.MappingValueNode:
		return position(n.Key)
	}
	if t := n.GetToken(); t != nil {
		return at(t)
	}
	return Position{}
}
