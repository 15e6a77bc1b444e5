package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// Stamp returns a text that differs whenever a file at the top of a volume was written or replaced, at the
// price of a look. It follows no link; what is missing has a stamp too.
func (s *Volumes) Stamp(deployment berth.ID, v berth.Volume, rel string) (stamp string, err error) {
	v.Deployment = deployment
	if err := validate(v); err != nil {
		return "", err
	}
	if rel == "" || filepath.Base(rel) != rel {
		return "", berth.Errorf(berth.EInvalid, "%q is not a name at the top of the volume", rel)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return "", fmt.Errorf("open volumes: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	dir, err := root.Open(relative(v))
	if err != nil {
		return "", fmt.Errorf("open volume: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	var at unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), rel, &at, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err.Error(), nil
	}
	return fmt.Sprintf("%d %o %d %d.%d %d.%d", at.Ino, at.Mode, at.Size, at.Mtim.Sec, at.Mtim.Nsec, at.Ctim.Sec, at.Ctim.Nsec), nil
}
