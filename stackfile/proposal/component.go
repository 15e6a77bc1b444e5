package proposal

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// The packages that components are made from.
const (
	pkgDockerfile = "dockerfile"
	pkgImage      = "image"
	pkgStatic     = "static"
	pkgNode       = "nodejs"
	pkgNext       = "nextjs"
	pkgVite       = "react-vite"
	pkgPython     = "python"
	pkgGo         = "go"
)

// port is where a component listens: where the project file says, else where its package does.
func (c *component) port() int {
	if c.hosts != nil {
		return c.hosts.port
	}
	return map[string]int{pkgNode: 3000, pkgNext: 3000, pkgPython: 8000, pkgGo: 8080}[c.pkg]
}

// componentsOf are the components of one folder: what answers, and what its Procfile runs beside that.
func (r *repository) componentsOf(dir string) []*component {
	f := r.list(dir)
	c := r.byLanguage(dir, f)
	if f.has("Dockerfile") {
		c = r.byDockerfile(dir, c)
	}
	processes := r.procfile(dir)
	if c == nil {
		return nil
	}
	all := []*component{c}
	for _, p := range processes {
		switch p.name {
		case "web":
			if text, _ := r.read(dir, "Dockerfile"); !f.has("Dockerfile") || !hasCommand.MatchString(text) {
				c.startsWeb(path.Join(dir, "Procfile"), p.command, processes)
			}
		case "release":
		default:
			worker := &component{identifier: p.name, folder: dir, pkg: c.pkg, why: c.why, silent: true, needs: c.needs, reads: c.reads}
			worker.starts(p.command, found(path.Join(dir, "Procfile"), "%s: of the Procfile", p.name))
			all = append(all, worker)
		}
	}
	return all
}

var ownProgram = regexp.MustCompile(`^bin/[A-Za-z0-9_.-]+$`)

// startsWeb takes the Procfile's command for what answers, with what runs before each release in front.
func (c *component) startsWeb(source, command string, processes []process) {
	if c.pkg == pkgVite || c.pkg == pkgStatic {
		return
	}
	if c.pkg == pkgGo && len(processes) == 1 && ownProgram.MatchString(command) {
		return // where Heroku puts what it builds; the package starts what it builds itself
	}
	why := found(source, "web: of the Procfile")
	for _, p := range processes {
		if p.name == "release" {
			command, why.text = p.command+" && "+command, "release: and web: of the Procfile"
		}
	}
	c.starts(command, why)
}

// byLanguage is the component that the folder's own tools make of it, nil where there is none.
func (r *repository) byLanguage(dir string, f *folder) *component {
	for _, language := range []func(string, *folder) *component{r.node, r.python, r.golang} {
		if c := language(dir, f); c != nil {
			return c
		}
	}
	return nil
}

var (
	fromLine   = regexp.MustCompile(`(?mi)^\s*FROM\s+(?:--\S+\s+)*(\S+)`)
	exposeLine = regexp.MustCompile(`(?mi)^\s*EXPOSE\s+(\d{1,5})`)
	hasCommand = regexp.MustCompile(`(?mi)^\s*(?:CMD|ENTRYPOINT)\s`)
	portOfCmd  = regexp.MustCompile(`(?:--port|--bind|-b)["'\s,=]+(?:[\w.\[\]]*:)?(\d{2,5})\b`)
	portInFile = regexp.MustCompile(`(?mi)^\s*ENV\s+(?:.*\s)?PORT[= ]"?(\d{2,5})`)
)

// runtimes are words in the name of an image that a language's package knows how to develop in.
var runtimes = map[string][]string{
	pkgNode: {"node", "bun"}, pkgNext: {"node", "bun"}, pkgVite: {"node", "bun"}, pkgPython: {"python", "uv"}, pkgGo: {"golang"},
}

// byDockerfile is the component that a folder's Dockerfile builds. Where it builds on the image of the
// folder's language, that language's package stays: the Dockerfile is what build stages run either way,
// and in development the package knows how to run the working tree.
func (r *repository) byDockerfile(dir string, c *component) *component {
	source := path.Join(dir, "Dockerfile")
	text, _ := r.read(dir, "Dockerfile")
	if c != nil && buildsOn(text, runtimes[c.pkg]) {
		c.note(berth.NoteFound, source, "build stages run what the Dockerfile builds")
		c.production, c.unmended = "", nil
	} else {
		reads, needs := []string(nil), []need(nil)
		if c != nil {
			reads, needs = c.reads, c.needs
		}
		c = &component{folder: dir, pkg: pkgDockerfile, why: found(source, "a Dockerfile"), reads: reads, needs: needs}
	}
	r.dockerfilePort(c, source, text)
	r.dockerfileContext(c, source, text)
	return c
}

