package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// kinds are the stores that this machine can have. Those that it cannot have are named.
func kinds(t *testing.T) []berth.StorageKind {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root makes stores: run the tests as root")
	}
	return []berth.StorageKind{berth.StorageDirectories, berth.StorageBtrfs, berth.StorageXFS}
}

// needs skips where a kind of store cannot be had; scripts/test-tools.sh sees to it that it can.
func needs(t *testing.T, kind berth.StorageKind) {
	t.Helper()
	if kind == berth.StorageDirectories {
		return
	}
	if _, err := makers[kind].find(); err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("this machine has no loop devices: ", err)
	}
}

func openStore(t testing.TB, data string, kind berth.StorageKind) *Volumes {
	t.Helper()
	s, err := Open(t.Context(), Config{Data: data, Dir: filepath.Join(data, "volumes"), Wish: kind, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newStore(t *testing.T, kind berth.StorageKind) (s *Volumes, data string) {
	t.Helper()
	needs(t, kind)
	data = t.TempDir()
	t.Cleanup(func() { loseMounts(t, data) })
	return openStore(t, data, kind), data
}

// mounts are the places below a directory where something is mounted, the deepest first.
func mounts(t testing.TB, below string) (all []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(table)) {
		if at := unescape(strings.Fields(line)[4]); strings.HasPrefix(at, below+"/") {
			all = append(all, at)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}

// loseMounts does what a reboot does, and what scripts/clean.sh does.
func loseMounts(t testing.TB, data string) {
	t.Helper()
	for _, at := range mounts(t, data) {
		must(t, unix.Unmount(at, unix.UMOUNT_NOFOLLOW))
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestStores holds what every kind of store promises.
func TestStores(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(string(kind), func(t *testing.T) {
			for _, promise := range []struct {
				name  string
				check func(*testing.T, *Volumes, string)
			}{
				{"data survives a killed server and a reboot, and nothing is mounted twice", survives},
				{"a limit is enforced, or what goes beyond it is seen", isLimited},
				{"removal leaves nothing", leavesNothing},
				{"a server without its pool does not start", needsItsPool},
			} {
				t.Run(promise.name, func(t *testing.T) {
					s, data := newStore(t, kind)
					promise.check(t, s, data)
				})
			}
		})
	}
}

func survives(t *testing.T, s *Volumes, data string) {
	kind := s.chosen.Kind
	path := ensure(t, s, named("db", "data"))
	if want := filepath.Join(data, "volumes", string(deployment), "db", "data"); path != want {
		t.Errorf("it is at %s, want %s", path, want)
	}
	write(t, path+"/row", "kept")
	before := len(mounts(t, data))
	s = openStore(t, data, "") // the server was killed: all is still mounted
	if after := len(mounts(t, data)); after != before {
		t.Errorf("%d mounts, before %d", after, before)
	}
	if read(t, path+"/row") != "kept" || s.chosen.Kind != kind {
		t.Errorf("after a kill: a store of %s", s.chosen.Kind)
	}
	must(t, syncAll(path))
	loseMounts(t, data)
	if hidden := exists(path + "/row"); hidden != (kind == berth.StorageDirectories) {
		t.Errorf("without its mounts the data is there: %v", hidden)
	}
	s = openStore(t, data, "")
	if read(t, path+"/row") != "kept" {
		t.Error("lost after a reboot")
	}
	if usage, err := s.Measure(t.Context(), deployment); err != nil || usage["db/data"] == 0 {
		t.Error(usage, err)
	}
	if _, created, err := s.Ensure(t.Context(), named("db", "data")); err != nil || created {
		t.Error("made anew", err)
	}
}

func syncAll(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

const limit = 24 << 20

// fill writes twice the limit.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 128<<10)
	for range 2 * limit / len(chunk) {
		if _, err = file.Write(chunk); err != nil {
			break
		}
	}
	return errors.Join(err, file.Sync(), file.Close())
}

func isLimited(t *testing.T, s *Volumes, _ string) {
	path := ensure(t, s, named("db", "data"))
	must(t, s.Limit(t.Context(), deployment, limit))
	err := fill(path + "/big")
	if !s.Enforces() {
		must(t, err)
		usage, err := s.Measure(t.Context(), deployment)
		if err != nil || usage["db/data"] < limit {
			t.Errorf("measured %v, %v", usage, err)
		}
		return
	}
	refused := func(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }
	if !refused(err) {
		t.Errorf("beyond the limit: %v", err)
	}
	other := ensure(t, s, berth.Volume{Deployment: "another0000", Element: "db", Identifier: "data", UID: -1, GID: -1})
	if err := fill(other + "/big"); err != nil {
		t.Errorf("another deployment is limited too: %v", err)
	}
	must(t, s.Limit(t.Context(), deployment, 4*limit))
	if err := fill(path + "/big"); err != nil {
		t.Errorf("within a raised limit: %v", err)
	}
	must(t, s.Limit(t.Context(), deployment, limit))
	if err := os.Remove(path + "/big"); err != nil {
		t.Errorf("what is beyond its limit cannot tidy up: %v", err)
	}
	within(t, path, func(dir *os.File) error { return createSubvolume(dir, "inner") })
	if err := fill(path + "/inner/big"); simpleQuotas(t) && !refused(err) {
		t.Errorf("a container leaves its limit by a subvolume of its own: %v", err)
	}
}

// simpleQuotas reports whether the kernel has them: from 6.7 on.
func simpleQuotas(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	must(t, unix.Uname(&name))
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	must(t, err)
	return major > 6 || major == 6 && minor >= 7
}

func within(t testing.TB, path string, do func(dir *os.File) error) {
	t.Helper()
	dir, err := os.Open(path)
	must(t, err)
	must(t, errors.Join(do(dir), dir.Close()))
}

func leavesNothing(t *testing.T, s *Volumes, data string) {
	grow(t, s)
	path := ensure(t, s, named("db", "data"))
	if s.chosen.Kind == berth.StorageBtrfs {
		must(t, os.MkdirAll(path+"/a/b", 0o755))
		within(t, path+"/a/b", func(dir *os.File) error { return createSubvolume(dir, "inner") })
		write(t, path+"/a/b/inner/x/y/file", "x")
		within(t, path+"/a/b/inner/x", func(dir *os.File) error { return createSubvolume(dir, "innermost") })
		write(t, path+"/a/b/inner/x/innermost/z/file", "x")
	}
	must(t, s.Reset(t.Context(), named("db", "data")))
	if exists(path) || !exists(s.Path(named("", "code"))) {
		t.Error("reset took too little or too much")
	}
	write(t, ensure(t, s, named("db", "data"))+"/file", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.RemoveAll(ctx, deployment) // cut short
	must(t, s.RemoveAll(t.Context(), deployment))
	for _, dir := range append(s.Pools(), s.dir) {
		entries, err := os.ReadDir(dir)
		must(t, err)
		if left := trashedIn(t, dir); len(entries) > 1 || len(left) > 0 {
			t.Errorf("left in %s: %v, in its trash: %v", dir, entries, left)
		}
	}
	if m := mounts(t, filepath.Join(data, "volumes")); len(m) > 0 {
		t.Errorf("left mounted: %v", m)
	}
}

func trashedIn(t testing.TB, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, trash))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return entries
}

func needsItsPool(t *testing.T, s *Volumes, data string) {
	if s.chosen.Kind == berth.StorageDirectories {
		return // directories need none
	}
	loseMounts(t, data)
	p := s.pool(s.chosen.Kind)
	must(t, os.Rename(p.file, p.file+".away"))
	if _, err := Open(t.Context(), Config{Data: data, Dir: s.dir, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("it started with nothing")
	}
	must(t, os.Rename(p.file+".away", p.file))
	openStore(t, data, "")
}

// plant writes what a copy has to keep.
func plant(t *testing.T, s *Volumes) string {
	t.Helper()
	path := grownPath(t, s)
	must(t, os.Link(path+"/many/1", path+"/again"))
	must(t, os.Chown(path+"/many/2", 1000, 70))
	must(t, os.Chmod(path+"/many/2", 0o4751))
	must(t, unix.Setxattr(path+"/many/3", "user.note", []byte("carried"), 0))
	sparse, err := os.Create(path + "/sparse")
	must(t, err)
	_, err = sparse.WriteAt([]byte("end"), 64<<20)
	must(t, errors.Join(err, sparse.Close()))
	must(t, os.Chtimes(path+"/many/4", time.Unix(1, 0), time.Unix(2, 0)))
	return path
}

func grownPath(t *testing.T, s *Volumes) string {
	t.Helper()
	grow(t, s)
	return s.Path(named("db", "data"))
}

func sum(t testing.TB, path string) (out [32]byte) {
	t.Helper()
	within(t, path, func(dir *os.File) (err error) {
		out, err = digest(t.Context(), dir)
		return err
	})
	return out
}

// TestMovingAroundKeepsEverything moves a tree through all kinds of stores, and back.
func TestMovingAroundKeepsEverything(t *testing.T) {
	all := kinds(t)
	for _, kind := range all {
		needs(t, kind)
	}
	s, data := newStore(t, berth.StorageDirectories)
	path := plant(t, s)
	before := sum(t, filepath.Join(s.dir, string(deployment)))
	for _, to := range []berth.StorageKind{berth.StorageBtrfs, berth.StorageXFS, berth.StorageDirectories} {
		migrate(t, s, to)
		_, err := s.Migrate(t.Context(), to)
		wantCode(t, err, berth.EConflict)
		if left, err := s.Left(); err != nil || !slices.Equal(left, []berth.ID{deployment}) {
			t.Fatalf("left for %s: %v, %v", to, left, err)
		}
		must(t, s.Move(t.Context(), deployment))
		if after := sum(t, filepath.Join(s.dir, string(deployment))); after != before {
			out, _ := exec.Command("ls", "-lAnR", path).CombinedOutput()
			t.Fatalf("in %s it is another:\n%.2000s", to, out)
		}
		if kind, _, exists, err := s.home(deployment); kind != to || !exists || err != nil {
			t.Errorf("it is in %s (%v, %v)", kind, exists, err)
		}
		if left, err := s.Left(); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
		must(t, s.Retire(t.Context()))
		s = openStore(t, data, "")
	}
	note := make([]byte, 16)
	if n, err := unix.Getxattr(path+"/many/3", "user.note", note); err != nil || string(note[:n]) != "carried" {
		t.Errorf("attribute: %q, %v", note[:max(n, 0)], err)
	}
	var stat unix.Stat_t
	if must(t, unix.Stat(path+"/sparse", &stat)); stat.Blocks*512 > 1<<20 {
		t.Errorf("the holes were filled: %d bytes on disk", stat.Blocks*512)
	}
	if must(t, unix.Stat(path+"/again", &stat)); stat.Nlink != 2 {
		t.Errorf("%d names", stat.Nlink)
	}
	if m, pools := mounts(t, data), files(t, data, "volumes.*"); len(m) > 0 || len(pools) > 0 {
		t.Errorf("left: mounted %v, files %v", m, pools)
	}
}

// migrate is Migrate without measuring.
func migrate(t *testing.T, s *Volumes, to berth.StorageKind) {
	t.Helper()
	must(t, s.use(t.Context(), chosen{Kind: to}))
}

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	return names
}

// TestAMoveCutShortLeavesTheOldOrTheNew stops a move at each of its steps.
func TestAMoveCutShortLeavesTheOldOrTheNew(t *testing.T) {
	kinds(t)
	for _, c := range []struct {
		name     string
		from, to berth.StorageKind
		whole    bool // the copy was known to be right
	}{
		{"while it copies to a pool", berth.StorageDirectories, berth.StorageBtrfs, false},
		{"after it copied to a pool", berth.StorageDirectories, berth.StorageBtrfs, true},
		{"while it copies from a pool", berth.StorageBtrfs, berth.StorageDirectories, false},
		{"after it copied from a pool", berth.StorageBtrfs, berth.StorageDirectories, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			needs(t, berth.StorageBtrfs)
			s, data := newStore(t, c.from)
			write(t, ensure(t, s, named("db", "data"))+"/row", "old")
			migrate(t, s, c.to)
			draft := filepath.Join(s.homeOf(c.to), moving+string(deployment))
			must(t, makeTree(c.to, s.homeOf(c.to), moving+string(deployment)))
			want := "old"
			write(t, draft+"/db/data/row", "half")
			if c.whole {
				write(t, draft+"/db/data/row", "new")
				must(t, os.Rename(draft, filepath.Join(s.homeOf(c.to), moved+string(deployment))))
				want = "new"
			}
			loseMounts(t, data)
			s = openStore(t, data, "")
			if got := read(t, s.Path(named("db", "data"))+"/row"); got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
			must(t, s.Move(t.Context(), deployment))
			if got := read(t, s.Path(named("db", "data"))+"/row"); got != want {
				t.Errorf("after moving it is %q, want %q", got, want)
			}
			must(t, errors.Join(s.Retire(t.Context()), s.Sweep(t.Context())))
		})
	}
}

// TestACopyThatDoesNotGetItsPlaceIsGivenUp: the old tree is used on, and what is written to it then is not lost at
// the next start.
func TestACopyThatDoesNotGetItsPlaceIsGivenUp(t *testing.T) {
	kinds(t)
	for _, c := range []struct{ from, to berth.StorageKind }{
		{berth.StorageDirectories, berth.StorageBtrfs}, {berth.StorageBtrfs, berth.StorageDirectories},
	} {
		t.Run(string(c.from), func(t *testing.T) {
			needs(t, berth.StorageBtrfs)
			s, data := newStore(t, c.from)
			write(t, ensure(t, s, named("db", "data"))+"/row", "old")
			migrate(t, s, c.to)
			obstacle := filepath.Join(s.homeOf(c.from), trash)
			must(t, os.WriteFile(obstacle, nil, 0o600))
			if s.Move(t.Context(), deployment) == nil {
				t.Fatal("it moved without a trash")
			}
			write(t, s.Path(named("db", "data"))+"/row", "newer")
			must(t, os.Remove(obstacle))
			loseMounts(t, data)
			s = openStore(t, data, "")
			if got := read(t, s.Path(named("db", "data"))+"/row"); got != "newer" {
				t.Errorf("it is %q", got)
			}
			must(t, s.Move(t.Context(), deployment))
			if got := read(t, s.Path(named("db", "data"))+"/row"); got != "newer" {
				t.Errorf("after moving it is %q", got)
			}
		})
	}
}

// TestNothingBeginsAnewWhereACopyIsWhole: of a move whose old tree is gone the copy is taken, not an empty tree.
func TestNothingBeginsAnewWhereACopyIsWhole(t *testing.T) {
	kinds(t)
	s, _ := newStore(t, berth.StorageBtrfs)
	home := s.homeOf(berth.StorageBtrfs)
	must(t, makeTree(berth.StorageBtrfs, home, moved+string(deployment)))
	write(t, filepath.Join(home, moved+string(deployment), "db/data/row"), "kept")
	if got := read(t, ensureAgain(t, s, named("db", "data"))+"/row"); got != "kept" {
		t.Errorf("it is %q", got)
	}
}

func ensureAgain(t *testing.T, s *Volumes, v berth.Volume) string {
	t.Helper()
	path, created, err := s.Ensure(t.Context(), v)
	if err != nil || created {
		t.Fatalf("made anew: %v, %v", created, err)
	}
	return path
}

// TestAPoolThatHoldsSomethingIsNotRetired, also where it is not mounted and so looks empty.
func TestAPoolThatHoldsSomethingIsNotRetired(t *testing.T) {
	kinds(t)
	s, data := newStore(t, berth.StorageBtrfs)
	home := s.homeOf(berth.StorageBtrfs)
	must(t, makeTree(berth.StorageBtrfs, home, moved+string(deployment)))
	migrate(t, s, berth.StorageDirectories)
	must(t, s.Retire(t.Context()))
	must(t, s.pool(berth.StorageBtrfs).unmount())
	must(t, s.Retire(t.Context()))
	if len(files(t, data, "volumes.btrfs")) != 1 || len(s.Pools()) != 1 {
		t.Error("the pool is gone")
	}
}

func TestACopyThatIsNotTheSameIsSeen(t *testing.T) {
	s := volumes(t)
	path := ensure(t, s, named("db", "data"))
	write(t, path+"/a/file", "content")
	before := sum(t, path)
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"content", func() error { return os.WriteFile(path+"/a/file", []byte("kontent"), 0o644) }},
		{"mode", func() error { return os.Chmod(path+"/a", 0o700) }},
		{"name", func() error { return os.Rename(path+"/a", path+"/b") }},
		{"number", func() error { return os.Symlink("x", path+"/link") }},
	} {
		must(t, c.change())
		after := sum(t, path)
		if after == before {
			t.Errorf("another %s is not seen", c.name)
		}
		before = after
	}
}

// TestWhatIsMadeToHurtIsNotCopied: holes larger than the disk cost nothing, depth without end is refused.
func TestWhatIsMadeToHurtIsNotCopied(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, from+"/log", "begins")
	must(t, os.Truncate(from+"/log", 8<<40))
	must(t, copyVerified(t.Context(), from, to))
	if info, err := os.Stat(to + "/log"); err != nil || info.Size() != 8<<40 {
		t.Errorf("%v, %v", info, err)
	}
	write(t, to+"/log", "begin!")
	must(t, os.Truncate(to+"/log", 8<<40))
	if sum(t, from) == sum(t, to) {
		t.Error("another content is not seen")
	}
	deep, further := t.TempDir(), strings.TrimSuffix(strings.Repeat("a/", 400), "/")
	root, err := os.OpenRoot(deep)
	must(t, err)
	for range 3 {
		must(t, root.MkdirAll(further, 0o700))
		below, err := root.OpenRoot(further)
		must(t, errors.Join(err, root.Close()))
		root = below
	}
	must(t, root.Close())
	within(t, deep, func(source *os.File) error {
		within(t, t.TempDir(), func(target *os.File) error {
			wantCode(t, copyTree(t.Context(), source, target, false), berth.EUnsupported)
			return nil
		})
		return nil
	})
}

