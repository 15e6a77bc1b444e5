package proposal

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// variable is one entry of env.include: an import, or a name with its value.
type variable struct {
	name    string
	include string
	value   string
	why     because
}

// known is a variable that the repository speaks of.
type known struct {
	name, value, source string
	given               bool // with a value
	complete            bool // and all that the value refers to is known
	example             bool // of an example, whose values are only examples
}

// environment gives a component what it reads: databases, values that the repository gives and secrets
// that can be generated. What only a person can give is noted as missing.
func (r *repository) environment(s *stack, c *component) {
	const most = 60
	for _, k := range r.known(c) {
		if len(c.variables) >= most {
			c.note(berth.NoteMissing, k.source, "it names more variables than are listed here")
			break
		}
		if !validVariable(k.name) || slices.ContainsFunc(c.variables, func(v variable) bool { return v.name == k.name }) {
			continue
		}
		c.take(s, k)
	}
	for _, n := range c.needs {
		if a := s.addonOf(n.kind); a != nil && !c.imports(a) {
			c.connect(a)
		}
	}
}

// imports reports whether the component knows of an add-on already.
func (c *component) imports(a *addon) bool {
	return slices.ContainsFunc(c.variables, func(v variable) bool {
		return strings.HasPrefix(v.include, a.identifier+".") || strings.Contains(v.value, "${"+a.kind.parameters[roleHost]+"}")
	})
}

// connect imports what its source reads of an add-on, and where it tells nothing the URL.
func (c *component) connect(a *addon) {
	for _, name := range c.reads {
		if role := a.kind.tells(name); role != "" {
			c.variables = append(c.variables, a.variable(name, role, found("", "the source reads %s", name)))
		}
	}
	if a.kind.all && !c.imports(a) {
		c.variables = append(c.variables, variable{name: a.identifier, include: a.identifier + ".*", why: guessed("", "the names that its clients read")})
	}
	if !c.imports(a) {
		url := a.kind.parameters[roleURL]
		c.variables = append(c.variables, a.variable(url, roleURL, guessed("", "the usual name")))
	}
}

// variable imports a parameter of the add-on under a name.
func (a *addon) variable(name string, role role, why because) variable {
	include := a.identifier + "." + a.kind.parameters[role]
	if name != a.kind.parameters[role] {
		include += ":" + name
	}
	return variable{name: name, include: include, why: why}
}

// take decides where the value of a variable comes from.
func (c *component) take(s *stack, k known) {
	add := func(all ...variable) {
		for _, v := range all {
			if !slices.ContainsFunc(c.variables, func(o variable) bool { return o.name == v.name }) {
				c.variables = append(c.variables, v)
			}
		}
	}
	value := k.value
	if a, role := s.tellsOf(c, k.name, value); a != nil {
		add(a.connected(k, role, value)...)
		return
	}
	switch {
	case c.ownSetting(k.name, value, k.source):
	case ownAddress.MatchString(k.name) && !c.silent && (value == "" || placeholder.MatchString(value)):
		add(variable{name: k.name, value: "${APP_ENDPOINT}", why: guessed(k.source, "its own public address")})
	case generated.MatchString(k.name):
		add(variable{name: k.name, value: "${generate-random-password:48}", why: guessed(k.source, "a secret of the application's own: generated once for each deployment")})
	case !k.given || !k.complete || value == "" && k.example:
		c.note(berth.NoteMissing, k.source, "%s has no value: berth env set DEPLOYMENT %s %s gives it one", k.name, c.identifier, k.name)
	case berth.LooksSecret(k.name), k.example && placeholder.MatchString(value):
		c.note(berth.NoteMissing, k.source, "%s is for you to give: berth env set DEPLOYMENT %s %s", k.name, c.identifier, k.name)
	case len(value) > 1000 || strings.ContainsAny(value, "\n\x00"):
		c.note(berth.NoteMissing, k.source, "%s has a value that is left out here: berth env set DEPLOYMENT %s %s gives it", k.name, c.identifier, k.name)
	case k.example:
		add(variable{name: k.name, value: value, why: guessed(k.source, "the example's value")})
	default:
		add(variable{name: k.name, value: value, why: found(k.source, "its environment")})
	}
}

