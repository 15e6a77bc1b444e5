package stackfile

import "github.com/berth-dev/berth"

var (
	projectKeys = keys{
		known: []string{"diploiVersion", "components", "addons", "development", extension},
		wild:  []string{"version", "name", "description"},
		moved: underExtension(fileExtension),
	}
	starterKeys = keys{
		known: append([]string{"type", "name", "description", "previewImageUrls"}, projectKeys.known...),
		wild:  projectKeys.wild,
		moved: projectKeys.moved,
	}
	developmentKeys = keys{known: []string{"env"}}
)

// ParseProject reads a project's diploi.yaml. file is its name for messages. The error is an
// *Errors with all that is wrong.
func ParseProject(file string, data []byte) (*Project, []Warning, error) {
	d := &document{findings: findings{file: file}}
	project := &Project{}
	if root, ok := d.open(data); ok {
		project.read(root)
	}
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return project, warnings, nil
}

func (p *Project) read(root value) {
	if !root.isObject() {
		root.fail("must be a group of keys, starting with diploiVersion: %s", formatVersion)
		return
	}
	kind := rootKey(root, "type")
	if !ofProject(root, kind) {
		return
	}
	expected := projectKeys
	if !kind.absent() {
		expected = starterKeys
	}
	o := root.object(expected)
	requireVersion(o)
	taken := map[string]int{}
	p.Components = elements(o.get("components"), berth.KindComponent, taken)
	p.Addons = elements(o.get("addons"), berth.KindAddon, taken)
	p.Workspace = environment(o.get("development").object(developmentKeys).get("env"))
	p.Stages = fileStages(o.get(extension))
	if len(taken) == 0 && len(p.Components)+len(p.Addons) == 0 && len(root.d.errors) == 0 {
		root.fail("names nothing to run; add a component, for example:\ncomponents:\n  - identifier: web\n    package: nodejs")
	}
}

// ofProject refuses files of other kinds with one finding instead of one for each of their keys.
func ofProject(root, kind value) bool {
	switch template := rootKey(root, "diploiTemplateVersion"); {
	case template.node != nil:
		template.fail("marks a template of the old format, which Berth does not read; describe the project with components and addons in a diploi.yaml %s", formatVersion)
		return false
	case !kind.absent() && kind.text() != "starter":
		kind.fail("says that this is the file of a package (%s), but a project's is needed here: one with components and addons", kind.written())
		return false
	}
	return true
}

// rootKey reads one key of the file before it is known what kind of file it is.
func rootKey(root value, name string) value {
	pairs, _ := entries(root.resolved())
	for _, pair := range pairs {
		if k, ok := keyText(value{d: root.d, node: pair.Key, at: position(pair.Key)}); ok && k == name {
			return value{d: root.d, node: pair.Value, field: name, at: position(pair.Key)}
		}
	}
	return value{d: root.d, field: name, at: root.at}
}

// requireVersion checks diploiVersion, which hand-written files sometimes lack.
func requireVersion(o object) {
	v := o.get("diploiVersion")
	switch text := v.text(); {
	case v.absent():
		v.warn("is missing; add diploiVersion: %s at the top", formatVersion)
	case text != formatVersion:
		v.fail("is %s, but Berth reads %s", shown(text), formatVersion)
	}
}
