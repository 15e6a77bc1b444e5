package proposal

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// pythonFiles name what a Python application depends on.
var pythonFiles = []string{"pyproject.toml", "requirements.txt", "Pipfile", "uv.lock"}

// pythonPrograms are started where there is no framework.
var pythonPrograms = []string{"main.py", "app.py", "server.py", "run.py"}

// pythonServers are packages that make an application answer HTTP, best first.
var pythonServers = []struct{ dependency, name, application string }{
	{"django", "Django", ""},
	{"fastapi", "FastAPI", "FastAPI("},
	{"flask", "Flask", "Flask("},
	{"starlette", "Starlette", "Starlette("},
	{"litestar", "Litestar", "Litestar("},
	{"sanic", "Sanic", "Sanic("},
	{"tornado", "Tornado", "tornado"},
	{"aiohttp", "aiohttp", "web.Application("},
	{"streamlit", "Streamlit", "streamlit"},
	{"gradio", "Gradio", "gradio"},
}

// python is the component of a folder with a Python application.
func (r *repository) python(dir string, f *folder) *component {
	source := f.first(append(slices.Clone(pythonFiles), "manage.py")...)
	if source == "" {
		return nil
	}
	dependencies := r.pythonDependencies(dir, f)
	c := &component{folder: dir, pkg: pkgPython, needs: needsOf(path.Join(dir, source), dependencies), reads: r.variablesRead(dir)}
	name, at := r.pythonServer(dir, f, dependencies)
	c.answers = name != "" || f.has("manage.py")
	switch {
	case f.has("manage.py"):
		c.why = found(path.Join(dir, "manage.py"), "a Django project")
	case name != "":
		c.why = found(path.Join(dir, source), "depends on %s", name)
		if at != "" {
			c.note(berth.NoteFound, path.Join(dir, at), "the %s application", name)
		} else {
			c.note(berth.NoteGuessed, path.Join(dir, source), "no usual file has the %s application; containerCommands.productionStart says how to start another", name)
		}
	case f.has("Procfile"):
		c.why = found(path.Join(dir, source), "a Python application")
	case f.first(pythonPrograms...) != "":
		c.why = guessed(path.Join(dir, f.first(pythonPrograms...)), "a Python program; nothing shows yet that it answers HTTP")
	default:
		return nil
	}
	if f.has("manage.py") && slices.ContainsFunc(c.needs, func(n need) bool { return n.kind.sql() }) {
		c.starts("python manage.py migrate && exec start-app", guessed(path.Join(dir, "manage.py"), "so that the database has its tables"))
	}
	if source == "Pipfile" {
		c.note(berth.NoteMissing, path.Join(dir, source), "a Pipfile is not installed from: add a requirements.txt (pipenv requirements)")
	}
	if f.first("poetry.lock", "Pipfile.lock", "requirements.txt") == "" && !r.above(dir, "uv.lock") {
		c.note(berth.NoteMissing, path.Join(dir, source), "there is no lock file, so each build may install other versions: commit uv.lock")
	}
	return c
}

// above reports whether a folder or one that it lies in has a file.
func (r *repository) above(dir, name string) bool {
	for !r.list(dir).has(name) {
		if dir == "" {
			return false
		}
		dir = parentOf(dir)
	}
	return true
}

// pythonServer is the framework that the dependencies name, and the file that has the application.
func (r *repository) pythonServer(dir string, f *folder, dependencies []string) (name, at string) {
	for _, server := range pythonServers {
		if !slices.Contains(dependencies, server.dependency) {
			continue
		}
		return server.name, r.pythonApplication(dir, f, server.application)
	}
	return "", ""
}

// pythonApplication is the first of the files in which the package looks that makes an application.
func (r *repository) pythonApplication(dir string, f *folder, made string) string {
	candidates := []string{"main.py", "app.py", "application.py", "server.py", "api.py", "asgi.py", "wsgi.py", "run.py", "index.py"}
	for _, below := range f.folders[:min(len(f.folders), 12)] {
		for _, name := range []string{"main.py", "app.py", "__init__.py", "asgi.py", "wsgi.py"} {
			candidates = append(candidates, below+"/"+name)
		}
	}
	for _, candidate := range candidates {
		if !folderFits(candidate) || !r.list(path.Join(dir, path.Dir(candidate))).has(path.Base(candidate)) {
			continue
		}
		if text, ok := r.read(dir, candidate); ok && made != "" && strings.Contains(text, made) {
			return candidate
		}
	}
	return ""
}

var (
	requirement = regexp.MustCompile(`^["']?([A-Za-z0-9][A-Za-z0-9._-]*)`)
	separators  = regexp.MustCompile(`[-_.]+`)
)

// pythonDependencies are the names, as the package index normalises them, of what the application needs.
func (r *repository) pythonDependencies(dir string, f *folder) (names []string) {
	for _, file := range []string{"requirements.txt", "pyproject.toml", "Pipfile"} {
		if !f.has(file) {
			continue
		}
		text, _ := r.read(dir, file)
		for line := range strings.Lines(text) {
			for _, part := range requirementsIn(file, line) {
				if match := requirement.FindStringSubmatch(part); match != nil {
					names = append(names, strings.ToLower(separators.ReplaceAllString(match[1], "-")))
				}
			}
		}
	}
	return names
}

// requirementsIn are the requirements that a line may hold: the line of a requirements.txt, the quoted
// texts and the key of a line of TOML.
func requirementsIn(file, line string) (parts []string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
		return nil
	}
	if file == "requirements.txt" {
		return []string{line}
	}
	key, _, isKey := strings.Cut(line, "=")
	if isKey && !strings.ContainsAny(key, `"'[`) {
		parts = append(parts, strings.TrimSpace(key))
	}
	for i, quoted := range strings.FieldsFunc(line, func(r rune) bool { return r == '"' || r == '\'' }) {
		if i%2 == 1 || strings.HasPrefix(line, `"`) || strings.HasPrefix(line, "'") {
			parts = append(parts, quoted)
		}
	}
	return parts
}
