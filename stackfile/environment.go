package stackfile

import (
	"regexp"
	"strings"
)

var (
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,254}$`)
	includePattern  = regexp.MustCompile(`^[A-Za-z0-9_.*-]+$`)

	environmentKeys = keys{known: []string{"include"}, wild: []string{"static"}}
	includeKeys     = keys{known: []string{"path", "name", "value"}}
)

// environment reads "env:" of an element or of the workspace.
func environment(v value) (env Environment) {
	o := v.object(environmentKeys)
	include := o.get("include")
	switch {
	case include.absent():
	case include.isList():
		for _, item := range include.list() {
			env.add(item)
		}
	case include.isObject():
		include.fail("must be a list, or '*' for everything")
	default:
		env.add(include)
	}
	return env
}

// add reads one item of env.include.
func (env *Environment) add(item value) {
	if item.absent() {
		item.warn("is empty and is ignored; remove the dash")
		return
	}
	if !item.isObject() {
		if include, ok := readInclude(item); ok {
			env.Includes = append(env.Includes, include)
		}
		return
	}
	o := item.object(includeKeys)
	switch {
	case o.has("path") && o.has("value"):
		o.fail("has both path and value; a path imports, a value is given here: keep one of them")
	case o.has("path"):
		if include, ok := readInclude(o.get("path")); ok {
			if o.has("name") {
				include.As = variable(o.get("name"))
			}
			env.Includes = append(env.Includes, checkRename(o.get("name"), include))
		}
	default:
		name := variable(o.get("name"))
		if text := o.get("value").text(); name != "" {
			env.Statics = append(env.Statics, Static{Name: name, Value: text, Pos: o.at})
		}
	}
}

// readInclude reads "element.NAME", "element.NAME:OTHER" or a pattern.
func readInclude(v value) (Include, bool) {
	text := strings.TrimSpace(v.text())
	path, as, renamed := strings.Cut(text, ":")
	include := Include{Path: path, As: as, Pos: v.at}
	switch {
	case !includePattern.MatchString(path):
		v.fail("%s is not an import; write element.NAME, element.* or '*'", shown(text))
		return Include{}, false
	case renamed && !variablePattern.MatchString(as):
		v.fail("%s is not a name for a variable; use letters, digits and underscores", shown(as))
		return Include{}, false
	case !strings.ContainsAny(path, ".*"):
		v.warn("names no element and is ignored; write element.%s", path)
		return Include{}, false
	}
	return checkRename(v, include), true
}

// checkRename refuses one name for what may be many variables.
func checkRename(v value, include Include) Include {
	if include.As != "" && strings.Contains(include.Path, "*") {
		v.fail("gives one name to everything that %s matches; rename one variable at a time", shown(include.Path))
	}
	return include
}

// variable reads the name of an environment variable.
func variable(v value) string {
	name := v.text()
	switch {
	case name == "":
		v.fail("is missing; give the variable a name")
	case !variablePattern.MatchString(name):
		v.fail("%s is not a name for a variable; use letters, digits and underscores, starting with a letter", shown(name))
		return ""
	}
	return name
}