func TestChoose(t *testing.T) {
	host := measured{Kind: berth.StorageDirectories, Writes: 1000}
	at := func(kind berth.StorageKind, writes float64) measured { return measured{Kind: kind, Writes: writes} }
	for _, c := range []struct {
		name  string
		pools []measured
		want  berth.StorageKind
	}{
		{"nothing else can be had", nil, berth.StorageDirectories},
		{"the faster one", []measured{at(berth.StorageXFS, 700), at(berth.StorageBtrfs, 400)}, berth.StorageXFS},
		{"limits are worth a little", []measured{at(berth.StorageXFS, 700), at(berth.StorageBtrfs, 650)}, berth.StorageBtrfs},
		{"only one", []measured{at(berth.StorageBtrfs, 400)}, berth.StorageBtrfs},
		{"too dear", []measured{at(berth.StorageBtrfs, 100)}, berth.StorageDirectories},
		{"one is too dear", []measured{at(berth.StorageBtrfs, 100), at(berth.StorageXFS, 300)}, berth.StorageXFS},
		{"a pool that is faster", []measured{at(berth.StorageXFS, 1300)}, berth.StorageXFS},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := choose(host, c.pools, errors.New("mkfs.xfs is not installed"))
			if got.Kind != c.want || got.Why == "" {
				t.Errorf("chose %s: %s", got.Kind, got.Why)
			}
			if len(c.pools) == 0 && !strings.Contains(got.Why, "mkfs.xfs is not installed") {
				t.Errorf("does not say what is missing: %s", got.Why)
			}
		})
	}
}