// ownSetting takes what Berth and the packages set themselves: the port, the mode.
func (c *component) ownSetting(name, value, source string) bool {
	switch name {
	case "PORT":
		if port := number(value); port > 0 && c.hosts == nil && c.pkg == pkgDockerfile {
			c.listensOn(port, found(source, "PORT is %s", value))
		}
		return true
	case "NODE_ENV", "FLASK_ENV", "RAILS_ENV", "STAGE", "HOSTNAME":
		return true
	}
	return false
}

var (
	generated   = regexp.MustCompile(`^(APP_|SESSION_|COOKIE_|JWT_|AUTH_|NEXTAUTH_|BETTER_AUTH_|DJANGO_|FLASK_|CSRF_|PAYLOAD_|JWT_ACCESS_|JWT_REFRESH_|ACCESS_TOKEN_|REFRESH_TOKEN_)?(SECRET|SECRET_KEY|SECRET_KEY_BASE|TOKEN_SECRET|SESSION_KEY|COOKIE_KEY)$`)
	ownAddress  = regexp.MustCompile(`^(NEXTAUTH|AUTH|BETTER_AUTH|APP|BASE|PUBLIC|SITE|SERVER|EXTERNAL|ROOT|APP_BASE|NEXT_PUBLIC_APP|NEXT_PUBLIC_SITE|NEXT_PUBLIC_BASE|NEXT_PUBLIC)_URL$`)
	placeholder = regexp.MustCompile(`(?i)your|change.?me|xxx|<|example|placeholder|replace|todo|localhost|127\.0\.0\.1|\.\.\.|^sk_|^pk_`)
)

// tellsOf finds the add-on that a variable is about, by its value's host first and by its name else.
func (s *stack) tellsOf(c *component, name, value string) (*addon, role) {
	for _, a := range s.addons {
		switch u, err := url.Parse(value); {
		case value == a.identifier && a.kind.tells(name) != roleDatabase:
			return a, roleHost
		case err == nil && u.Host != "" && u.Hostname() == a.identifier:
			return a, roleURL
		}
	}
	for _, a := range s.addons {
		if role := a.kind.tells(name); role != "" && s.usedBy(c, a, name) {
			return a, role
		}
	}
	return nil, ""
}

