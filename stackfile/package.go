package stackfile

import (
	"strings"

	"github.com/berth-dev/berth"
)

// Package is a parsed package file: what an element made from it has.
type Package struct {
	Type                    berth.ElementKind // component or addon
	Name                    string
	Description             string
	Hosts                   []Host
	SupportsAdditionalHosts map[string]string
	Images                  []Image
	ParameterGroups         []ParameterGroup
	EnvironmentVariables    []Parameter
	Storage                 []Storage
	ConnectionStrings       []ConnectionString
	Logs                    []Log
	DefaultContainer        string
	Dependencies            []Dependency
}

// Image is one that the package's chart uses, under .Values.images.<identifier>.
type Image struct {
	Identifier string
	Image      string // fixed upstream image
	Prebuild   string // prebuilt image of the package itself, with [tag] for the package's ref
}

// ParameterGroup is settings shown together. A toggleable group's state reaches the chart, but
// its parameters are exported either way.
type ParameterGroup struct {
	Identifier  string
	Name        string
	Description string
	Toggleable  bool
	Enabled     bool // by default
	Parameters  []Parameter
}

// Parameter is a value that a package declares.
type Parameter struct {
	Identifier  string // the environment variable
	Name        string
	Description string
	Type        string // string, secret, integer, boolean
	Default     string // may hold expressions
	ReadOnly    bool
	Pos         Position
}

// Secret reports whether the parameter's value must not be shown.
func (p Parameter) Secret() bool { return p.Type == "secret" }

// ConnectionString is shown to people; its value may hold expressions.
type ConnectionString struct {
	Name        string
	Value       string
	Description string
}

// Log names a source of log lines by the label of its pods.
type Log struct {
	Name          string
	Type          string
	LabelSelector string
}

// Dependency is an element that the package wants beside itself.
type Dependency struct {
	Identifier string
	Package    PackageRef
	Includes   []Include // relative to the dependency: Path is "NAME"
}

var (
	packageKeys = keys{
		known: []string{"diploiVersion", "type", "name", "description", "hosts", "supportsAdditionalHosts", "images", "parameterGroups",
			"environmentVariables", "storage", "connectionStrings", "logs", "defaultContainer", "dependencies", "contexts"},
		wild: []string{"version"},
	}
	imageKeys     = keys{known: []string{"identifier", "image", "prebuildImage", "repository", "dockerfile", "stages", "manualBuildStages"}}
	groupKeys     = keys{known: []string{"identifier", "name", "description", "toggleable", "defaultValue", "parameters"}}
	parameterKeys = keys{known: []string{"identifier", "name", "description", "type", "defaultValue", "readOnly", "contexts"}}
	volumeKeys    = keys{known: []string{"identifier", "name", "sizeMiB", "stages", "uid", "gid"}}
	stringKeys    = keys{known: []string{"name", "value", "description"}}
	logKeys       = keys{known: []string{"name", "identifier", "type", "command", "labelSelector"}}
	needKeys      = keys{known: []string{"identifier", "name", "package", "env"}}
)

// ParsePackage reads a package's diploi.yaml. It is lenient: what it does not know is a warning.
func ParsePackage(file string, data []byte) (*Package, []Warning, error) {
	d := &document{findings: findings{file: file}, lenient: true}
	p := &Package{}
	if root, ok := d.open(data); ok {
		p.read(root)
	}
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return p, warnings, nil
}

func (p *Package) read(root value) {
	if !root.isObject() {
		root.fail("must be a group of keys, starting with diploiVersion: %s", formatVersion)
		return
	}
	if kind := rootKey(root, "type"); kind.absent() && rootKey(root, "components").node != nil {
		root.fail("is the file of a project, but a package's is needed here: one with type: component or type: addon")
		return
	}
	o := root.object(packageKeys)
	requireVersion(o)
	p.Type = packageType(o.get("type"))
	p.Name, p.Description = o.get("name").line(), o.get("description").text()
	p.Hosts = packageHosts(o.get("hosts"))
	p.SupportsAdditionalHosts = texts(o.get("supportsAdditionalHosts"))
	p.Images = images(o.get("images"))
	p.ParameterGroups = parameterGroups(o.get("parameterGroups"))
	p.EnvironmentVariables = parameters(o.get("environmentVariables"))
	p.Storage = packageStorage(o.get("storage"))
	p.ConnectionStrings = connectionStrings(o.get("connectionStrings"))
	p.Logs = packageLogs(o.get("logs"))
	p.DefaultContainer = o.get("defaultContainer").line()
	p.Dependencies = dependencies(o.get("dependencies"))
}

func packageType(v value) berth.ElementKind {
	switch kind := berth.ElementKind(v.text()); kind {
	case berth.KindComponent, berth.KindAddon:
		return kind
	}
	v.fail("must be component or addon, not %s", v.written())
	return ""
}