// TestTheStoreIsChosenByMeasuring is bounded, honest enough to have numbers, and leaves nothing.
func TestTheStoreIsChosenByMeasuring(t *testing.T) {
	for _, kind := range kinds(t) {
		needs(t, kind)
	}
	dir := filepath.Join(t.TempDir(), "trial")
	began := time.Now()
	host, pools, obstacle, err := try(t.Context(), dir)
	if err != nil || obstacle != nil || len(pools) != 2 || host.Writes == 0 || host.Clone == 0 {
		t.Fatalf("%+v, %+v, %v, %v", host, pools, obstacle, err)
	}
	for _, p := range pools {
		if p.Writes == 0 || p.Clone == 0 {
			t.Errorf("%+v", p)
		}
	}
	if took := time.Since(began); took > trialLimit {
		t.Errorf("it took %s", took)
	}
	if exists(dir) || len(mounts(t, filepath.Dir(dir))) > 0 {
		t.Error("something is left")
	}
}

func TestWhatWasThereBeforeStaysInDirectories(t *testing.T) {
	data := t.TempDir()
	write(t, filepath.Join(data, "volumes", string(deployment), "db", "data", "row"), "old")
	s := openStore(t, data, "")
	out, err := s.Storage()
	if err != nil || out.Kind != berth.StorageDirectories || out.TotalBytes == 0 || !strings.Contains(out.Why, "migrate") {
		t.Errorf("%+v, %v", out, err)
	}
	if read(t, s.Path(named("db", "data"))+"/row") != "old" {
		t.Error("lost")
	}
}

func TestMigrateMeasuresAndMakesWhatItNeeds(t *testing.T) {
	for _, kind := range kinds(t) {
		needs(t, kind)
	}
	s, data := newStore(t, berth.StorageDirectories)
	if kind, err := s.Migrate(t.Context(), berth.StorageBtrfs); err != nil || kind != berth.StorageBtrfs {
		t.Fatal(kind, err)
	}
	out, err := openStore(t, data, "").Storage()
	if err != nil || out.Kind != berth.StorageBtrfs || !out.HardLimits || out.WritePrice <= 0 || out.CloneSeconds <= 0 || out.TotalBytes == 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
