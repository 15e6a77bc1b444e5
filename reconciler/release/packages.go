package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// files are a package's: everything that may go into an image or a release.
type files struct {
	from  string            // for messages: "package nodejs"
	hash  string            // of everything below
	named map[string][]byte // by path inside the package
}

// maxPackage bounds what is read of a package that a project brings itself.
const (
	maxPackageFiles = 200
	maxPackageFile  = 1 << 20
)

func (l *Loop) packageFiles(ctx context.Context, j *job, ref stackfile.PackageRef) (files, error) {
	switch ref.Kind {
	case stackfile.PackageBuiltin:
		return builtin(l.Catalogue, ref.Name)
	case stackfile.PackageLocal:
		return l.local(ctx, j, ref.Path)
	}
	return l.remote(ctx, j, ref)
}

func builtin(catalogue fs.FS, name string) (files, error) {
	root, err := fs.Sub(catalogue, name)
	if err != nil {
		return files{}, fmt.Errorf("open catalogue: %w", err)
	}
	named := map[string][]byte{}
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		named[p], err = fs.ReadFile(root, p)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || (err == nil && named["diploi.yaml"] == nil) {
		return files{}, berth.Errorf(berth.ENotFound, "there is no built-in package %q; berth package ls lists those there are", name)
	}
	if err != nil {
		return files{}, fmt.Errorf("read package %s: %w", name, err)
	}
	return newFiles("package "+name, named), nil
}

// local reads a package from the project's own repository, at the release's commit.
func (l *Loop) local(ctx context.Context, j *job, dir string) (files, error) {
	from := "package ./" + strings.Trim(dir, "./")
	named := map[string][]byte{}
	pending := []string{strings.Trim(path.Clean("/"+dir), "/")}
	for len(pending) > 0 {
		at := pending[0]
		pending = pending[1:]
		entries, err := l.Git.List(ctx, j.project.ID, j.release.Commit, at)
		if missing(err) {
			return files{}, berth.Errorf(berth.ENotFound, "%s: the repository has no folder %s at %.12s", from, at, j.release.Commit)
		}
		if err != nil {
			return files{}, err
		}
		for _, entry := range entries {
			full := path.Join(at, strings.TrimSuffix(entry, "/"))
			if strings.HasSuffix(entry, "/") {
				pending = append(pending, full)
				continue
			}
			if len(named) >= maxPackageFiles {
				return files{}, berth.Errorf(berth.EInvalid, "%s has more than %d files", from, maxPackageFiles)
			}
			data, err := l.Git.ReadFile(ctx, j.project.ID, j.release.Commit, full, maxPackageFile)
			if err != nil {
				return files{}, fmt.Errorf("read %s: %w", full, err)
			}
			named[strings.TrimPrefix(full, strings.Trim(path.Clean("/"+dir), "/")+"/")] = data
		}
	}
	if named["diploi.yaml"] == nil {
		return files{}, berth.Errorf(berth.EInvalid, "%s has no diploi.yaml, which every package needs", from)
	}
	return newFiles(from, named), nil
}

func newFiles(from string, named map[string][]byte) files {
	sum := sha256.New()
	names := make([]string, 0, len(named))
	for name := range named {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(sum, "%d %s %d\n", len(name), name, len(named[name]))
		sum.Write(named[name])
	}
	return files{from: from, hash: hex.EncodeToString(sum.Sum(nil))[:16], named: named}
}

const chartFolder = ".diploi/helm/"

// charts are the Helm templates among the files.
func (f files) charts() map[string][]byte {
	out := map[string][]byte{}
	for name, data := range f.named {
		if strings.HasPrefix(name, chartFolder) && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".tpl")) {
			out[name] = data
		}
	}
	return out
}