// texts reads a mapping of plain values.
func texts(v value) map[string]string {
	if v.absent() {
		return nil
	}
	if !v.isObject() {
		v.fail("must be a group of keys, not %s", v.kind())
		return nil
	}
	pairs, _ := entries(v.resolved())
	all := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		if name, ok := keyText(value{d: v.d, node: pair.Key, at: position(pair.Key)}); ok {
			all[name] = value{d: v.d, node: pair.Value, field: join(v.field, name), at: position(pair.Key)}.line()
		}
	}
	return all
}

func images(list value) (all []Image) {
	for _, item := range list.list() {
		o := item.object(imageKeys)
		name := o.get("identifier").line()
		if name == "" {
			o.get("identifier").fail("is missing; the chart finds the image by it")
			continue
		}
		all = append(all, Image{Identifier: name, Image: o.get("image").line(), Prebuild: o.get("prebuildImage").line()})
	}
	return all
}

func parameterGroups(list value) (all []ParameterGroup) {
	for _, item := range list.list() {
		o := item.object(groupKeys)
		all = append(all, ParameterGroup{
			Identifier: o.get("identifier").line(), Name: o.get("name").line(), Description: o.get("description").text(),
			Toggleable: o.get("toggleable").boolean(), Enabled: o.get("defaultValue").boolean(),
			Parameters: parameters(o.get("parameters")),
		})
	}
	return all
}

func parameters(list value) (all []Parameter) {
	for _, item := range list.list() {
		o := item.object(parameterKeys)
		p := Parameter{
			Identifier: variable(o.get("identifier")), Name: o.get("name").line(), Description: o.get("description").text(),
			Type: o.get("type").line(), Default: o.get("defaultValue").text(), ReadOnly: o.get("readOnly").boolean(), Pos: o.at,
		}
		switch p.Type {
		case "":
			p.Type = "string"
		case "number":
			p.Type = "integer"
		case "string", "secret", "integer", "boolean":
		default:
			o.get("type").warn("%s is not string, secret, integer or boolean; it is read as string", shown(p.Type))
			p.Type = "string"
		}
		if p.Identifier != "" {
			all = append(all, p)
		}
	}
	return all
}

func packageStorage(list value) (all []Storage) {
	for _, item := range list.list() {
		o := item.object(volumeKeys)
		s := Storage{Identifier: identifier(o), UID: -1, GID: -1, Pos: o.at}
		if o.has("sizeMiB") {
			s.SizeMiB = o.get("sizeMiB").integer(1, maxSizeMiB)
		}
		for _, stage := range o.get("stages").list() {
			s.Stages = append(s.Stages, stage.line())
		}
		s.UID, s.GID = owner(o.get("uid")), owner(o.get("gid"))
		if s.Identifier == berth.CodeVolume {
			o.get("identifier").fail("%s is the volume of the working tree; choose another identifier", shown(s.Identifier))
		}
		if s.Identifier != "" {
			all = append(all, s)
		}
	}
	return all
}

// owner reads a numeric user or group; -1 when none is given.
func owner(v value) int {
	const highest = 1<<31 - 2
	if v.absent() {
		return -1
	}
	return int(v.integer(0, highest))
}

func connectionStrings(list value) (all []ConnectionString) {
	for _, item := range list.list() {
		o := item.object(stringKeys)
		all = append(all, ConnectionString{Name: o.get("name").line(), Value: o.get("value").text(), Description: o.get("description").text()})
	}
	return all
}

func packageLogs(list value) (all []Log) {
	for _, item := range list.list() {
		o := item.object(logKeys)
		all = append(all, Log{Name: o.get("name").line(), Type: o.get("type").line(), LabelSelector: o.get("labelSelector").line()})
	}
	return all
}

func dependencies(list value) (all []Dependency) {
	for _, item := range list.list() {
		o := item.object(needKeys)
		need := Dependency{Identifier: identifier(o), Package: packageRef(o.get("package"))}
		for _, include := range o.get("env").object(environmentKeys).get("include").list() {
			need.add(include)
		}
		if need.Identifier != "" {
			all = append(all, need)
		}
	}
	return all
}

// add reads "NAME" or "NAME:OTHER", without the dependency's own identifier in front.
func (need *Dependency) add(v value) {
	path, as, renamed := strings.Cut(strings.TrimSpace(v.text()), ":")
	if !includePattern.MatchString(path) || renamed && !variablePattern.MatchString(as) {
		v.warn("%s is not an import and is ignored; write NAME or NAME:OTHER", v.written())
		return
	}
	need.Includes = append(need.Includes, Include{Path: path, As: as, Pos: v.at})
}
