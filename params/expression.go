package params

import "strings"

// kind says what a part of a value is.
type kind int

const (
	literal   kind = iota
	reference      // ${NAME}
	generator      // ${generate-…:…}
	gateway        // {diploi-…}
	unknown        // ${…} that is none of these
)

// part is a piece of a value: literal text or one expression.
type part struct {
	kind kind
	text string // literal text, NAME, or the expression as written
	verb string // of a generator: "random-password"
	args string // of a generator: what follows its colon
}

const (
	generatePrefix = "generate-"
	gatewayPrefix  = "{diploi-"
	namespace      = "DIPLOI_NAMESPACE"
)

// parse splits a value into parts. It never fails: what is no expression is literal text, and
// the parts' source texts put together are the value again.
func parse(text string) (parts []part) {
	plain := 0
	for i := 0; i < len(text); {
		length := expressionAt(text[i:])
		if length == 0 {
			i++
			continue
		}
		if i > plain {
			parts = append(parts, part{kind: literal, text: text[plain:i]})
		}
		parts = append(parts, expression(text[i:i+length]))
		i += length
		plain = i
	}
	if plain < len(text) {
		parts = append(parts, part{kind: literal, text: text[plain:]})
	}
	return parts
}

// expressionAt returns how long the expression at the beginning of text is; 0 when there is none.
func expressionAt(text string) int {
	if !strings.HasPrefix(text, "${") && !strings.HasPrefix(text, gatewayPrefix) {
		return 0
	}
	const longest = 1024
	end := strings.IndexAny(text[:min(len(text), longest)], "}\n")
	if end < 0 || text[end] == '\n' {
		return 0
	}
	return end + 1
}

// expression reads one "${…}" or "{diploi-…}".
func expression(source string) part {
	if source[0] == '{' {
		return part{kind: gateway, text: source}
	}
	inner := source[2 : len(source)-1]
	if rest, ok := strings.CutPrefix(inner, generatePrefix); ok {
		verb, args, _ := strings.Cut(rest, ":")
		switch verb {
		case randomPassword, randomBytes, signedToken:
			return part{kind: generator, text: source, verb: verb, args: args}
		}
	}
	if validName(inner) && !strings.HasPrefix(inner, generatePrefix) {
		return part{kind: reference, text: inner}
	}
	return part{kind: unknown, text: source}
}

// source returns the part as it was written.
func (p part) source() string {
	if p.kind == reference {
		return "${" + p.text + "}"
	}
	return p.text
}

// matches reports whether text fits pattern, in which * stands for any text.
func matches(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
