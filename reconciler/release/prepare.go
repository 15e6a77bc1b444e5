package release

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// element is one element of the stack with its package.
type element struct {
	stackfile.Element
	pkg   *stackfile.Package
	files files
	hosts []stackfile.Host // the package's and its own, merged; ports complete once images are known
}

// prepare takes the release from its source to rendered objects. It returns errWaiting while
// builds are on their way, and nil once the release is starting.
func (l *Loop) prepare(ctx context.Context, j *job) error {
	switch waiting, err := l.stillBuilding(ctx, j); {
	case err != nil:
		return err
	case waiting:
		return errWaiting
	}
	tree, err := l.source(ctx, j)
	if err != nil {
		return err
	}
	elements, err := l.stack(ctx, j, tree)
	if err != nil {
		return err
	}
	rows, err := l.hosts(ctx, j, publicHosts(elements))
	if err != nil {
		return err
	}
	values, err := l.parameters(ctx, j, elements, rows)
	if err != nil {
		return err
	}
	images, err := l.images(ctx, j, elements, values, tree)
	if err != nil {
		return err
	}
	if completePorts(elements, images) { // ports came from EXPOSE: internal endpoints name them
		if values, err = l.parameters(ctx, j, elements, rows); err != nil {
			return err
		}
	}
	complete, volumes, err := l.render(ctx, j, elements, rows, values, images)
	if err != nil {
		return err
	}
	return l.complete(ctx, j, complete, volumes)
}

// stack reads the packages of a release's elements.
func (l *Loop) stack(ctx context.Context, j *job, tree source) ([]element, error) {
	project, err := l.project(ctx, j, tree)
	if err != nil {
		return nil, err
	}
	var elements []element
	for _, e := range project.Elements() {
		one, err := l.element(ctx, j, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Identifier, err)
		}
		elements = append(elements, one)
	}
	if len(elements) == 0 {
		return nil, berth.Errorf(berth.EInvalid, "%s names no component and no add-on, so there is nothing to run", stackFileName)
	}
	return elements, nil
}

// stackFile is the source's own project file, else the one that is kept for the project.
func (l *Loop) stackFile(ctx context.Context, j *job, tree source) ([]byte, error) {
	data, err := tree.read(stackFileName)
	if err == nil {
		return data, nil
	}
	if !missing(err) {
		return nil, fmt.Errorf("read %s: %w", stackFileName, err)
	}
	var kept berth.ProjectFile
	var ok bool
	err = l.Store.View(ctx, func(tx Tx) (err error) {
		kept, ok, err = tx.ProjectFile(j.project.ID)
		return err
	})
	if err == nil && !ok {
		err = berth.Errorf(berth.EInvalid, "the repository has no %s at its root; add one that names its components (see examples/guestbook), or let berth up propose one", stackFileName)
	}
	return []byte(kept.Text), err
}

func (l *Loop) element(ctx context.Context, j *job, e stackfile.Element) (element, error) {
	files, err := l.packageFiles(ctx, j, e.Package)
	if err != nil {
		return element{}, aboutPackage(e, err)
	}
	pkg, warnings, err := stackfile.ParsePackage(files.from+"/diploi.yaml", files.named["diploi.yaml"])
	if err != nil {
		return element{}, err
	}
	l.warn(j, warnings)
	if pkg.Type != e.Kind {
		return element{}, berth.Errorf(berth.EInvalid, "%s:%d: %s is a %s; list it under %ss", stackFileName, e.Pos.Line, e.Package, pkg.Type, pkg.Type)
	}
	own := e.Hosts
	if !e.HostsSet {
		own = nil
	}
	hosts, said := stackfile.MergeHosts(pkg.Hosts, own, pkg.SupportsAdditionalHosts)
	for _, text := range said {
		l.Log.Info("project file", "deployment", j.deployment.Slug, "element", e.Identifier, "warning", text)
	}
	return element{Element: e, pkg: pkg, files: files, hosts: hosts}, nil
}

