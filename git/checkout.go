package git

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/berth-dev/berth"
)

// Checkout writes a commit's tree into dest, an empty directory that is made if it is missing. Files
// are as they were committed: no filter or hook runs, and nothing is written outside of dest. A link
// that leads out of the tree is EInvalid. After an error dest holds a part of the tree.
func (g *Git) Checkout(ctx context.Context, project berth.ID, commit, dest string) error {
	_, err := g.checkout(ctx, project, commit, dest, g.allowance())
	return err
}

// allowance is what may still be checked out: of one tree, or of one with all its submodules.
type allowance struct {
	bytes           int64
	files, allFiles int
}

func (g *Git) allowance() *allowance {
	return &allowance{bytes: g.config.MaxTree, files: g.config.MaxFiles, allFiles: g.config.MaxFiles}
}

// checkout is Checkout, and says which files are not what they stand for.
func (g *Git) checkout(ctx context.Context, project berth.ID, commit, dest string, left *allowance) (p pointers, err error) {
	switch there, err := g.Exists(ctx, project, commit); {
	case err != nil:
		return p, err
	case !there:
		return p, berth.Errorf(berth.ENotFound, "the repository has no commit %.12s", commit)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.config.Timeout, errTooLong)
	defer cancel()
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return p, fmt.Errorf("make checkout: %w", err)
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return p, fmt.Errorf("open checkout: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()

	archive, feed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := g.run(ctx, command{repository: g.Dir(project), args: []string{"archive", "--format=tar", commit}, stdout: feed})
		_ = feed.CloseWithError(err) // nil reads as the end
		ended <- err
	}()
	x := extraction{root: root, left: left, made: map[string]bool{}}
	err = x.all(tar.NewReader(archive))
	if err == nil {
		_, err = io.Copy(io.Discard, archive) // padding behind the archive's end
	}
	_ = archive.CloseWithError(errors.New("checkout ended")) // git must not wait for a reader that is gone
	failed := <-ended
	if err != nil {
		return p, err
	}
	if failed != nil {
		return p, fmt.Errorf("check out %.12s: %w", commit, failed)
	}
	return x.pointers, nil
}

// extraction writes an archive below a root.
type extraction struct {
	root *os.Root
	left *allowance
	made map[string]bool // folders

	pointers pointers
}

func (x *extraction) all(archive *tar.Reader) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := x.one(header, archive); err != nil {
			return err
		}
	}
}

func (x *extraction) one(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader { // git's note of the commit
		return nil
	}
	name := path.Clean(header.Name)
	if name == "." {
		return nil
	}
	x.left.files--
	x.left.bytes -= header.Size
	switch {
	case !fs.ValidPath(name):
		return berth.Errorf(berth.EInvalid, "the repository has a file named %q, which leads out of it", header.Name)
	case x.left.files < 0:
		return berth.Errorf(berth.EInvalid, "the repository has more than %d files and folders, the most that Berth checks out: leave generated files out of it (.gitignore)", x.left.allFiles)
	case x.left.bytes < 0:
		return berth.Errorf(berth.EInvalid, "the repository's files are too large to be checked out")
	}
	if err := x.folder(path.Dir(name)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	var err error
	switch header.Typeflag {
	case tar.TypeDir:
		err = x.folder(name)
	case tar.TypeReg:
		err = x.file(name, header.FileInfo().Mode().Perm()&0o755, content)
	case tar.TypeSymlink:
		if !staysInside(name, header.Linkname) {
			return berth.Errorf(berth.EInvalid, "%s is a link to %s, which leads out of the repository: remove it, or make it relative", name, header.Linkname)
		}
		err = x.root.Symlink(header.Linkname, name)
	default:
		return fmt.Errorf("write %s: unexpected type %q", name, header.Typeflag)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// folder makes a folder once: nothing that is extracted takes one away again.
func (x *extraction) folder(name string) error {
	if x.made[name] {
		return nil
	}
	err := x.root.MkdirAll(name, 0o755)
	if err == nil {
		x.made[name] = true
	}
	return err
}

func (x *extraction) file(name string, mode fs.FileMode, content io.Reader) error {
	f, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	head, err := io.ReadAll(io.LimitReader(content, int64(len(pointerMark))))
	if err == nil {
		x.pointers.look(name, head)
		_, err = io.Copy(f, io.MultiReader(bytes.NewReader(head), content))
	}
	return errors.Join(err, f.Chmod(mode), f.Close()) // Chmod, because the umask had a say
}

// staysInside reports whether a link cannot lead out of the tree, whatever other links it passes.
// Only leading ".." are allowed: they start at the link's own directory, which is a real one, so they
// can be counted. A ".." after a name would start wherever that name leads.
func staysInside(name, target string) bool {
	if target == "" || path.IsAbs(target) || strings.ContainsRune(target, 0) {
		return false
	}
	up, descended := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			descended = true
		case descended:
			return false
		default:
			up++
		}
	}
	return up <= strings.Count(name, "/")
}
