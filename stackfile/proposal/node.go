package proposal

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// manifest is what is read of a package.json. A field of another type than usual is as good as none.
type manifest struct {
	name         string
	main, nodes  string
	scripts      map[string]string
	dependencies map[string]string
	development  map[string]string
	workspaces   []string
	isWorkspace  bool
}

func (r *repository) manifest(dir string) (m manifest, ok bool) {
	text, ok := r.read(dir, "package.json")
	if !ok {
		return m, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &fields) != nil {
		return m, false
	}
	var engines map[string]string
	var nested struct{ Packages []string }
	optional := func(name string, into any) bool { return json.Unmarshal(fields[name], into) == nil }
	optional("name", &m.name)
	optional("main", &m.main)
	optional("scripts", &m.scripts)
	optional("dependencies", &m.dependencies)
	optional("devDependencies", &m.development)
	if optional("engines", &engines) {
		m.nodes = engines["node"]
	}
	if !optional("workspaces", &m.workspaces) && optional("workspaces", &nested) {
		m.workspaces = nested.Packages
	}
	m.isWorkspace = len(m.workspaces) > 0 || r.list(dir).has("pnpm-workspace.yaml")
	return m, true
}

// uses returns the first of the names that the manifest depends on.
func (m manifest) uses(names ...string) string {
	for _, name := range names {
		if m.dependencies[name] != "" || m.development[name] != "" {
			return name
		}
	}
	return ""
}

// workspaces are the folders, some of them with /* behind, that a repository's manifests gather.
func (r *repository) workspaces() (patterns []string) {
	if r.list("").has("package.json") {
		m, _ := r.manifest("")
		patterns = append(patterns, m.workspaces...)
	}
	if r.list("").has("pnpm-workspace.yaml") {
		text, _ := r.read("", "pnpm-workspace.yaml")
		for line := range strings.Lines(text) {
			if item, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
				patterns = append(patterns, strings.Trim(item, `'" `))
			}
		}
	}
	for i, p := range patterns {
		patterns[i] = strings.TrimPrefix(strings.Replace(path.Clean(p), "**", "*", 1), "./")
	}
	return slices.DeleteFunc(patterns, func(p string) bool {
		return strings.HasPrefix(p, "!") || strings.Contains(strings.TrimSuffix(p, "/*"), "*") || !folderFits(strings.TrimSuffix(p, "/*"))
	})
}

// servers are packages that answer HTTP.
var servers = []string{
	"express", "fastify", "koa", "hono", "@hono/node-server", "@hapi/hapi", "@nestjs/core", "polka", "restify", "@feathersjs/feathers",
	"@apollo/server", "socket.io", "ws", "h3", "elysia", "micro", "@adonisjs/core", "strapi", "@strapi/strapi", "sails", "express-generator", "json-server",
}

// frameworks build something that is started with a command of their own, for who has no start script.
var frameworks = []struct{ name, command string }{
	{"nuxt", "node .output/server/index.mjs"},
	{"@sveltejs/adapter-node", "node build"},
	{"@astrojs/node", "node dist/server/entry.mjs"},
	{"@nestjs/core", "node dist/main.js"},
	{"@remix-run/serve", "npx remix-serve build/server/index.js"},
	{"@react-router/serve", "npx react-router-serve build/server/index.js"},
}

// node is the component of a folder with a package.json that starts or builds something.
func (r *repository) node(dir string, f *folder) *component {
	if !f.has("package.json") {
		return nil
	}
	source := path.Join(dir, "package.json")
	m, ok := r.manifest(dir)
	if !ok {
		return nil
	}
	c := &component{folder: dir, needs: needsOf(source, slices.Sorted(maps.Keys(m.dependencies)))}
	entry := r.entry(dir, f, m)
	switch {
	case m.uses("next") != "":
		c.pkg, c.why = pkgNext, found(source, "depends on next")
		if start := m.scripts["start"]; start != "" && !strings.Contains(start, "next start") { // as of what is exported
			c.starts("npm start", found(source, "the script start is not next start: %s", shown(start)))
		}
	case m.uses("vite") != "" && f.has("index.html") && !r.serves(dir, m, entry):
		c.pkg, c.why = pkgVite, found(source, "depends on vite")
		r.viteNotes(c, dir, f, m)
	default:
		c.pkg, c.why = pkgNode, found(source, "a package.json")
		if !r.nodeServer(c, dir, f, m, entry) {
			return nil
		}
	}
	r.nodeNotes(c, dir, f, m)
	_, text := r.entryText(dir, entry)
	c.answers = c.pkg != pkgNode || answersHTTP.MatchString(text) || m.uses(servers...) != ""
	c.needs = append(c.needs, r.prisma(dir)...)
	c.reads = r.variablesRead(dir)
	return c
}

