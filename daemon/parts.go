package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/images"
	"github.com/berth-dev/berth/reconciler/builds"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/stackfile"
	"github.com/berth-dev/berth/stackfile/proposal"
)

// agentPath finds the helper beside this binary unless it is named.
func agentPath(named string) (string, error) {
	if named == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find own binary: %w", err)
		}
		named = filepath.Join(filepath.Dir(self), "berth-agent")
	}
	path, err := filepath.Abs(named)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", berth.Errorf(berth.EUnavailable, "the helper binary %s is missing; keep berth-agent beside berth, or name it with --agent", named)
	}
	return path, nil
}

// present is the image store with a look into the engine.
type present struct {
	*images.Images
	engine *docker.Engine
}

// Present reports whether the engine has an image, and the ports it exposes.
func (p present) Present(ctx context.Context, image string) (exposed []int, ok bool, err error) {
	if _, ok, err = p.engine.ImageID(ctx, image); err != nil || !ok {
		return nil, ok, err
	}
	exposed, _, _, _, err = p.engine.ImageConfig(ctx, image)
	return exposed, err == nil, err
}

// readStack tells control what a project file offers.
func readStack(catalogue []berth.PackageInfo) func(file string, data []byte) (control.Stack, error) {
	return func(file string, data []byte) (control.Stack, error) {
		project, _, err := stackfile.ParseProject(file, data)
		if err != nil {
			return control.Stack{}, err
		}
		stack := control.Stack{Stages: project.Stages}
		for _, e := range project.Components {
			stack.Components = append(stack.Components, e.Identifier)
		}
		for _, e := range project.Addons {
			stack.Addons = append(stack.Addons, e.Identifier)
		}
		return stack, inCatalogue(file, project.Elements(), catalogue)
	}
}

// inCatalogue refuses a built-in package that there is not.
func inCatalogue(file string, elements []stackfile.Element, catalogue []berth.PackageInfo) error {
	for _, e := range elements {
		named := func(p berth.PackageInfo) bool { return p.Name == e.Package.Name }
		if e.Package.Kind == stackfile.PackageBuiltin && !slices.ContainsFunc(catalogue, named) {
			return berth.Errorf(berth.EInvalid, "%s:%d: %s: there is no built-in package %q; berth package ls lists those there are", file, e.Pos.Line, e.Identifier, e.Package.Name)
		}
	}
	return nil
}

// propose makes a project file for a repository that has none.
func propose(t control.Tree) (string, []berth.FileNote, error) { return proposal.Of(t) }

// describe renders stored objects for people.
func describe(stored []byte) (string, error) {
	objects, err := chart.Unmarshal(stored)
	if err != nil {
		return "", fmt.Errorf("read objects: %w", err)
	}
	return chart.Describe(objects)
}

// catalogueOf reads what the built-in packages say of themselves.
func catalogueOf(packages fs.FS) (list []berth.PackageInfo, err error) {
	entries, err := fs.ReadDir(packages, ".")
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		info, err := packageInfo(packages, e.Name())
		if err != nil {
			return nil, fmt.Errorf("read package %s: %w", e.Name(), err)
		}
		list = append(list, info)
	}
	return list, nil
}

func packageInfo(packages fs.FS, name string) (berth.PackageInfo, error) {
	file, err := fs.ReadFile(packages, name+"/diploi.yaml")
	if err != nil {
		return berth.PackageInfo{}, err
	}
	pkg, _, err := stackfile.ParsePackage(name+"/diploi.yaml", file)
	if err != nil {
		return berth.PackageInfo{}, err
	}
	readme, err := fs.ReadFile(packages, name+"/README.md")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return berth.PackageInfo{}, err
	}
	return berth.PackageInfo{Name: name, Title: pkg.Name, Description: pkg.Description, Kind: string(pkg.Type),
		Readme: string(readme), File: string(file)}, nil
}

// secretToken opens the secrets that a text names by their tokens.
func (d *Daemon) secretToken(ctx context.Context, text string) (berth.Secret, error) {
	plain, err := berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		value, err := d.secret(ctx, id, version)
		return value.Reveal(), err
	})
	return berth.NewSecret(plain), err
}

// sweepImages removes the names, and with the last of them the image, of what our builds made and neither
// a build row nor a release names any more. An image that a container still uses stays until the next
// sweep. Other names are others': an image that somebody built on one of ours carries our labels too.
func (d *Daemon) sweepImages(ctx context.Context) error {
	made, err := d.engine.ImageNames(ctx, builds.Label+"="+string(d.server))
	if err != nil || len(made) == 0 {
		return err
	}
	var names []string
	if err := d.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		names, err = abandoned(tx, made)
		return err
	}); err != nil {
		return fmt.Errorf("look up images: %w", err)
	}
	var failures []error
	for _, name := range names {
		failures = append(failures, d.engine.RemoveImage(ctx, name))
	}
	return errors.Join(failures...)
}

// abandoned returns the names that our builds gave to images nobody wants. A running build's image may be
// there before its row says so.
func abandoned(tx *sqlite.Tx, made map[string][]string) (names []string, err error) {
	running, err := tx.RunningBuilds()
	if err != nil {
		return nil, err
	}
	wanted, err := tx.BuiltImages()
	if err != nil {
		return nil, err
	}
	for image, called := range made {
		called = slices.DeleteFunc(slices.Clone(called), func(name string) bool { return !strings.HasPrefix(name, builds.TagPrefix) })
		ofRunning := func(b berth.Build) bool { return slices.Contains(called, builds.Tag(b.Project, b.ID)) }
		if len(called) == 0 || slices.Contains(wanted, image) || slices.ContainsFunc(running, ofRunning) {
			continue
		}
		used, err := tx.ImageInUse(image)
		if err != nil {
			return nil, err
		}
		if !used {
			names = append(names, called...)
		}
	}
	return names, nil
}
