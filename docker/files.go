package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// instanceDir holds what an instance needs on disk besides its volumes; it goes with the instance.
func (e *Engine) instanceDir(id identity) string {
	return filepath.Join(e.instancesDir(id.Deployment), id.Instance)
}

func (e *Engine) instancesDir(id berth.ID) string {
	return filepath.Join(e.deploymentDir(id), "instances")
}

// writeVolumes makes the instance's own directories: empty ones, and those of ConfigMaps and Secrets with
// the secrets revealed.
func (e *Engine) writeVolumes(p *pod, id identity, reveal func(string) (string, error)) error {
	dir := e.instanceDir(id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make instance directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open instance directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	for _, name := range sortedKeys(p.Volumes) {
		v := p.Volumes[name]
		if v.HostPath != "" {
			continue
		}
		if err := writeVolume(root, safe(name), v, reveal); err != nil {
			return fmt.Errorf("make volume %s: %w", name, err)
		}
	}
	return nil
}

func writeVolume(root *os.Root, name string, v volume, reveal func(string) (string, error)) error {
	if err := root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if v.Files == nil {
		// As Kubernetes: whatever user the containers run as may write there.
		if err := root.Chmod(name, 0o777); err != nil {
			return err
		}
		return root.Chown(name, -1, int(v.Group))
	}
	for _, file := range sortedKeys(v.Files) {
		f := v.Files[file]
		content, err := reveal(f.Content)
		if err != nil {
			return err
		}
		at := path.Join(name, path.Join("/", file))
		if err := root.MkdirAll(path.Dir(at), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(at, []byte(content), fs.FileMode(f.Mode)&fs.ModePerm); err != nil {
			return err
		}
		if err := root.Chmod(at, fs.FileMode(f.Mode)&fs.ModePerm); err != nil { // the umask took its part
			return err
		}
		if err := root.Chown(at, -1, int(v.Group)); err != nil {
			return err
		}
	}
	return nil
}

// mountPaths returns what Docker is to mount for each mount of a pod's i-th container, and makes what is
// missing.
func (e *Engine) mountPaths(p *pod, i int, id identity) ([]string, error) {
	var out []string
	var pins []pin
	for n, m := range p.Containers[i].Mounts {
		v := p.Volumes[m.Volume]
		at, err := e.mountPath(v, safe(m.Volume), m.SubPath, id)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", m.Volume, err)
		}
		if at.Movable {
			place := filepath.Join(e.pinsDir(id.Deployment, id.Instance), strconv.Itoa(i), strconv.Itoa(n))
			pins = append(pins, pin{At: place, Root: at.Root, Relative: at.Relative, Want: at.Want})
			out = append(out, place)
			continue
		}
		out = append(out, at.path())
	}
	return out, placePins(e.pinsDir(id.Deployment, id.Instance), i, pins)
}

// mountSource is where a mount lies on this machine.
type mountSource struct {
	Root, Relative string
	Want           want
	// Movable says that containers write to a directory above it, and so may put something else there.
	Movable bool
}

func (s mountSource) path() string { return filepath.Join(s.Root, s.Relative) }

// volumeDepth is how many directories below VolumesDir are Berth's own: deployment, element, volume.
const volumeDepth = 3

func (e *Engine) mountPath(v volume, name, subPath string, id identity) (mountSource, error) {
	if v.HostPath == "" {
		s := mountSource{Root: e.instanceDir(id), Relative: path.Join(name, subPath), Movable: subPath != "" && v.Files == nil}
		_, err := beneath(s.Root, s.Relative, s.Want)
		return s, err
	}
	root, owned := "/", "/"
	if e.config.VolumesDir != "" {
		root = e.config.VolumesDir
		owned = filepath.Join(root, string(id.Deployment))
	}
	if !within(owned, v.HostPath) {
		return mountSource{}, berth.Errorf(berth.EForbidden, "the path %s is not a volume of this deployment", v.HostPath)
	}
	relative, err := filepath.Rel(root, v.HostPath)
	if err != nil {
		return mountSource{}, err
	}
	s := mountSource{Root: root, Relative: relative, Want: wantOf(v.PathType)}
	s.Movable = subPath != "" || e.config.VolumesDir != "" && strings.Count(relative, "/")+1 > volumeDepth
	if _, err := beneath(root, relative, s.Want); err != nil || subPath == "" {
		return s, err
	}
	s.Relative, s.Want = path.Join(relative, subPath), wantDirectory
	_, err = beneath(root, s.Relative, s.Want)
	return s, err
}

func within(dir, path string) bool {
	relative, err := filepath.Rel(dir, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, "../")
}

// want is what has to be at a path.
type want int

const (
	wantDirectory want = iota // made when missing; what exists, stays what it is
	wantExisting
	wantFile // made empty when missing
)

func wantOf(pathType string) want {
	switch corev1.HostPathType(pathType) {
	case corev1.HostPathDirectory, corev1.HostPathFile:
		return wantExisting
	case corev1.HostPathFileOrCreate:
		return wantFile
	}
	return wantDirectory
}

// beneath returns root/relative. No part below root may be a symbolic link: volumes are written by
// containers, and a link planted there would have Docker mount whatever it points to.
func beneath(root, relative string, want want) (string, error) {
	at := filepath.Join(root, relative)
	err := reach(root, relative)
	if err == nil {
		return at, nil
	}
	if !errors.Is(err, fs.ErrNotExist) || want == wantExisting {
		return "", err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", root, err)
	}
	defer func() { _ = r.Close() }()
	if want == wantFile {
		err = makeFile(r, relative)
	} else {
		err = r.MkdirAll(relative, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make %s: %w", at, err)
	}
	return at, reach(root, relative)
}

func makeFile(r *os.Root, relative string) error {
	if err := r.MkdirAll(filepath.Dir(relative), 0o755); err != nil {
		return err
	}
	f, err := r.OpenFile(relative, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// reach checks that a path below root can be reached without following a link.
func reach(root, relative string) error {
	fd, err := openBeneath(root, relative)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// openBeneath opens a path below root without following a link, as a place only (O_PATH).
func openBeneath(root, relative string) (fd int, err error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err = unix.Openat2(dir, relative, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, berth.Errorf(berth.EForbidden, "%s is or leads through a symbolic link, which may not be mounted", filepath.Join(root, relative))
	case err != nil:
		return -1, &fs.PathError{Op: "open", Path: filepath.Join(root, relative), Err: err}
	}
	return fd, nil
}

func (e *Engine) removeInstanceDir(id berth.ID, instance string) error {
	if instance == "" || safe(instance) != instance {
		return nil
	}
	return removeFiles(filepath.Join(e.instancesDir(id), instance))
}
