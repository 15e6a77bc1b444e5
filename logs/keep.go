package logs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// metaFile is what a kept container's directory has besides its files. It is written last.
const metaFile = "meta.json"

// meta says what is kept.
type meta struct {
	Instance  engine.Instance `json:"instance"`
	Container string          `json:"container"`
	Files     []keptFile      `json:"files"` // oldest first
	KeptAt    time.Time       `json:"keptAt"`
}

type keptFile struct {
	Name  string `json:"name"`
	Inode uint64 `json:"inode"` // of the file that Docker wrote
	Bytes int64  `json:"bytes"`
}

// keptContainer is a container that is kept, and how much of the disk it takes.
type keptContainer struct {
	container
	at    time.Time
	bytes int64
}

// Keep takes hard links (or copies, from another disk) of containers' files, so that they outlive
// the containers, which are about to be removed and write no more. Keeping again is no error. Then
// it lets go of the oldest runs beyond the limits.
func (l *Logs) Keep(ctx context.Context, files []engine.LogFile) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	touched := map[berth.ID]bool{}
	for _, f := range files {
		if len(f.Paths) == 0 {
			continue
		}
		if err := errors.Join(ctx.Err(), l.keep(f)); err != nil {
			errs = append(errs, fmt.Errorf("keep log of %s: %w", f.Instance.ID, err))
		}
		touched[f.Deployment] = true
	}
	for deployment := range touched {
		errs = append(errs, l.trim(deployment))
	}
	return errors.Join(errs...)
}

func (l *Logs) keep(f engine.LogFile) (err error) {
	c := container{Instance: f.Instance, Container: f.Container}
	list, _, err := chain(f.Paths[len(f.Paths)-1])
	if err != nil {
		return err
	}
	dir := l.keptDir(f.Deployment, c)
	if len(list) == 0 {
		return nil // the container is gone already, or never wrote; what was kept stays
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	m := meta{Instance: f.Instance, Container: f.Container, KeptAt: l.now()}
	for i, segment := range list {
		kept, err := keepFile(segment, draft, strconv.Itoa(i)+".log")
		if err != nil {
			return err
		}
		m.Files = append(m.Files, kept)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(draft, metaFile), text, 0o600); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(draft, dir)
}

func keepFile(f segment, dir, name string) (keptFile, error) {
	to := filepath.Join(dir, name)
	if err := os.Link(f.path, to); err != nil {
		if err := copyFile(f.path, to); err != nil {
			return keptFile{}, err
		}
	}
	info, err := os.Stat(to)
	if err != nil {
		return keptFile{}, err
	}
	return keptFile{Name: name, Inode: f.inode, Bytes: info.Size()}, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Forget deletes what is kept of a deployment. Nothing kept is no error.
func (l *Logs) Forget(deployment berth.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.RemoveAll(filepath.Join(l.config.Dir, plain(string(deployment)))); err != nil {
		return fmt.Errorf("forget logs: %w", err)
	}
	return nil
}

// keptDir is where a container's files are or would be kept. The names that an engine chose are
// hashed: they need not be names of files.
func (l *Logs) keptDir(deployment berth.ID, c container) string {
	sum := sha256.Sum256([]byte(c.key()))
	return filepath.Join(l.config.Dir, plain(string(deployment)), plain(c.Instance.Element), hex.EncodeToString(sum[:12]))
}

// plain makes one directory's name of s that no other s has.
func plain(s string) string {
	if s != "" && !strings.HasPrefix(s, "=") && filepath.IsLocal(s) && filepath.Base(s) == s && s[0] != '.' {
		return s
	}
	return "=" + hex.EncodeToString([]byte(s))
}

func isBelow(path, dir string) bool { return strings.HasPrefix(path, dir+string(filepath.Separator)) }

// keptContainers reads what is kept of a deployment.
func (l *Logs) keptContainers(deployment berth.ID) ([]keptContainer, error) {
	metas, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(l.config.Dir, plain(string(deployment)))), "*", "[0-9a-f]*", metaFile))
	if err != nil {
		return nil, fmt.Errorf("list kept logs: %w", err)
	}
	var kept []keptContainer
	for _, path := range metas {
		m, ok, err := readMeta(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		k := keptContainer{container: container{Instance: m.Instance, Container: m.Container, kept: filepath.Dir(path)}, at: m.KeptAt}
		for _, f := range m.Files {
			k.bytes += f.Bytes
		}
		kept = append(kept, k)
	}
	return kept, nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// readMeta reads what a directory keeps; ok is false when it keeps nothing, or nothing whole.
func readMeta(dir string) (m meta, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, metaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read kept log: %w", err)
	}
	return m, json.Unmarshal(text, &m) == nil, nil
}

func keptSegments(dir string) ([]segment, error) {
	m, ok, err := readMeta(dir)
	if err != nil || !ok {
		return nil, err
	}
	list := make([]segment, len(m.Files))
	for i, f := range m.Files {
		list[i] = segment{path: filepath.Join(dir, f.Name), inode: f.Inode}
	}
	return list, nil
}

// trim lets go of runs beyond the newest of each slot, then of the oldest until what is left fits
// into the budget. The newest of a slot is always kept: it says why an instance ended.
func (l *Logs) trim(deployment berth.ID) error {
	kept, err := l.keptContainers(deployment)
	if err != nil {
		return err
	}
	slices.SortStableFunc(kept, func(a, b keptContainer) int { return byStart(b.container, a.container) }) // newest first
	runs := map[slot][]string{}
	total := int64(0)
	for _, k := range kept {
		s := slotOf(k.container)
		if !slices.Contains(runs[s], k.Instance.ID) {
			runs[s] = append(runs[s], k.Instance.ID)
		}
		run := slices.Index(runs[s], k.Instance.ID)
		total += k.bytes
		if run >= l.config.Runs || (run > 0 && total > l.config.Budget) {
			total -= k.bytes
			if err := os.RemoveAll(k.kept); err != nil {
				return fmt.Errorf("trim kept logs: %w", err)
			}
		}
	}
	return nil
}