var nodeCommand = regexp.MustCompile(`^(?:[A-Z_]+=\S+\s+)*(?:node|nodemon|tsx|ts-node|bun)\s+(?:run\s+)?(?:--?\S+\s+)*([A-Za-z0-9_./-]+)`)

// entry is the file that a server of the folder starts with, "" where none can be told.
func (r *repository) entry(dir string, f *folder, m manifest) string {
	for _, script := range []string{"start", "dev"} {
		if match := nodeCommand.FindStringSubmatch(m.scripts[script]); match != nil {
			return path.Clean(match[1])
		}
	}
	candidates := []string{"server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs", "server.ts", "index.ts"}
	if main := path.Clean(m.main); m.main != "" && folderFits(main) {
		candidates = append([]string{main}, candidates...)
	}
	for _, name := range candidates {
		if r.list(path.Join(dir, path.Dir(name))).has(path.Base(name)) {
			return name
		}
	}
	if f.has("package.json") && slices.Contains(f.folders, "src") {
		if name := r.list(path.Join(dir, "src")).first("server.js", "index.js", "main.js", "app.js", "server.ts", "index.ts", "main.ts", "app.ts"); name != "" {
			return "src/" + name
		}
	}
	return ""
}

// serves reports whether the package is a server of its own beside what Vite builds.
func (r *repository) serves(dir string, m manifest, entry string) bool {
	if m.uses("@sveltejs/kit", "@remix-run/dev", "@react-router/dev", "astro", "@solidjs/start", "@tanstack/react-start", "vike") != "" {
		return true
	}
	start := m.scripts["start"]
	if start == "" || strings.Contains(start, "vite") || strings.Contains(start, "serve ") {
		return false
	}
	return nodeCommand.MatchString(start) || m.uses(servers...) != ""
}

var answersHTTP = regexp.MustCompile(`\blisten\s*\(|createServer\s*\(|\bserve\s*\(|Bun\.serve`)

// nodeServer decides how a Node.js server starts; false for a package that is no application.
func (r *repository) nodeServer(c *component, dir string, f *folder, m manifest, entry string) bool {
	source := path.Join(dir, "package.json")
	written, text := r.entryText(dir, entry)
	start := m.scripts["start"]
	switch {
	case m.isWorkspace && start == "" && text == "":
		return false // it gathers others
	case start != "":
		c.why = found(source, "the script start: %s", shown(start))
		r.mendStart(c, source, start, m, entry)
	case r.list(dir).has("Procfile"):
	case text != "" && (answersHTTP.MatchString(text) || m.uses(servers...) != ""):
		c.why = found(path.Join(dir, entry), "a server")
		if entry != "server.js" {
			c.starts(nodeStart(entry), guessed(source, "there is no script start"))
		}
	default:
		return frameworkStart(c, source, m) || m.scripts["dev"] != "" && m.uses(servers...) != "" && unstarted(c, source)
	}
	r.nodePort(c, dir, written, start, text)
	return true
}

func frameworkStart(c *component, source string, m manifest) bool {
	for _, framework := range frameworks {
		if m.uses(framework.name) != "" {
			c.why = found(source, "depends on %s", framework.name)
			c.starts(framework.command, guessed(source, "there is no script start; %s usually starts so", framework.name))
			return true
		}
	}
	if m.uses("astro", "@sveltejs/kit", "@vue/cli-service", "@angular/core", "gatsby") != "" && m.scripts["preview"] != "" {
		c.why = found(source, "the script preview")
		c.starts("npm run preview -- --host 0.0.0.0 --port $PORT", guessed(source, "there is no script start"))
		return true
	}
	return false
}