var copyLine = regexp.MustCompile(`(?mi)^\s*(?:COPY|ADD)\s+(.+)$`)

// dockerfileContext finds out whether a Dockerfile below the top copies from its own folder, as most are
// written, or from the top of the repository.
func (r *repository) dockerfileContext(c *component, source, text string) {
	if c.folder == "" {
		return
	}
	whole := false
	for _, line := range copyLine.FindAllStringSubmatch(text, 50) {
		for _, name := range copied(line[1]) {
			switch own, top := r.there(path.Join(c.folder, name)), r.there(name); {
			case name == ".":
				whole = true
			case own && !top:
				c.context, c.within = c.folder, found(source, "it copies %s from its own folder", shown(name))
				return
			case top && !own:
				return
			}
		}
	}
	if whole && !strings.Contains(text, "FOLDER") {
		c.context, c.within = c.folder, guessed(source, "it copies everything, most likely of its own folder")
	}
}

// copied are the sources of a COPY that name something of the build context.
func copied(arguments string) (names []string) {
	words := strings.Fields(arguments)
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		if strings.HasPrefix(words[0], "--from") {
			return nil
		}
		words = words[1:]
	}
	for _, word := range words[:max(0, len(words)-1)] {
		word = strings.Trim(word, `[]",`)
		if name := path.Clean(strings.TrimPrefix(word, "/")); folderFits(name) && !strings.ContainsAny(word, "*?$<") {
			names = append(names, name)
		}
	}
	return names
}

// there reports whether the repository has a file or folder.
func (r *repository) there(name string) bool {
	f := r.list(parentOf(name))
	return f.has(path.Base(name)) || slices.Contains(f.folders, path.Base(name))
}

func buildsOn(text string, images []string) bool {
	for _, from := range fromLine.FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc(images, func(word string) bool { return strings.Contains(strings.ToLower(from[1]), word) }) {
			return true
		}
	}
	return false
}

// dockerfilePort finds the port that a Dockerfile's image listens on.
func (r *repository) dockerfilePort(c *component, source, text string) {
	if exposed := last(exposeLine, text); exposed != "" {
		c.listensOn(number(exposed), found(source, "EXPOSE %s", exposed))
		return
	}
	if port := last(portOfCmd, text); port != "" {
		c.listensOn(number(port), found(source, "its command says port %s", port))
		return
	}
	if port := last(portInFile, text); port != "" {
		c.listensOn(number(port), found(source, "PORT is %s", port))
		return
	}
	if c.pkg == pkgDockerfile && c.hosts == nil {
		c.listensOn(8080, guessed(source, "no EXPOSE says where it listens; PORT tells it this one"))
	}
}

// last is what the first group of a pattern's last match holds: later stages overrule earlier ones.
func last(pattern *regexp.Regexp, text string) string {
	matches := pattern.FindAllStringSubmatch(text, -1)
	if len(matches) == 0 {
		return ""
	}
	return matches[len(matches)-1][1]
}

// number is a short decimal number, 0 for anything else.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 65535 {
		return 0
	}
	return n
}

// process is one line of a Procfile.
type process struct{ name, command string }

var processLine = regexp.MustCompile(`^([A-Za-z0-9_-]{1,40}):\s*(.+)$`)

func (r *repository) procfile(dir string) (all []process) {
	if !r.list(dir).has("Procfile") {
		return nil
	}
	const most = 10
	text, _ := r.read(dir, "Procfile")
	for line := range strings.Lines(text) {
		if m := processLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && len(all) < most {
			all = append(all, process{m[1], strings.TrimSpace(m[2])})
		}
	}
	return all
}

// sites adds a folder of finished pages where nothing else is in it: the top, or the usual names below it.
func (r *repository) sites(s *stack, folders []string) {
	for _, dir := range folders {
		usual := dir == "" || slices.Contains([]string{"public", "site", "website", "www", "html", "web", "frontend", "client", "static", "src"}, path.Base(dir))
		if !usual || s.has(dir) || !r.list(dir).has("index.html") || r.list(dir).has("package.json") {
			continue
		}
		s.components = append(s.components, &component{folder: dir, pkg: pkgStatic, why: found(path.Join(dir, "index.html"), "finished pages")})
		if dir == "" {
			return
		}
	}
}
