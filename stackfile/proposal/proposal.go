// Package proposal is the diploi.yaml that Berth would write for a repository that has none: it looks for
// the files by which people and tools recognise an application, and says of each line whether a file
// shows it, whether it is a guess, or what a person still has to give.
//
// It must not know where a tree comes from, and what it reads is hostile: it looks at a bounded number of
// folders and files, and believes nothing that the project file's own reader would refuse.
package proposal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// file is the name of what is proposed.
const file = "diploi.yaml"

// Of returns the text of a project file for a tree, and the notes on it. The error is EInvalid where
// nothing is found that could be run, and says what was looked for.
func Of(tree Tree) (text string, notes []berth.FileNote, err error) {
	r := &repository{tree: tree, folders: map[string]*folder{}, texts: map[string]*string{}}
	s := r.stack()
	switch {
	case r.err != nil:
		return "", nil, r.err
	case len(s.components) == 0:
		return "", nil, s.nothing()
	}
	text, notes = s.write()
	if _, _, err := stackfile.ParseProject(file, []byte(text)); err != nil {
		return "", nil, fmt.Errorf("the repository cannot be described: %w", err)
	}
	return text, notes, nil
}

// stack is a project file in the making.
type stack struct {
	components []*component
	addons     []*addon
	notes      []berth.FileNote // about the whole
	looked     []string         // the folders that were looked into
	taken      map[string]bool  // identifiers
}

// component is one element that Berth would run.
type component struct {
	identifier string
	folder     string // "" is the top
	pkg        string
	why        because
	image      string // of package image
	hosts      *host  // nil: the package's
	silent     bool   // it has no hosts
	production string // start command; empty: the package's
	start      because
	variables  []variable
	volumes    []volume
	context    string // of builds by its own Dockerfile; "" is the top
	within     because
	needs      []need
	reads      []string // names of variables that its source reads
	composed   []stackfile.ComposeVariable
	source     string           // the compose file
	answers    bool             // something of its source or dependencies answers HTTP
	unmended   []berth.FileNote // what keeps its own start command from working in build stages
	notes      []berth.FileNote
}

// because is what a line rests on.
type because struct {
	kind   berth.NoteKind
	text   string
	source string
}

func found(source, format string, args ...any) because {
	return because{berth.NoteFound, fmt.Sprintf(format, args...), source}
}

func guessed(source, format string, args ...any) because {
	return because{berth.NoteGuessed, fmt.Sprintf(format, args...), source}
}

// host is where an application listens.
type host struct {
	port   int // 0: what its image exposes
	hidden bool
	why    because
}

// volume is storage that a component keeps.
type volume struct {
	identifier, path string
	why              because
}

// addon is a database or the like.
type addon struct {
	identifier string
	kind       *addonKind
	why        because
}

// note says something about a component that has no line of its own.
func (c *component) note(kind berth.NoteKind, source, format string, args ...any) {
	c.notes = append(c.notes, berth.FileNote{Kind: kind, Text: fmt.Sprintf(format, args...), Source: source})
}

// listensOn sets the port of the component's host.
func (c *component) listensOn(port int, why because) {
	if port > 0 && port <= 65535 && !c.silent {
		c.hosts = &host{port: port, hidden: c.pkg == pkgImage, why: why}
	}
}

// starts sets the command that a build stage runs.
func (c *component) starts(command string, why because) {
	c.production, c.start = command, why
}

// stack finds everything that the repository has.
func (r *repository) stack() *stack {
	s := &stack{taken: map[string]bool{}}
	composed := r.compose(s)
	folders := r.candidates()
	for _, dir := range folders {
		s.looked = append(s.looked, shownFolder(dir))
	}
	for _, dir := range folders {
		if composed.covers(dir) || s.covers(dir) {
			continue
		}
		s.components = append(s.components, r.componentsOf(dir)...)
	}
	r.sites(s, folders)
	s.name()
	for _, c := range s.components {
		c.notes = append(c.notes, c.unmended...)
	}
	r.databases(s)
	r.proxies(s)
	for _, c := range s.components {
		r.environment(s, c)
	}
	return s
}

// covers reports whether a component is built from the repository as a whole, so that what lies in the
// folders below it is part of it.
func (s *stack) covers(dir string) bool {
	return dir != "" && slices.ContainsFunc(s.components, func(c *component) bool { return c.folder == "" && c.pkg == pkgDockerfile })
}

// has reports whether a component lies in the folder or above it.
func (s *stack) has(dir string) bool {
	return slices.ContainsFunc(s.components, func(c *component) bool {
		return c.pkg != pkgImage && (c.folder == "" || c.folder == dir || strings.HasPrefix(dir, c.folder+"/"))
	})
}

// nothing is the error for a repository of which nothing is known.
func (s *stack) nothing() error {
	const most = 8
	where := s.looked
	if len(where) > most {
		where = append(slices.Clone(where[:most]), fmt.Sprintf("%d more", len(s.looked)-most))
	}
	text := fmt.Sprintf("Berth found nothing in this repository that it knows how to run. It looked in %s for: %s. "+
		"Add a Dockerfile, or a %s that names the components (berth package ls lists what they can be made from), commit it and try again",
		strings.Join(where, ", "), strings.Join(lookedFor, "; "), file)
	for _, n := range s.notes {
		text += ". " + n.Text
	}
	return &berth.Error{Code: berth.EInvalid, Message: text}
}

// lookedFor is what people are told when none of it is there.
var lookedFor = []string{
	"Dockerfile", "compose.yaml with services", "package.json that starts or builds something", "requirements.txt, pyproject.toml or Pipfile with an application",
	"go.mod with a main package", "Procfile", "index.html",
}

func shownFolder(dir string) string {
	if dir == "" {
		return "the top folder"
	}
	return shown(dir)
}

// shown is a name from the repository as a message has it.
func shown(name string) string {
	const longest = 80
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(name, "·"))
	if runes := []rune(name); len(runes) > longest {
		name = string(runes[:longest]) + "…"
	}
	return name
}
