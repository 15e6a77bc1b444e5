package docker

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
)

func TestCgroupFiles(t *testing.T) {
	limits := berth.Limits{MilliCPU: 1500, MemoryBytes: 1 << 30, Processes: 100}
	for _, test := range []struct {
		name   string
		c      cgroups
		parent string
		limits berth.Limits
		want   map[string]string
	}{
		{"version 1", cgroups{}, "/berth/abcdefghij", limits, map[string]string{
			"memory/berth/abcdefghij/memory.limit_in_bytes": "1073741824", "memory/berth/abcdefghij/memory.memsw.limit_in_bytes": "1073741824",
			"cpu/berth/abcdefghij/cpu.cfs_quota_us": "150000", "pids/berth/abcdefghij/pids.max": "100",
		}},
		{"version 1 without limits", cgroups{}, "/berth/abcdefghij", berth.Limits{}, map[string]string{
			"memory/berth/abcdefghij/memory.limit_in_bytes": "-1", "cpu/berth/abcdefghij/cpu.cfs_quota_us": "-1", "pids/berth/abcdefghij/pids.max": "max",
		}},
		{"version 2", cgroups{unified: true}, "/berth/abcdefghij", limits, map[string]string{
			"berth/abcdefghij/memory.max": "1073741824", "berth/abcdefghij/memory.swap.max": "0", "berth/abcdefghij/cpu.max": "150000 100000", "berth/abcdefghij/pids.max": "100",
			"berth/cgroup.subtree_control": "+memory +cpu +pids",
		}},
		{"version 2 without limits", cgroups{unified: true}, "/berth/abcdefghij", berth.Limits{}, map[string]string{
			"berth/abcdefghij/memory.max": "max", "berth/abcdefghij/cpu.max": "max 100000",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.c
			c.root, c.limits = t.TempDir(), &sync.Map{}
			if got := c.parent("abcdefghij"); got != test.parent {
				t.Errorf("parent = %s", got)
			}
			if err := c.ensure(t.Context(), "abcdefghij", test.limits); err != nil {
				t.Fatal(err)
			}
			for file, want := range test.want {
				got, err := os.ReadFile(filepath.Join(c.root, file))
				if err != nil || string(got) != want {
					t.Errorf("%s = %q, %v, want %q", file, got, err, want)
				}
			}
		})
	}
	if got := (cgroups{systemd: true}).parent("abcdefghij"); got != "berth-abcdefghij.slice" {
		t.Errorf("systemd's parent = %s", got)
	}
}
