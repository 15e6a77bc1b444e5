package buildkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// unified lays out control groups v2 as plain files, as far as they can be.
func unified(t *testing.T) string {
	root := t.TempDir()
	write(t, filepath.Join(root, "cgroup.controllers"), "cpu memory pids")
	for _, dir := range []string{"", "docker"} {
		write(t, filepath.Join(root, dir, "cgroup.subtree_control"), "")
	}
	write(t, filepath.Join(root, "docker/buildkit/memory.max"), "max")
	write(t, filepath.Join(root, "docker/buildkit/memory.events"), "low 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n")
	return root
}

func TestCeilingOnControlGroupsV2(t *testing.T) {
	root := unified(t)
	group, err := (&ceiling{root: root, bytes: 512 << 20}).hold()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(root, "docker/buildkit/memory.max")); got != "536870912" {
		t.Errorf("memory.max is %s", got)
	}
	for _, dir := range []string{"", "docker"} {
		if got := read(t, filepath.Join(root, dir, "cgroup.subtree_control")); got != "+memory" {
			t.Errorf("%s hands down %q, want memory", filepath.Join("/", dir), got)
		}
	}
	p, err := group.watch()
	if err != nil {
		t.Fatal(err)
	}
	if p.ranOut() {
		t.Error("a kill of before the watch counts")
	}
	write(t, filepath.Join(root, "docker/buildkit/memory.events"), "oom_kill 2\n")
	if !p.ranOut() {
		t.Error("a kill went unnoticed")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestCeilingOnControlGroupsV1(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "memory/docker/buildkit/memory.limit_in_bytes"), "9223372036854771712")
	if _, err := (&ceiling{root: root, bytes: 1 << 30}).hold(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(root, "memory/docker/buildkit/memory.limit_in_bytes")); got != "1073741824" {
		t.Errorf("limit is %s", got)
	}
}

func TestUnknownPressureIsNone(t *testing.T) {
	var p *pressure
	if p.ranOut() || p.Close() != nil {
		t.Error("without a watch there is nothing to know")
	}
}

func TestHalfOfMemory(t *testing.T) {
	if got, err := halfOfMemory(); err != nil || got < 64<<20 {
		t.Errorf("half of memory is %d, %v", got, err)
	}
}
