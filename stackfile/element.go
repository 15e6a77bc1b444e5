package stackfile

import (
	"errors"

	"github.com/berth-dev/berth"
)

var (
	elementKeys = keys{
		known: []string{"name", "identifier", "package", "folder", "prebuildImage", "hosts", "containerCommands", "env", extension},
		wild:  []string{"version", "description"},
		moved: underExtension(elementExtension),
	}
	commandKeys = keys{known: []string{"developmentStart", "productionStart"}, wild: []string{"dev"}}
)

// elements reads components or add-ons.
func elements(list value, kind berth.ElementKind, taken map[string]int) (all []Element) {
	for _, item := range list.list() {
		if e, ok := readElement(item, kind, taken); ok {
			all = append(all, e)
		}
	}
	return all
}

// readElement reads one element. ok is false when it cannot even be named.
func readElement(v value, kind berth.ElementKind, taken map[string]int) (e Element, ok bool) {
	if v.absent() {
		v.fail("is empty; give it an identifier and a package, or remove the dash")
		return e, false
	}
	o := v.object(elementKeys)
	if !o.isObject() {
		return e, false
	}
	e = Element{Kind: kind, Pos: o.at, Name: o.get("name").line(), Identifier: elementIdentifier(o, taken)}
	if e.Name == "" {
		e.Name = e.Identifier
	}
	e.Package = packageRef(o.get("package"))
	e.PrebuildImage = o.get("prebuildImage").line()
	e.Folder = elementFolder(o.get("folder"), e.Identifier)
	if o.has("hosts") {
		e.HostsSet, e.Hosts = true, projectHosts(o.get("hosts"))
	}
	e.ContainerCommands = commands(o.get("containerCommands"))
	e.Environment = environment(o.get("env"))
	e.extend(o.get(extension))
	return e, true
}

// elementIdentifier reads a name that no other element of the file has.
func elementIdentifier(o object, taken map[string]int) string {
	name, v := identifier(o), o.get("identifier")
	if name == "" {
		return ""
	}
	if berth.ReservedIdentifier(name) {
		v.fail("%s is reserved for Berth's own; choose another identifier", shown(name))
	}
	if line, twice := taken[name]; twice {
		v.fail("%s is already the element on line %d; every element needs its own identifier", shown(name), line)
	} else {
		taken[name] = o.at.Line
	}
	return name
}

func packageRef(v value) PackageRef {
	text := v.line()
	if text == "" {
		v.fail("is missing; name a package of the catalogue (postgres), a folder of this repository (./packages/api) or a Git URL (https://github.com/owner/repository#v1)")
		return PackageRef{}
	}
	ref, err := ParsePackageRef(text)
	if err != nil {
		v.fail("%s", sentence(err))
	}
	return ref
}

func elementFolder(v value, identifier string) string {
	if v.absent() {
		return "/" + identifier
	}
	folder, err := parseFolder(v.text())
	if err != nil {
		v.fail("%s", sentence(err))
	}
	return folder
}

func commands(v value) Commands {
	o := v.object(commandKeys)
	return Commands{DevelopmentStart: o.get("developmentStart").text(), ProductionStart: o.get("productionStart").text()}
}

// sentence is the text of a coded error without its field, which findings have of their own.
func sentence(err error) string {
	if coded := (*berth.Error)(nil); errors.As(err, &coded) {
		return coded.Message
	}
	return err.Error()
}
