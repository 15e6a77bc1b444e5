package proposal

import (
	"cmp"
	"path"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// topName is what the element of the top folder is called.
const topName = "web"

// name gives every component and add-on an identifier that no other has.
func (s *stack) name() {
	for _, a := range s.addons {
		a.identifier = s.free(a.identifier)
	}
	for _, c := range s.components {
		if c.identifier == "" && c.folder == "" {
			continue // it gives way to a folder of its name
		}
		wanted := identifier(cmp.Or(c.identifier, path.Base(c.folder)))
		if s.taken[wanted] && strings.Contains(c.folder, "/") {
			wanted = identifier(path.Base(path.Dir(c.folder)) + "-" + wanted)
		}
		c.identifier = s.free(wanted)
	}
	for _, c := range s.components {
		if c.identifier == "" {
			name := topName
			if s.taken[name] {
				name = "app"
			}
			c.identifier = s.free(name)
		}
	}
}

// free is an identifier like the one that is wanted, taken from now on.
func (s *stack) free(wanted string) string {
	name := identifier(wanted)
	for n := 2; s.taken[name]; n++ {
		suffix := "-" + strconv.Itoa(n)
		name = strings.TrimRight(identifier(wanted)[:min(len(identifier(wanted)), berth.MaxName-len(suffix))], "-") + suffix
	}
	s.taken[name] = true
	return name
}

// identifier makes any text a name of an element.
func identifier(text string) string {
	name := berth.NameFrom(text)
	if berth.ReservedIdentifier(name) {
		name += "-app"
	}
	return name
}

// title is an element's name for people.
func title(identifier string) string {
	words := strings.Split(identifier, "-")
	for i, w := range words {
		switch w {
		case "api", "ui", "cms", "db":
			words[i] = strings.ToUpper(w)
		default:
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}
