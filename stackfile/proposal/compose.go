package proposal

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// composeFiles are the names that are looked for, in the order in which Compose prefers them.
var composeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}

// composed is what a compose file describes.
type composed struct {
	folders []string
}

// covers reports whether a service is built from the folder, or from the repository as a whole.
func (c composed) covers(dir string) bool {
	return slices.Contains(c.folders, dir) || slices.Contains(c.folders, "")
}

// compose adds the services of the compose file in the top folder.
func (r *repository) compose(s *stack) (done composed) {
	name := r.list("").first(composeFiles...)
	if name == "" {
		return done
	}
	text, ok := r.read("", name)
	if !ok {
		s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteMissing, Text: name + " is not read: it is a link, or too large", Source: name})
		return done
	}
	services, err := stackfile.ParseCompose(name, []byte(text))
	if err != nil {
		s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteMissing, Text: composeFault(err), Source: name})
		return done
	}
	const most = 40
	for _, service := range services[:min(len(services), most)] {
		if ownsEngine(service) {
			s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteGuessed, Source: name,
				Text: "service " + shown(service.Name) + " is left out: it is for a Docker Engine of its own, and Berth routes and runs"})
			continue
		}
		if !service.Build && r.publishes(service.Image) {
			service.Build = true // the image is what this repository is built to
		}
		if service.Build {
			r.built(s, name, service, &done)
		} else {
			r.pulled(s, name, service)
		}
	}
	return done
}

// ownsEngine reports whether a service wants the machine's Docker Engine, as proxies and watchers do.
func ownsEngine(service stackfile.ComposeService) bool {
	return slices.ContainsFunc(service.Volumes, func(v stackfile.ComposeVolume) bool { return strings.HasSuffix(v.Source, "docker.sock") })
}

// publishes reports whether an image has the name under which the top folder's application is known.
func (r *repository) publishes(image string) bool {
	image, _ = r.interpolated(image)
	name, _, _ := strings.Cut(path.Base(image), ":")
	if name == "" || name == "." || kindOfImage(image) != nil || r.byLanguage("", r.list("")) == nil && !r.list("").has("Dockerfile") {
		return false
	}
	m, _ := r.manifest("")
	module, _ := r.read("", "go.mod")
	return name == path.Base(m.name) || name == path.Base(last(goModule, module))
}

// composeFault is the first thing that is wrong with a compose file.
func composeFault(err error) string {
	if all := (*stackfile.Errors)(nil); errors.As(err, &all) && len(all.List) > 0 {
		return shown(all.List[0].String())
	}
	return shown(err.Error())
}

// built adds the component of a service that is built from the repository.
func (r *repository) built(s *stack, name string, service stackfile.ComposeService, done *composed) {
	dir, ok := buildFolder(service)
	if !ok {
		s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteMissing, Source: name,
			Text: "service " + shown(service.Name) + " is built from " + shown(service.Context) + ", which is no folder of this repository"})
		return
	}
	f := r.list(dir)
	c := r.byLanguage(dir, f)
	switch {
	case f.has("Dockerfile"):
		c = r.byDockerfile(dir, c)
	case c == nil:
		s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteMissing, Source: name,
			Text: "service " + shown(service.Name) + " is built from " + shownFolder(dir) + ", which has no file that is named Dockerfile"})
		return
	}
	c.identifier, c.composed, c.source = service.Name, service.Environment, name
	if f.has("Dockerfile") {
		c.context, c.within = contextFolder(service), found(name, "its build context")
	}
	c.serve(name, service, r.ports(service), slices.Contains(done.folders, dir), f.has("Dockerfile"))
	done.folders = append(done.folders, dir)
	if service.Command != "" && runnable(service) {
		c.starts(service.Command, found(name, "its command"))
	}
	c.keep(name, service)
	s.components = append(s.components, c)
}

var developing = regexp.MustCompile(`(?i)\bdev\b|nodemon|--reload|watch|runserver|--debug|hot`)

// runnable tells a command for build stages from one for a developer's machine.
func runnable(service stackfile.ComposeService) bool {
	return !strings.Contains(service.Command, "$") && !developing.MatchString(service.Command)
}

