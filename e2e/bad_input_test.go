//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestListenerTaken: a server whose address or data directory somebody else has says so and ends.
func TestListenerTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for name, c := range map[string]struct {
		data, http, https, ssh, want string
	}{
		"http":  {t.TempDir(), taken, "127.0.0.1:0", "127.0.0.1:0", taken + " is taken by another program; stop it, or choose another address with --http"},
		"https": {t.TempDir(), "127.0.0.1:0", taken, "127.0.0.1:0", taken + " is taken by another program; stop it, or choose another address with --https"},
		"ssh":   {t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", taken, taken + " is taken by another program; stop it, or choose another address with --ssh"},
		"data":  {shared.data, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "another berth serve uses " + shared.data},
	} {
		said, err := serveBriefly(c.data, "--http", c.http, "--https", c.https, "--ssh", c.ssh)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s taken: %v, %q", name, err, said)
		}
	}
	if err := shared.run("whoami"); err != nil {
		t.Errorf("the server that was there first: %v", err)
	}
}

// serveBriefly runs a server that is expected to end by itself.
func serveBriefly(data string, flags ...string) (said string, err error) {
	cmd := exec.Command(shared.berth(), append([]string{"serve", "--data", data, "--agent", filepath.Join(shared.bin, "berth-agent")}, flags...)...)
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestFullDisk: on a full disk the server says so, changes nothing and goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	prepareImages(t)
	disk := newDisk(t, 300<<20)
	fill := disk.fill(t)
	data := filepath.Join(disk.dir, "data")
	full := "the disk that holds "
	if said, err := serveBriefly(data, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ssh", "127.0.0.1:0"); err == nil || !strings.Contains(said, full) {
		t.Errorf("a first start on a full disk: %v, %q", err, said)
	}
	empty(t, fill)

	s, err := newServer(shared.bin, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		empty(t, fill)
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", s.tail())
		}
		if err := errors.Join(s.ensure(), s.deleteEverything(), s.stop(syscall.SIGTERM)); err != nil {
			t.Error(err)
		}
	})
	must(t, s, "project", "create", "app", "--dir", "testdata/app")
	must(t, s, "create", "app", "--name", "prod", "--stage", "production", "--wait", "--timeout", "5m")
	if err := addRow(s, "prod-app"); err != nil {
		t.Fatal(err)
	}

	disk.fill(t)
	reserve := filepath.Join(data, "reserve")
	eventually(t, 20*time.Second, func() error {
		if _, err := os.Stat(reserve); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the reserve is still there: %v", err)
		}
		return nil
	})
	disk.spare(t, fill, 6<<20)               // as much as the reserve held
	must(t, s, "rename", "prod-app", "kept") // the database has its reserve …
	disk.fill(t)                             // … and then nothing is left
	for _, verb := range [][]string{
		{"create", "app", "--name", "two", "--stage", "production"},
		{"project", "create", "three", "--dir", "testdata/app"},
		{"env", "set", "prod-app", "web", "A=b"},
		{"restart", "prod-app"},
	} {
		if _, err := ask(s, verb...); err == nil || !strings.Contains(err.Error(), full) {
			t.Errorf("berth %s on a full disk: %v", strings.Join(verb, " "), err)
		}
	}
	only := func() {
		t.Helper()
		out := must(t, s, "ls", "--json")
		if strings.Count(out, `"slug"`) != 1 || strings.Contains(must(t, s, "project", "ls"), "three") {
			t.Errorf("something was half made: %s", out)
		}
		if dirs, err := os.ReadDir(filepath.Join(data, "git")); err != nil || countSuffix(dirs, ".git") != 1 {
			t.Errorf("repositories: %v, %v", dirs, err)
		}
	}
	only()
	if err := isRunning(s, "prod-app"); err != nil {
		t.Errorf("what ran before the disk was full: %v", err)
	}

	// Killed and started while it is full, it serves or says why not.
	if err := s.stop(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil && !strings.Contains(err.Error(), full) {
		t.Errorf("a start on a full disk: %v", err)
	}
	empty(t, fill)
	if err := errors.Join(s.stop(syscall.SIGKILL), s.start()); err != nil {
		t.Fatal(err)
	}
	only()
	eventually(t, time.Minute, func() error { return errors.Join(isRunning(s, "prod-app"), keepsRow(s, "prod-app")) })
	must(t, s, "create", "app", "--name", "two", "--stage", "production", "--wait", "--timeout", "3m")
}

func countSuffix(entries []os.DirEntry, suffix string) (n int) {
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			n++
		}
	}
	return n
}

// disk is a small file system of its own.
type disk struct{ dir string }

func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth-disk-")
	if err != nil {
		t.Fatal(err)
	}
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	for _, cmd := range [][]string{
		{"mkdir", mount},
		{"truncate", "--size", strconv.FormatInt(size, 10), image},
		{"/sbin/mkfs.ext4", "-q", "-m", "0", image},
		{"mount", "-o", "loop", image, mount},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(cmd, " "), err, out)
		}
	}
	t.Cleanup(func() {
		eventually(t, 20*time.Second, func() error {
			out, err := exec.Command("umount", mount).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("umount: %w: %s", err, out)
			}
			return err
		})
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &disk{dir: mount}
}

// fill writes until nothing fits any more, and returns the file that did it.
func (d *disk) fill(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(d.dir, "filling")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = f.Sync()
	}
	return file
}

// spare sees that there is some room: what the server gave up while the disk was still being filled has been
// filled as well.
func (d *disk) spare(t *testing.T, filling string, room int64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &fs); err != nil {
		t.Fatal(err)
	}
	left := int64(fs.Bavail) * fs.Bsize
	if left >= room {
		return
	}
	info, err := os.Stat(filling)
	if err == nil {
		err = os.Truncate(filling, info.Size()-(room-left))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func empty(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// greedyBuild starts a build that takes three times what builds may have, while a deployment answers.
func greedyBuild(t *testing.T, m *machine) {
	source := t.TempDir()
	for name, content := range map[string]string{
		"diploi.yaml": "diploiVersion: v1.0\ncomponents:\n  - {name: Web, identifier: web, package: dockerfile}\n",
		"web/Dockerfile": "FROM node:22-slim\n" +
			"RUN node -e 'const all = []; for (let i = 0; i < 768; i++) all.push(Buffer.alloc(1 << 20, 1)); console.log(all.length)'\n" +
			"EXPOSE 3000\nCMD [\"node\"]\n",
	} {
		file := filepath.Join(source, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, m.server, "project", "create", "greedy", "--dir", source)
	done := make(chan error, 1)
	go func() {
		_, err := ask(m.server, "create", "greedy", "--name", "prod", "--stage", "production", "--wait", "--timeout", "3m")
		done <- err
	}()
	var err error
	for building := true; building; {
		if err := m.fetch("web-prod-app.berth.localhost", "edition one"); err != nil {
			t.Errorf("while a greedy build runs: %v", err)
		}
		select {
		case err = <-done:
			building = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err == nil || !strings.Contains(err.Error(), "web/Dockerfile:2: RUN node") || !strings.Contains(err.Error(), "ran out of memory: all builds together may use 256 MiB") {
		t.Errorf("a build of three times the ceiling: %v", err)
	}
	must(t, m.server, "delete", "prod-greedy", "--yes", "--wait")
	must(t, m.server, "project", "rm", "greedy")
}
