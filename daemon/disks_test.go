package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth/reconciler/disk"
)

func TestTheReserveGoesWhenTheDiskIsFullAndComesBackWithRoom(t *testing.T) {
	r := reserve{filepath.Join(t.TempDir(), "reserve")}
	const gib = 1 << 30
	ample := disk.Space{Free: 50 * gib, Total: 100 * gib}
	between := disk.Space{Free: 2 * gib, Total: 100 * gib}
	scarce := disk.Space{Free: gib, Total: 100 * gib}
	for i, c := range []struct {
		space disk.Space
		there bool
	}{{between, false}, {ample, true}, {ample, true}, {between, true}, {scarce, false}, {scarce, false}, {between, false}, {ample, true}} {
		if err := r.keep(c.space); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(r.path)
		if there := err == nil; there != c.there || there && info.Size() != reserved {
			t.Errorf("step %d: %v, want it there: %v", i, info, c.there)
		}
	}
}

func TestEachDiskIsMeasuredOnce(t *testing.T) {
	dir := t.TempDir()
	d := disks{paths: []string{dir, filepath.Dir(dir)}, pools: func() []string { return []string{dir} }, reserve: reserve{filepath.Join(dir, "reserve")}}
	list, err := d.measure()
	if err != nil || len(list) != 1 || list[0].Total == 0 || list[0].Path != dir {
		t.Errorf("%+v, %v", list, err)
	}
	d.paths = append(d.paths, "/proc")
	if list, err = d.measure(); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}
