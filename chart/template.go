package chart

import (
	"errors"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/berth-dev/berth"
)

// The renderer has Helm's semantics (Sprig, missingkey=zero, "<no value>" becomes nothing), which a
// test checks against Helm's own engine. It is not Helm's engine, because that one runs whatever a
// template says for as long as it takes: it cannot be given a budget, and a chart is a stranger's program.

const (
	maxSource = 1 << 20 // bytes of all of a package's templates
	maxOutput = 4 << 20 // bytes that they may render to
)

// text is one rendered file.
type text struct {
	file    string // as the package calls it
	content string
}

// execute renders every template file, in the order of their names.
func execute(files map[string][]byte, values object, namespace string) ([]text, error) {
	e := &execution{budget: newBudget(), names: map[string]string{}}
	e.root = template.New("gotpl").Option("missingkey=zero")
	e.root.Funcs(e.functions())
	if err := e.parse(files); err != nil {
		return nil, err
	}
	e.instrument()
	var texts []text
	for _, name := range slices.Sorted(maps.Keys(e.names)) {
		if strings.HasPrefix(path.Base(name), "_") {
			continue // a partial: others include it
		}
		content, err := e.run(name, builtins(name, values, namespace))
		if err != nil {
			return nil, e.explain(err)
		}
		texts = append(texts, text{file: e.names[name], content: content})
	}
	return texts, nil
}

// execution is one package's templates on their way.
type execution struct {
	*budget
	root  *template.Template
	names map[string]string // template name → file, as the package calls it
	seen  map[*parse.Tree]bool
}

// templatePath is what Helm calls the directory of a chart's templates.
const templatePath = "package/templates"

func (e *execution) parse(files map[string][]byte) error {
	total := 0
	for _, file := range slices.Sorted(maps.Keys(files)) {
		name := path.Join(templatePath, path.Base(file))
		if other, taken := e.names[name]; taken {
			return berth.Errorf(berth.EInvalid, "%s and %s have the same name; the files of a chart lie in one folder", other, file)
		}
		e.names[name] = file
		if total += len(files[file]); total > maxSource {
			return berth.Errorf(berth.EInvalid, "the package's templates have more than %d KiB", maxSource>>10)
		}
		if _, err := e.root.New(name).Parse(string(files[file])); err != nil {
			return e.explain(err)
		}
	}
	return nil
}

// run executes one template. Helm replaces what Go writes for a missing value by nothing; so do we.
func (e *execution) run(name string, data object) (string, error) {
	out := &output{budget: e.budget}
	if err := e.root.ExecuteTemplate(out, name, data); err != nil {
		return "", err
	}
	return strings.ReplaceAll(out.String(), "<no value>", ""), nil
}

// builtins is what a template sees besides .Values. There is no .Files: a package has none.
func builtins(name string, values object, namespace string) object {
	return object{
		"Values": values,
		"Chart":  object{"Name": "package", "Version": "0.0.0", "AppVersion": "", "IsRoot": true},
		"Release": object{"Name": namespace, "Namespace": namespace, "Service": "Helm",
			"IsInstall": true, "IsUpgrade": false, "Revision": 1},
		"Capabilities": object{
			"KubeVersion": object{"Version": "v1.33.0", "Major": "1", "Minor": "33", "GitVersion": "v1.33.0"},
			"APIVersions": apiVersions{},
		},
		"Subcharts": object{},
		"Template":  object{"Name": name, "BasePath": templatePath},
	}
}

// apiVersions answers charts that ask what the cluster can do.
type apiVersions struct{}

// Has reports whether a version ("apps/v1") or kind ("apps/v1/Deployment") is of the closed list.
func (apiVersions) Has(version string) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool {
		return version == k.version || version == k.version+"/"+k.name
	})
}

var templateError = regexp.MustCompile(`(?s)^template: ([^:]+):(\d+):(?:\d+:)? (.*)$`)

// explain turns text/template's errors into a sentence with the package's own file and line.
func (e *execution) explain(err error) error {
	if limit := (*limitError)(nil); errors.As(err, &limit) {
		return berth.Errorf(berth.EInvalid, "the package's templates ask for too much: %s", limit.what)
	}
	m := templateError.FindStringSubmatch(err.Error())
	if m == nil {
		return &berth.Error{Code: berth.EInvalid, Message: "the package's templates do not render: " + clip(err.Error()), Err: err}
	}
	reason := m[3]
	if i := strings.LastIndex(reason, ": error calling "); i >= 0 {
		reason = reason[i+2:]
	}
	return &berth.Error{Code: berth.EInvalid, Message: e.fileOf(m[1]) + ":" + m[2] + ": " + clip(reason), Err: err}
}

func (e *execution) fileOf(template string) string {
	if file, ok := e.names[template]; ok {
		return file
	}
	return template
}

// clip keeps messages readable whatever a template put into them.
func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 400 {
		return strings.ToValidUTF8(s[:400], "") + "…"
	}
	return s
}
