package proposal

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// writer writes a project file line by line, with what each line rests on.
type writer struct {
	lines   []string
	notes   []berth.FileNote
	element string
}

func (w *writer) line(indent int, text string) {
	w.lines = append(w.lines, strings.Repeat("  ", indent)+text)
}

// said is line with its reason.
func (w *writer) said(indent int, text string, why because) {
	w.line(indent, text)
	if why.text != "" {
		w.notes = append(w.notes, berth.FileNote{Line: len(w.lines), Kind: why.kind, Element: w.element, Text: why.text, Source: why.source})
	}
}

// loose notes follow the lines of their element.
func (w *writer) loose(notes []berth.FileNote) {
	for _, n := range notes {
		n.Element = w.element
		w.notes = append(w.notes, n)
	}
}

// write returns the file and its notes.
func (s *stack) write() (text string, notes []berth.FileNote) {
	w := &writer{}
	w.line(0, "diploiVersion: v1.0")
	w.line(0, "components:")
	for _, c := range s.components {
		c.write(w)
	}
	if len(s.addons) > 0 {
		w.line(0, "addons:")
	}
	for _, a := range s.addons {
		w.element = a.identifier
		w.line(1, "- name: "+scalar(a.kind.title))
		w.line(2, "identifier: "+scalar(a.identifier))
		w.said(2, "package: "+scalar(a.kind.pkg), a.why)
	}
	w.element = ""
	w.loose(s.notes)
	return strings.Join(w.lines, "\n") + "\n", w.notes
}

func (c *component) write(w *writer) {
	w.element = c.identifier
	w.line(1, "- name: "+scalar(title(c.identifier)))
	w.line(2, "identifier: "+scalar(c.identifier))
	w.said(2, "package: "+scalar(c.pkg), c.why)
	if c.pkg == pkgImage {
		w.line(2, "prebuildImage: "+scalar(c.image))
	} else {
		w.line(2, "folder: "+scalar("/"+c.folder))
	}
	switch {
	case c.silent:
		w.line(2, "hosts: []")
	case c.hosts != nil:
		w.line(2, "hosts:")
		c.hosts.write(w)
	}
	if c.production != "" {
		w.line(2, "containerCommands:")
		w.said(3, "productionStart: "+scalar(c.production), c.start)
		if c.silent && c.pkg != pkgImage { // what the package starts by itself is the server
			w.said(3, "developmentStart: "+scalar(c.production), c.start)
		}
	}
	if len(c.variables) > 0 {
		w.line(2, "env:")
		w.line(3, "include:")
	}
	for _, v := range c.variables {
		v.write(w)
	}
	if len(c.volumes) > 0 || c.context != "" {
		w.line(2, "berth:")
	}
	if c.context != "" {
		w.said(3, "context: "+scalar("/"+c.context), c.within)
	}
	if len(c.volumes) > 0 {
		w.line(3, "storage:")
	}
	for _, v := range c.volumes {
		w.said(4, "- identifier: "+scalar(v.identifier), v.why)
		w.line(5, "path: "+scalar(v.path))
	}
	w.loose(c.notes)
}

func (h host) write(w *writer) {
	w.line(3, "- identifier: app")
	if h.port > 0 {
		w.said(4, "port: "+strconv.Itoa(h.port), h.why)
	}
	if h.hidden {
		w.said(4, "endpoint: false", guessed("", "only the other elements reach it; true gives it a public host"))
	}
}

func (v variable) write(w *writer) {
	if v.include != "" {
		w.said(4, "- "+scalar(v.include), v.why)
		return
	}
	w.said(4, "- name: "+scalar(v.name), v.why)
	w.line(5, "value: "+scalar(v.value))
}

var plainScalar = regexp.MustCompile(`^[A-Za-z/.][A-Za-z0-9_./@+=-]*(:[A-Za-z0-9_./@+=-]+)*( [A-Za-z0-9_./@+=$-]+)*$`)

// meaningful words are no text when they stand unquoted.
var meaningful = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}

// scalar is text as YAML has it: quoted where it could be read as something else.
func scalar(text string) string {
	if plainScalar.MatchString(text) && !slices.Contains(meaningful, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(strings.ToValidUTF8(text, "?"))
}