// serve sets what a service listens on: nothing, where it publishes no port and neither its image tells
// of one, or where it is one more program of an image that another service runs as well.
func (c *component) serve(name string, service stackfile.ComposeService, ports []int, another, dockerfile bool) {
	if len(ports) > 0 {
		c.listensOn(ports[0], found(name, "it publishes port %d", ports[0]))
		return
	}
	if c.pkg == pkgImage {
		c.hosts = &host{hidden: true}
		return
	}
	if c.answers {
		return
	}
	unsaid := c.hosts == nil || c.hosts.why.kind == berth.NoteGuessed
	if another && service.Command != "" || unsaid && (dockerfile || service.Command != "") {
		c.silent, c.hosts = true, nil
		c.note(berth.NoteGuessed, name, "it publishes no port, so it gets no host")
	}
}

// keep gives the component the named volumes of a service.
func (c *component) keep(name string, service stackfile.ComposeService) {
	for _, v := range service.Volumes {
		switch {
		case strings.HasPrefix(v.Source, ".") || strings.HasPrefix(v.Source, "/") || strings.HasPrefix(v.Source, "~") || v.Source == "":
			if c.pkg == pkgImage && v.Source != "" {
				c.note(berth.NoteMissing, name, "its mount of %s is left out: a container gets no folder of the machine", shown(v.Source))
			}
		case keepable(v.Target):
			id := identifier(v.Source)
			if id == berth.CodeVolume || slices.ContainsFunc(c.volumes, func(o volume) bool { return o.identifier == id || o.path == v.Target }) {
				continue
			}
			c.volumes = append(c.volumes, volume{id, v.Target, found(name, "its volume %s", shown(v.Source))})
		}
	}
}

var keepablePath = regexp.MustCompile(`^(/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+$`)

// keepable holds the rules that project files have for the place of a volume, a little stricter.
func keepable(target string) bool {
	first := ""
	if parts := strings.Split(target, "/"); len(parts) > 1 {
		first = parts[1]
	}
	system := []string{"proc", "sys", "dev", "etc", "bin", "sbin", "lib", "lib64"}
	return len(target) < 190 && keepablePath.MatchString(target) && !slices.Contains(system, first) && target != "/usr" && !strings.Contains(target, "/node_modules")
}

// contextFolder is the folder of a service's build context, of a service that buildFolder knows.
func contextFolder(service stackfile.ComposeService) string {
	if dir := path.Clean("./" + service.Context); dir != "." {
		return dir
	}
	return ""
}

// buildFolder is the folder of a service's Dockerfile; ok is false where that lies elsewhere.
func buildFolder(service stackfile.ComposeService) (dir string, ok bool) {
	context := path.Clean("./" + service.Context)
	if strings.Contains(service.Context, "://") || strings.HasPrefix(service.Context, "/") || strings.Contains(service.Context, "$") {
		return "", false
	}
	file := path.Join(context, service.Dockerfile)
	if service.Dockerfile == "" {
		file = path.Join(context, "Dockerfile")
	}
	if path.Base(file) != "Dockerfile" {
		file = path.Join(context, "Dockerfile")
	}
	dir = path.Dir(file)
	if dir == "." {
		return "", true
	}
	return dir, folderFits(dir)
}

var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,199}$`)

// pulled adds a service that runs an image as it is: an add-on where there is one for it.
func (r *repository) pulled(s *stack, name string, service stackfile.ComposeService) {
	image, complete := r.interpolated(service.Image)
	if !complete || !imageName.MatchString(image) {
		s.notes = append(s.notes, berth.FileNote{Kind: berth.NoteMissing, Source: name, Text: "service " + shown(service.Name) + " has neither a build nor an image"})
		return
	}
	why := found(name, "image %s", shown(image))
	if kind := kindOfImage(image); kind != nil {
		s.addons = append(s.addons, &addon{identifier: service.Name, kind: kind, why: why})
		return
	}
	c := &component{identifier: service.Name, pkg: pkgImage, why: why, image: image, composed: service.Environment, source: name}
	c.serve(name, service, r.ports(service), false, false)
	if runnable(service) && service.Command != "" {
		c.starts(service.Command, found(name, "its command"))
	}
	c.keep(name, service)
	s.components = append(s.components, c)
}