// usedBy reports whether a component may mean this add-on with the name: of two SQL databases, one that
// DB_HOST and the like tell of must be its need.
func (s *stack) usedBy(c *component, a *addon, name string) bool {
	general := slices.ContainsFunc(generalPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	if !general || slices.ContainsFunc(c.needs, func(n need) bool { return n.kind == a.kind }) {
		return true
	}
	return !slices.ContainsFunc(s.addons, func(other *addon) bool { return other != a && other.kind.sql() })
}

// connected is what a variable becomes that tells of the add-on. A URL of another scheme than the
// add-on's own is put together from its parts.
func (a *addon) connected(k known, r role, value string) []variable {
	why := found(k.source, "%s tells of %s", k.name, a.identifier)
	if k.example {
		why.kind = berth.NoteGuessed
	}
	if r == roleHost && a.kind.parameters[roleHost] == "" {
		return []variable{{name: k.name, value: value, why: why}}
	}
	scheme, _, isURL := strings.Cut(value, "://")
	if r != roleURL || !isURL || len(a.kind.schemes) == 0 || slices.Contains(a.kind.schemes, scheme) || !a.kind.sql() || len(scheme) > 40 {
		return []variable{a.variable(k.name, r, why)}
	}
	p := a.kind.parameters
	parts := []variable{}
	for _, part := range []role{roleHost, rolePort, roleUser, rolePassword, roleDatabase} {
		parts = append(parts, a.variable(p[part], part, why))
	}
	return append(parts, variable{name: k.name, why: why,
		value: scheme + "://${" + p[roleUser] + "}:${" + p[rolePassword] + "}@${" + p[roleHost] + "}:${" + p[rolePort] + "}/${" + p[roleDatabase] + "}"})
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

func validVariable(name string) bool { return variableName.MatchString(name) }

var interpolation = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?([-?+])([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)|\$\$`)

// interpolated is a value of a compose file with what ${…} stands for: what the committed .env says, else
// the default that it names; complete is false where there is neither.
func (r *repository) interpolated(value string) (text string, complete bool) {
	complete = true
	text = interpolation.ReplaceAllStringFunc(value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		m := interpolation.FindStringSubmatch(found)
		if set, ok := r.dotenv()[m[1]+m[4]]; ok {
			return set
		}
		if m[2] == "-" {
			return m[3]
		}
		complete = false
		return ""
	})
	return text, complete && !strings.Contains(text, "${")
}

// dotenv is what the committed .env of the top folder says.
func (r *repository) dotenv() map[string]string {
	if r.env == nil {
		r.env = map[string]string{}
		if r.list("").has(".env") {
			text, _ := r.read("", ".env")
			for _, k := range assignments(text) {
				r.env[k.name] = k.value
			}
		}
	}
	return r.env
}

// assignments are the lines NAME=VALUE of a text.
func assignments(text string) (all []known) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if key = strings.TrimSpace(key); ok && validVariable(key) {
			all = append(all, known{name: key, value: exampleValue(value), given: true})
		}
	}
	return all
}

// examples are the usual names of files that list variables.
var examples = []string{".env.example", ".env.sample", ".env.template", ".env.dist", "example.env", "env.example", ".env.local.example"}

// known are the variables that a compose file or an example gives the component.
func (r *repository) known(c *component) (all []known) {
	for _, v := range c.composed {
		k := known{name: v.Name, source: c.source, given: v.Given}
		k.value, k.complete = r.interpolated(v.Value)
		if set, ok := r.dotenv()[v.Name]; ok && !v.Given {
			k.value, k.given = set, true
		}
		all = append(all, k)
	}
	dir := c.folder
	name := r.list(dir).first(examples...)
	if name == "" && dir != "" {
		dir, name = "", r.list("").first(examples...)
	}
	if name == "" {
		return all
	}
	text, _ := r.read(dir, name)
	for _, k := range assignments(text) {
		k.source, k.example = path.Join(dir, name), true
		k.complete = !strings.Contains(k.value, "${")
		all = append(all, k)
	}
	return all
}

// exampleValue is a value without quotes and without the comment behind it.
func exampleValue(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && (text[0] == '"' || text[0] == '\'') {
		if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
			return text[1 : end+1]
		}
	}
	if strings.HasPrefix(text, "#") {
		return ""
	}
	text, _, _ = strings.Cut(text, " #")
	return strings.TrimSpace(text)
}

var readsVariable = regexp.MustCompile(`process\.env\.([A-Z][A-Z0-9_]+)|process\.env\[['"]([A-Z][A-Z0-9_]+)['"]\]|(?:os\.environ(?:\.get)?|os\.getenv|os\.Getenv|os\.LookupEnv|env)[(\[]\s*['"]([A-Z][A-Z0-9_]+)['"]`)

// variablesRead are the names of variables that the source of a folder reads, of a bounded number of files.
func (r *repository) variablesRead(dir string) (names []string) {
	const mostFiles, mostNames = 15, 100
	read := 0
	dirs := []string{dir}
	for _, below := range []string{"src", "lib", "app", "config", "db", "server", "api", "internal", "core"} {
		if slices.Contains(r.list(dir).folders, below) {
			dirs = append(dirs, path.Join(dir, below))
		}
	}
	for _, at := range dirs {
		for _, name := range r.list(at).files {
			if !slices.Contains([]string{".js", ".mjs", ".cjs", ".ts", ".mts", ".py", ".go"}, path.Ext(name)) || read == mostFiles {
				continue
			}
			read++
			text, _ := r.read(at, name)
			for _, m := range readsVariable.FindAllStringSubmatch(text, mostNames) {
				if found := m[1] + m[2] + m[3]; len(names) < mostNames && !slices.Contains(names, found) {
					names = append(names, found)
				}
			}
		}
	}
	return names
}

// ports are the numbers among the texts of a compose file's ports.
func (r *repository) ports(s stackfile.ComposeService) (all []int) {
	for _, text := range s.Ports {
		plain, _ := r.interpolated(text)
		if n, err := strconv.Atoi(plain); err == nil && n > 0 && n <= 65535 {
			all = append(all, n)
		}
	}
	return all
}
