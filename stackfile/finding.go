package stackfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-dev/berth"
)

// Finding is one thing to say about a file: where, about which field, and what to do.
type Finding struct {
	File    string
	Line    int // 0: the file as a whole
	Column  int
	Field   string // dotted path: "components[0].package"; may be empty
	Message string
}

// Warning is a finding that does not keep the file from being used.
type Warning = Finding

// String formats the finding as compilers do, so that editors can jump to it.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Errors are the findings that make a file unusable, in the order of the file.
// errors.As gives a *berth.Error with code EInvalid.
type Errors struct {
	List []Finding
	More int // how many others were found and are not listed
}

func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, f := range e.List {
		lines = append(lines, f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// As lets errors.As see the findings as one coded error for people.
func (e *Errors) As(target any) bool {
	coded, ok := target.(**berth.Error)
	if ok {
		*coded = &berth.Error{Code: berth.EInvalid, Message: e.Error()}
	}
	return ok
}

// findings collects what is said about one file.
type findings struct {
	file     string
	errors   []Finding
	warnings []Warning
}

func (f *findings) fail(at Position, field, format string, args ...any) {
	f.errors = append(f.errors, f.finding(at, field, format, args))
}

func (f *findings) warn(at Position, field, format string, args ...any) {
	f.warnings = append(f.warnings, f.finding(at, field, format, args))
}

func (f *findings) finding(at Position, field, format string, args []any) Finding {
	return Finding{File: f.file, Line: at.Line, Column: at.Column, Field: field, Message: fmt.Sprintf(format, args...)}
}

// result returns the warnings and, when there is any, the error.
func (f *findings) result() ([]Warning, error) {
	warnings, errors := inOrder(f.warnings), inOrder(f.errors)
	warnings = warnings[:min(len(warnings), maxFindings)]
	if len(errors) == 0 {
		return warnings, nil
	}
	listed := errors[:min(len(errors), maxFindings)]
	return warnings, &Errors{List: listed, More: len(errors) - len(listed)}
}

// inOrder sorts findings as the file is read and drops repeated ones, which aliases cause.
func inOrder(list []Finding) []Finding {
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(list)
}

// shown is text from a file as it appears in a message: quoted, and cut where it is long.
func shown(text string) string {
	return fmt.Sprintf("%q", cut(text, 60))
}

// plain is text from a file as it appears in a message unquoted: cut, and without anything that
// a terminal would act on.
func plain(text string, longest int) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, cut(text, longest))
}

func cut(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	for !utf8.RuneStart(text[longest]) {
		longest--
	}
	return text[:longest] + "…"
}
