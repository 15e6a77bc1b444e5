package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/sqlite"
)

// Removal is what uninstalling would remove here, and does when it is told to.
type Removal struct {
	Belongings []Belonging
	// Kept says in sentences what stays although it is Berth's.
	Kept []string

	options Options
	server  string // its id
	engine  *docker.Engine
	before  []docker.Thing // everything that the engine holds
	alone   bool           // no other Berth is on this machine
	data    bool           // data goes, too
	// programs, unit and socket are this server's: another one on a data directory of its own may have them.
	programs bool
}

// Belonging is something of this server's.
type Belonging struct {
	Kind  string `json:"kind"` // container, network, image, file, directory, authority
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	id    string
}

const (
	kindFile      = "file"
	kindDirectory = "directory"
	kindAuthority = "authority" // of ours, in the machine's trust store
)

// Uninstall lists what is this server's, and changes nothing. The caller closes what it returns.
func Uninstall(ctx context.Context, o Options, keepData bool) (*Removal, error) {
	if err := asRoot("uninstall"); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	l := o.layout()
	before, installed, err := readRecord(l)
	if err != nil {
		return nil, err
	}
	line := commandOf(holder(l))
	if !installed && line == nil && !exists(l.database()) && !exists(l.binary()) {
		return nil, berth.Errorf(berth.ENotFound, "there is no Berth on %s", l.data)
	}
	r := &Removal{options: o, data: !keepData, programs: o.ownsPrograms(installed)}
	if err := r.openEngine(ctx, cmp.Or(flagOf(line, "--docker"), o.wanted(before).Docker)); err != nil {
		return nil, err
	}
	if err := r.list(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close lets go of the engine.
func (r *Removal) Close() error { return r.engine.Close() }

func (r *Removal) openEngine(ctx context.Context, socket string) (err error) {
	l := r.options.layout()
	id, known, err := sqlite.PeekMeta(ctx, l.database(), "server")
	if err != nil {
		return fmt.Errorf("find this server's id: %w", err)
	}
	if !known {
		id = "unknown" // one that never started has made nothing
	}
	r.server = id
	r.engine, err = docker.New(docker.Config{Socket: socket, RunDir: filepath.Join(l.data, "run"), ServerID: id})
	if err != nil {
		return err
	}
	if err := r.engine.OpenToRemove(ctx); err != nil {
		return errors.Join(err, r.engine.Close())
	}
	return nil
}

func (r *Removal) list(ctx context.Context) (err error) {
	l := r.options.layout()
	if r.before, err = r.engine.Inventory(ctx); err != nil {
		return err
	}
	r.alone = len(otherServers(holder(l))) == 0 && !slices.ContainsFunc(r.before, func(t docker.Thing) bool {
		return t.Server != "" && t.Server != r.server
	})
	for _, t := range ours(r.before, r.server, r.data, r.alone) {
		r.Belongings = append(r.Belongings, Belonging{t.Kind, t.Name, t.Bytes, t.ID})
	}
	for _, file := range trustedCopies(r.options.Root, l.certificateAuthority()) {
		r.Belongings = append(r.Belongings, Belonging{Kind: kindAuthority, Name: file, Bytes: sizeOf(file)})
	}
	for _, path := range r.paths() {
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		kind := kindFile
		if info.IsDir() {
			kind = kindDirectory
		}
		r.Belongings = append(r.Belongings, Belonging{Kind: kind, Name: path, Bytes: sizeOf(path)})
	}
	r.sayKept()
	return nil
}

// paths are the files and directories of an installation; not all need be there.
func (r *Removal) paths() []string {
	l := r.options.layout()
	var paths []string
	if r.programs {
		paths = []string{l.unit(), l.socket(), l.binary(), l.library()}
	}
	if r.data && isData(l) {
		return append(paths, slices.Compact([]string{realPath(l.data), l.data})...)
	}
	return append(paths, l.record(), l.link(), l.environment(), l.cli(), filepath.Join(l.data, "run"))
}

// isData reports whether a directory is what it is taken for, before all of it is removed.
func isData(l layout) bool {
	return (exists(l.database()) || exists(l.record())) && strings.Count(realPath(l.data), "/") > 1
}

func (r *Removal) sayKept() {
	l := r.options.layout()
	if !r.programs {
		r.Kept = append(r.Kept, fmt.Sprintf("%s and the service stay: they are of a Berth on another data directory.", l.binary()))
	}
	if r.data && !isData(l) && exists(l.data) {
		r.Kept = append(r.Kept, fmt.Sprintf("%s stays: it does not look like the data of a Berth.", l.data))
	}
	if !r.data {
		r.Kept = append(r.Kept, fmt.Sprintf("%s keeps volumes, database, key, repositories, logs and the images of builds: berth install brings everything back.", l.data))
	}
	if !r.alone {
		r.Kept = append(r.Kept, "Runtime images and firewall rules stay: another Berth on this machine uses them.")
	}
	r.Kept = append(r.Kept, "Docker Engine stays, and its build cache, in which nobody's entries can be told apart.")
}

// Proof is what was found when all was done.
type Proof struct {
	Removed int
	Left    []Belonging // of what was to be removed
	// Others counts by kind what the engine held of others before, and how much of it is there still. Others may
	// remove their own things meanwhile.
	Others []Count
}

// Count is of one kind.
type Count struct {
	Kind          string
	Before, After int
}

// Perform stops the server, removes what was listed, and looks again. It ends where something fails, or ctx does:
// the data, by which what is left would be found, goes last.
func (r *Removal) Perform(ctx context.Context) (Proof, error) {
	l := r.options.layout()
	for _, step := range []func(context.Context) error{r.stopServer, r.removeFromEngine, r.removeShared, r.removeAuthorities, r.removeFiles} {
		err := ctx.Err()
		if err == nil {
			err = step(ctx)
		}
		if err != nil {
			return Proof{}, fmt.Errorf("remove Berth of %s: %w", l.data, err)
		}
	}
	proof, err := r.prove(ctx)
	if err != nil {
		return proof, fmt.Errorf("remove Berth of %s: %w", l.data, err)
	}
	return proof, nil
}

func (r *Removal) stopServer(ctx context.Context) error {
	l := r.options.layout()
	systemd := r.programs && exists(l.unit())
	if err := r.options.supervisor(systemd, nil).stop(ctx); err != nil {
		return err
	}
	if systemd {
		return systemctl(ctx, "disable", unitName)
	}
	return nil
}

// removingWithin bounds how long containers may take to go.
const removingWithin = 2 * time.Minute

func (r *Removal) removeFromEngine(ctx context.Context) error {
	deployments, err := r.engine.Deployments(ctx)
	if err != nil {
		return err
	}
	for _, id := range deployments {
		var last error
		gone := until(ctx, removingWithin, func() (gone bool) {
			gone, last = r.engine.Remove(ctx, id)
			return gone
		})
		if !gone {
			return fmt.Errorf("remove containers of deployment %s: %w", id, cmp.Or(last, errors.New("they do not go")))
		}
	}
	for _, b := range r.Belongings {
		if b.Kind != docker.KindImage {
			continue
		}
		if err := r.engine.RemoveImage(ctx, b.Name); err != nil {
			r.Kept = append(r.Kept, fmt.Sprintf("Image %s stays: something uses it (%v).", b.Name, err))
		}
	}
	return nil
}

// removeShared removes what all Berths of a machine share, when this was the last.
func (r *Removal) removeShared(ctx context.Context) error {
	if !r.alone || !r.data || r.options.Root != "/" {
		return nil
	}
	return r.engine.LeaveMachine(ctx)
}

func (r *Removal) removeAuthorities(ctx context.Context) error {
	removed := false
	for _, b := range r.Belongings {
		if b.Kind != kindAuthority {
			continue
		}
		if err := os.Remove(b.Name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove certificate authority: %w", err)
		}
		removed = true
	}
	if !removed || r.options.Root != "/" {
		return nil
	}
	return refreshTrust(ctx, r.options.Log)
}

// removeFiles removes the installation's files, data last. What is mounted below goes first: its content would be
// removed with the directory.
func (r *Removal) removeFiles(ctx context.Context) error {
	l := r.options.layout()
	for _, dir := range r.unmounted() {
		if err := unmountBelow(dir); err != nil {
			return err
		}
	}
	for _, path := range r.paths() {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	if l.root == "/" && exists("/run/systemd/system") {
		return systemctl(ctx, "daemon-reload")
	}
	return nil
}

// unmounted are the directories below which everything is unmounted: of data that stays, those in which Berth
// mounts. A disk that somebody keeps volumes on stays where it is.
func (r *Removal) unmounted() []string {
	l := r.options.layout()
	if r.data && isData(l) {
		return []string{l.data}
	}
	return []string{filepath.Join(l.data, "volumes"), filepath.Join(l.data, "pools"), filepath.Join(l.data, "trial"), filepath.Join(l.data, "run")}
}

// prove looks again.
func (r *Removal) prove(ctx context.Context) (Proof, error) {
	after, err := r.engine.Inventory(ctx)
	if err != nil {
		return Proof{}, err
	}
	return prove(r.Belongings, r.before, after, exists), nil
}

// prove compares what was to go with what is there, and counts what was not.
func prove(mine []Belonging, before, after []docker.Thing, exists func(path string) bool) (p Proof) {
	type key struct{ kind, id, name string }
	keyOf := func(t docker.Thing) key { return key{t.Kind, t.ID, t.Name} }
	there, listed := map[key]bool{}, map[key]bool{}
	for _, t := range after {
		there[keyOf(t)] = true
	}
	for _, b := range mine {
		k := key{b.Kind, b.id, b.Name}
		listed[k] = true
		if there[k] || b.id == "" && exists(b.Name) {
			p.Left = append(p.Left, b)
			continue
		}
		p.Removed++
	}
	for _, kind := range []string{docker.KindContainer, docker.KindNetwork, docker.KindImage} {
		c := Count{Kind: kind}
		for _, t := range before {
			if t.Kind != kind || listed[keyOf(t)] {
				continue
			}
			c.Before++
			if there[keyOf(t)] {
				c.After++
			}
		}
		p.Others = append(p.Others, c)
	}
	return p
}