func unstarted(c *component, source string) bool {
	c.why = found(source, "the script dev")
	c.note(berth.NoteMissing, source, "there is no script start, so build stages do not know what to run: add one")
	return true
}

// entryText is the entry file's name and text; for one that a build makes, those of the file that it is
// likely made from.
func (r *repository) entryText(dir, entry string) (name, text string) {
	if entry == "" {
		return "", ""
	}
	candidates := []string{entry}
	if _, built, ok := strings.Cut(entry, "/"); ok {
		candidates = append(candidates, "src/"+strings.TrimSuffix(built, ".js")+".ts", "src/"+built)
	}
	for _, name := range candidates {
		if !folderFits(name) || !r.list(path.Join(dir, path.Dir(name))).has(path.Base(name)) {
			continue
		}
		if text, ok := r.read(dir, name); ok {
			return name, text
		}
	}
	return "", ""
}

func nodeStart(entry string) string {
	if strings.HasSuffix(entry, ".ts") {
		return "node --experimental-strip-types " + entry
	}
	return "node " + entry
}

// packageOf names the package of a program where they are called differently.
var packageOf = map[string]string{"nest": "@nestjs/cli", "ng": "@angular/cli", "vue-cli-service": "@vue/cli-service"}

// forDevelopment reports whether a script runs a program that only a development dependency brings, and which.
func (m manifest) forDevelopment(script string) (program string, yes bool) {
	program, _, _ = strings.Cut(strings.TrimSpace(script), " ")
	name := cmp.Or(packageOf[program], program)
	return program, m.development[name] != "" && m.dependencies[name] == ""
}

// mendStart replaces a start script that only works with what build stages leave out.
func (r *repository) mendStart(c *component, source, start string, m manifest, entry string) {
	program, yes := m.forDevelopment(start)
	if !yes {
		return
	}
	for _, name := range []string{"start:prod", "start:production"} {
		if script := m.scripts[name]; script != "" {
			if _, yes := m.forDevelopment(script); !yes {
				c.starts("npm run "+name, found(source, "the script start runs %s, which build stages do not install; %s does without", program, name))
				return
			}
		}
	}
	switch program {
	case "nodemon":
		c.starts(nodeStart(entry), guessed(source, "the script start runs nodemon, which build stages do not install"))
	case "ts-node", "tsx":
		if strings.HasSuffix(entry, ".ts") {
			c.starts(nodeStart(entry), guessed(source, "the script start runs %s, which build stages do not install; Node 22 runs TypeScript whose types can be erased", program))
		}
	default:
		c.unmended = append(c.unmended, berth.FileNote{Kind: berth.NoteMissing, Source: source,
			Text: "the script start runs " + shown(program) + ", which build stages do not install: move it from devDependencies to dependencies"})
	}
}

var (
	portFlag     = regexp.MustCompile(`(?:--port[= ]|-p )(\d{2,5})\b`)
	fixedPort    = regexp.MustCompile(`\blisten\s*\(\s*(?:\{[^}]{0,200}\bport\s*:\s*)?(\d{2,5})\b`)
	onlyLoopback = regexp.MustCompile(`\blisten\s*\([^)]{0,200}['"](?:localhost|127\.0\.0\.1)['"]`)
)

// nodePort finds a port that the application does not take from PORT.
func (r *repository) nodePort(c *component, dir, entry, start, text string) {
	source := path.Join(dir, entry)
	if port := last(portFlag, start); port != "" {
		c.listensOn(number(port), found(path.Join(dir, "package.json"), "the script start says port %s", port))
	} else if port := last(fixedPort, text); port != "" && !strings.Contains(text, "env.PORT") {
		c.listensOn(number(port), found(source, "it listens on %s, whatever PORT says", port))
	}
	if onlyLoopback.MatchString(text) {
		c.note(berth.NoteMissing, source, "it listens on localhost only, where nobody else reaches it: listen on 0.0.0.0")
	}
}

var viteConfigs = []string{"vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs"}

