package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// pin is a mount from below the top of a volume, where containers may put a link in the place of a
// directory at any time: an init container before the main ones start, a neighbour at the very moment.
// Docker resolves a mount's path when it starts the container, and follows links. So Docker is told the
// path of a place of ours, onto which what was opened without following a link is bound for as long as
// the start takes. Docker has to see this server's mounts for that: both are in one mount namespace.
type pin struct {
	At       string `json:"at"` // what Docker mounts
	Root     string `json:"root"`
	Relative string `json:"relative"`
	Want     want   `json:"want"`
}

// pinsDir is in an instance's directory, beside its volumes, none of which can be called so.
const pinsDir = ".pins"

func (e *Engine) pinsDir(id berth.ID, instance string) string {
	return filepath.Join(e.instancesDir(id), instance, pinsDir)
}

func pinFile(dir string, container int) string {
	return filepath.Join(dir, strconv.Itoa(container)+".json")
}

// placePins makes the places of a container's pins and notes what belongs there.
func placePins(dir string, container int, pins []pin) error {
	if len(pins) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, strconv.Itoa(container)), 0o700); err != nil {
		return fmt.Errorf("make places of mounts: %w", err)
	}
	for _, p := range pins {
		if err := p.place(); err != nil {
			return fmt.Errorf("make place of mount: %w", err)
		}
	}
	text, err := json.Marshal(pins)
	if err != nil {
		return fmt.Errorf("encode mounts: %w", err)
	}
	if err := os.WriteFile(pinFile(dir, container), text, 0o600); err != nil {
		return fmt.Errorf("note mounts: %w", err)
	}
	return nil
}

// place makes an empty directory or file, as what will be bound there is.
func (p pin) place() error {
	fd, err := openBeneath(p.Root, p.Relative)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return os.Mkdir(p.At, 0o700)
	case unix.S_IFREG:
		return os.WriteFile(p.At, nil, 0o600)
	}
	return berth.Errorf(berth.EForbidden, "%s is neither a directory nor a file, and may not be mounted", filepath.Join(p.Root, p.Relative))
}

// bind mounts what is at the pin's path now, made anew if a container took it away.
func (p pin) bind() error {
	if _, err := beneath(p.Root, p.Relative, p.Want); err != nil {
		return err
	}
	fd, err := openBeneath(p.Root, p.Relative)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	err = unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), p.At, "", unix.MS_BIND, "")
	if errors.Is(err, unix.ENOTDIR) {
		return berth.Errorf(berth.EInvalid, "%s became a file where a directory was, or the other way round", filepath.Join(p.Root, p.Relative))
	}
	if err != nil {
		return fmt.Errorf("bind %s: %w", filepath.Join(p.Root, p.Relative), err)
	}
	return nil
}

// holdPins binds a container's pins until release is called. pinned says whether it has any.
func (e *Engine) holdPins(id berth.ID, instance string, container int) (release func(), pinned bool, err error) {
	text, err := os.ReadFile(pinFile(e.pinsDir(id, instance), container))
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read mounts: %w", err)
	}
	var pins []pin
	if err := json.Unmarshal(text, &pins); err != nil {
		return nil, false, fmt.Errorf("read mounts: %w", err)
	}
	release = func() {
		for _, p := range pins {
			unbind(p.At)
		}
	}
	for _, p := range pins {
		unbind(p.At) // a server that was killed left it
		if err := p.bind(); err != nil {
			release()
			return nil, true, err
		}
	}
	return release, true, nil
}

// unbind takes away all that is bound at a place of ours; nothing is success.
func unbind(at string) {
	for unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
	}
}

// pinnedStart bounds a start that must not be left alone halfway.
const pinnedStart = 2 * time.Minute

// startPinned starts a container while its pins hold. The end of ctx does not end the call: Docker would
// go on alone, and mount the empty places.
func (e *Engine) startPinned(ctx context.Context, p *observedPod, c containerState) error {
	release, pinned, err := e.holdPins(p.Deployment, p.ID, c.index())
	if err != nil {
		return err
	}
	defer release()
	if !pinned {
		return e.docker.start(ctx, c.ID)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pinnedStart)
	defer cancel()
	err = e.docker.start(ctx, c.ID)
	if err != nil && ctx.Err() != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		err = errors.Join(err, e.docker.remove(clean, c.ID))
	}
	return err
}

// removeFiles removes an instance's directory. Its places of mounts go first and one by one: what is still
// bound there is in the way, and is not removed with them.
func removeFiles(dir string) error {
	containers, err := os.ReadDir(filepath.Join(dir, pinsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list places of mounts: %w", err)
	}
	for _, c := range containers {
		if !c.IsDir() {
			continue
		}
		if err := removePlaces(filepath.Join(dir, pinsDir, c.Name())); err != nil {
			return fmt.Errorf("remove places of mounts: %w", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove instance directory: %w", err)
	}
	return nil
}

func removePlaces(dir string) error {
	places, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, p := range places {
		at := filepath.Join(dir, p.Name())
		unbind(at)
		if err := os.Remove(at); err != nil {
			return err
		}
	}
	return nil
}

// removeInstanceDirs removes those of all instances of a deployment.
func (e *Engine) removeInstanceDirs(id berth.ID) error {
	instances, err := os.ReadDir(e.instancesDir(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list instance directories: %w", err)
	}
	for _, i := range instances {
		if err := removeFiles(filepath.Join(e.instancesDir(id), i.Name())); err != nil {
			return err
		}
	}
	return nil
}
