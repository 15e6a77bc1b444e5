package proposal

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	goMain   = regexp.MustCompile(`(?m)^package main\b`)
	goModule = regexp.MustCompile(`(?m)^module\s+(\S+)`)
	goPort   = regexp.MustCompile(`ListenAndServe(?:TLS)?\(\s*"[^"]*:(\d{2,5})"|\.(?:Run|Start|Listen)\(\s*"[^"]*:(\d{2,5})"`)
)

// goServers are modules that answer HTTP.
var goServers = []string{"github.com/gin-gonic/gin", "github.com/labstack/echo/v4", "github.com/gofiber/fiber/v2", "github.com/go-chi/chi/v5", "github.com/gorilla/mux"}

// golang is the component of a folder with a Go module that has a main package.
func (r *repository) golang(dir string, f *folder) *component {
	if !f.has("go.mod") {
		return nil
	}
	module, ok := r.read(dir, "go.mod")
	main := r.goMain(dir, f, module)
	if !ok || main == "" {
		return nil
	}
	c := &component{folder: dir, pkg: pkgGo, why: found(path.Join(dir, main), "a main package"), needs: needsOf(path.Join(dir, "go.mod"), modulesOf(module))}
	c.reads = r.variablesRead(dir)
	if parent := path.Dir(main); parent != "." && len(r.list(path.Join(dir, "cmd")).folders) > 1 {
		c.variables = append(c.variables, variable{name: "GO_PACKAGE", value: "./" + parent, why: guessed(path.Join(dir, main), "one of several main packages")})
	}
	text, _ := r.read(dir, main)
	c.answers = strings.Contains(text, "ListenAndServe") || slices.ContainsFunc(modulesOf(module), func(m string) bool { return slices.Contains(goServers, m) })
	if match := goPort.FindStringSubmatch(text); match != nil && !strings.Contains(text, `"PORT"`) {
		port := match[1] + match[2]
		c.listensOn(number(port), found(path.Join(dir, main), "it listens on %s", port))
	}
	return c
}

// goMain is a file of the package main that is most likely the application's: at the top of the module,
// else below cmd.
func (r *repository) goMain(dir string, f *folder, module string) string {
	if name := r.mainFile(dir, f); name != "" {
		return name
	}
	if !slices.Contains(f.folders, "cmd") {
		return ""
	}
	cmd := r.list(path.Join(dir, "cmd"))
	if name := r.mainFile(path.Join(dir, "cmd"), cmd); name != "" {
		return "cmd/" + name
	}
	usual := []string{"server", "api", "web", "app", "http", "serve", "main"}
	if match := goModule.FindStringSubmatch(module); match != nil {
		usual = append(usual, path.Base(match[1]))
	}
	isOther := func(name string) bool { return !slices.Contains(usual, name) }
	folders := append(slices.DeleteFunc(slices.Clone(cmd.folders), isOther), cmd.folders...)
	for _, name := range folders[:min(len(folders), 8)] {
		if main := r.mainFile(path.Join(dir, "cmd", name), r.list(path.Join(dir, "cmd", name))); main != "" {
			return path.Join("cmd", name, main)
		}
	}
	return ""
}

// mainFile is a file of package main in a folder, main.go before others.
func (r *repository) mainFile(dir string, f *folder) string {
	files := slices.DeleteFunc(slices.Clone(f.files), func(name string) bool {
		return !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go")
	})
	if i := slices.Index(files, "main.go"); i > 0 {
		files[0], files[i] = files[i], files[0]
	}
	for _, name := range files[:min(len(files), 3)] {
		if text, ok := r.read(dir, name); ok && goMain.MatchString(text) {
			return name
		}
	}
	return ""
}

// modulesOf are the modules that a go.mod requires.
func modulesOf(module string) (names []string) {
	for line := range strings.Lines(module) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "require ")
		if fields := strings.Fields(line); len(fields) >= 2 && strings.Contains(fields[0], "/") && strings.HasPrefix(fields[1], "v") {
			names = append(names, fields[0])
		}
	}
	return names
}