// viteNotes say what the package needs of a Vite project.
func (r *repository) viteNotes(c *component, dir string, f *folder, m manifest) {
	if m.scripts["build"] == "" {
		c.note(berth.NoteMissing, path.Join(dir, "package.json"), `there is no script build: add "build": "vite build"`)
	}
	if config := f.first(viteConfigs...); config != "" {
		if text, _ := r.read(dir, config); strings.Contains(text, "outDir") {
			c.note(berth.NoteGuessed, path.Join(dir, config), "it sets outDir; the package serves dist")
		}
	}
}

var proxiedPath = regexp.MustCompile(`['"](/[A-Za-z0-9_/-]{1,60})['"]\s*:\s*(?:\{|['"]https?:)`)

// proxies lead the paths that a Vite project passes on in development to the one server there is.
func (r *repository) proxies(s *stack) {
	var servers []*component
	for _, c := range s.components {
		if !c.silent && c.pkg != pkgVite && c.pkg != pkgStatic && c.pkg != pkgImage {
			servers = append(servers, c)
		}
	}
	for _, c := range s.components {
		config := r.list(c.folder).first(viteConfigs...)
		if c.pkg != pkgVite || config == "" || len(servers) != 1 {
			continue
		}
		text, _ := r.read(c.folder, config)
		var pairs []string
		to := "http://app." + servers[0].identifier + ":" + strconv.Itoa(servers[0].port())
		for _, m := range proxiedPath.FindAllStringSubmatch(text, 10) {
			pairs = append(pairs, m[1]+"="+to)
		}
		if len(pairs) == 0 || !strings.Contains(text, "proxy") {
			continue
		}
		source := path.Join(c.folder, config)
		c.variables = append(c.variables, variable{name: "SERVE_PROXY", value: strings.Join(pairs, " "), why: guessed(source, "server.proxy passes these on in development")})
		c.note(berth.NoteMissing, source, "in development the target of server.proxy is %s", to)
	}
}

var majorVersion = regexp.MustCompile(`\d+`)

// nodeNotes say what of a package.json may matter later.
func (r *repository) nodeNotes(c *component, dir string, f *folder, m manifest) {
	locks := []string{"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"}
	lock, at := f.first(locks...), dir
	for lock == "" && at != "" {
		at = parentOf(at)
		lock = r.list(at).first(locks...)
	}
	if lock == "" {
		c.note(berth.NoteMissing, path.Join(dir, "package.json"), "there is no lock file, so each build may install other versions: commit package-lock.json")
	} else {
		c.note(berth.NoteFound, path.Join(at, lock), "installs what the lock file says")
	}
	const packaged = 22
	wanted := number(majorVersion.FindString(m.nodes))
	atLeast := strings.HasPrefix(m.nodes, ">") && !strings.Contains(m.nodes, "<") && wanted <= packaged
	if wanted > 0 && wanted != packaged && !atLeast {
		c.note(berth.NoteGuessed, path.Join(dir, "package.json"), "engines asks for Node %s; the package runs Node %d", shown(m.nodes), packaged)
	}
	if m.uses("react-scripts") != "" {
		c.note(berth.NoteGuessed, path.Join(dir, "package.json"), "Create React App's start script serves with its development server, in build stages too")
	}
}

func parentOf(dir string) string {
	if parent := path.Dir(dir); parent != "." {
		return parent
	}
	return ""
}

var prismaProvider = regexp.MustCompile(`(?s)datasource\s+\w+\s*\{[^}]*provider\s*=\s*"(\w+)"`)

// prisma finds the database that a Prisma schema is written for.
func (r *repository) prisma(dir string) []need {
	if !slices.Contains(r.list(dir).folders, "prisma") || !r.list(path.Join(dir, "prisma")).has("schema.prisma") {
		return nil
	}
	source := path.Join(dir, "prisma", "schema.prisma")
	text, _ := r.read(dir, "prisma/schema.prisma")
	match := prismaProvider.FindStringSubmatch(text)
	if match == nil {
		return nil
	}
	provider := map[string]string{"postgresql": "postgres", "postgres": "postgres", "mysql": "mariadb"}[match[1]]
	if provider == "" {
		return nil
	}
	return []need{{kind: kindNamed(provider), why: found(source, "has a Prisma schema for %s", match[1])}}
}