func (l *Loop) warn(j *job, warnings []stackfile.Warning) {
	for _, w := range warnings {
		l.Log.Info("project file", "deployment", j.deployment.Slug, "warning", w.String())
	}
}

// fixedImage is the image of an element that is never built: its package's own or, where the package
// brings nothing to build, the prebuilt one that the element names. It is empty for what is built.
func (e element) fixedImage() (string, error) {
	prebuilt := false
	for _, i := range e.pkg.Images {
		if i.Image != "" {
			return i.Image, nil
		}
		prebuilt = prebuilt || i.Prebuild != ""
	}
	if !prebuilt || e.files.named["Dockerfile"] != nil || e.files.named["Dockerfile.dev"] != nil {
		return "", nil
	}
	if e.PrebuildImage == "" {
		return "", berth.Errorf(berth.EInvalid, "%s:%d: %s runs an image that exists; name it beside the package, like prebuildImage: nginx:1.26",
			stackFileName, e.Pos.Line, e.files.from)
	}
	return e.PrebuildImage, nil
}

func publicHosts(elements []element) (wanted []wantedHost) {
	for _, e := range elements {
		for _, h := range e.hosts {
			if !h.Internal {
				wanted = append(wanted, wantedHost{element: e.Identifier, identifier: h.Identifier})
			}
		}
	}
	return wanted
}

// completePorts gives hosts without a port the one that the element's image exposes, and reports
// whether it changed any. Hosts of the older format have none: their charts fix the port.
func completePorts(elements []element, images map[string]image) (changed bool) {
	for i := range elements {
		for k := range elements[i].hosts {
			h := &elements[i].hosts[k]
			if exposed := images[elements[i].Identifier].exposed; h.Port == 0 && !h.Legacy && len(exposed) > 0 {
				h.Port, changed = exposed[0], true
			}
		}
	}
	return changed
}

// checkPorts says what to do about a host whose port nothing tells.
func checkPorts(e element) error {
	for _, h := range e.hosts {
		if h.Port == 0 && !h.Legacy {
			return berth.Errorf(berth.EInvalid, "%s: host %s has no port; write EXPOSE <port> into the Dockerfile, or a port under hosts in %s",
				e.Identifier, h.Identifier, stackFileName)
		}
	}
	return nil
}

// complete stores what the release runs: from here on it is fixed.
func (l *Loop) complete(ctx context.Context, j *job, elements []berth.ReleaseElement, volumes []berth.Volume) error {
	j.release.Elements, j.release.State = elements, berth.ReleaseStarting
	j.release.StartingAt, j.release.Step, j.release.Message = l.Now(), "", ""
	return l.Store.Update(ctx, func(tx Tx) error {
		known, err := tx.Volumes(j.deployment.ID)
		if err != nil {
			return err
		}
		for _, v := range attach(known, volumes) {
			if err := tx.PutVolume(v); err != nil {
				return err
			}
		}
		if j.kept != "" {
			e := berth.Event{Project: j.project.ID, Deployment: j.deployment.ID, Slug: j.deployment.Slug,
				Kind: "release.kept", Message: fmt.Sprintf("release %d: %s", j.release.Revision, j.kept)}
			if err := tx.AppendEvent(e); err != nil {
				return err
			}
		}
		return tx.UpdateRelease(j.release)
	})
}

// attach returns the rows of volumes after a release: those it uses are attached, those it does not
// use any more are kept and detached. The code volume is always attached.
func attach(known, used []berth.Volume) []berth.Volume {
	rows := append([]berth.Volume(nil), used...)
	in := map[string]bool{}
	for _, v := range used {
		in[v.Element+"/"+v.Identifier] = true
	}
	for _, v := range known {
		if isCode := v.Element == "" && v.Identifier == berth.CodeVolume; !isCode && !in[v.Element+"/"+v.Identifier] {
			v.Detached = true
			rows = append(rows, v)
		}
	}
	return rows
}

// folderName is an element's folder without slashes, for messages.
func (e element) folderName() string {
	if name := strings.Trim(e.Folder, "/"); name != "" {
		return name
	}
	return "the repository's root"
}
