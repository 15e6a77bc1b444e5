//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a small machine inside this one (testdata/machine.sh) with a Docker Engine and a Berth of
// its own, so that a test may stop the engine, cut the power and starve builds without hurting anybody.
// It has no network to the outside. Its disk is a directory of this machine.
type machine struct {
	t       *testing.T
	name    string
	dir     string
	outer   *exec.Cmd
	server  *server
	daemons map[string]chan error
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth-machine-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, name: filepath.Base(dir), dir: dir, daemons: map[string]chan error{}}
	if m.server, err = newServer(shared.bin, filepath.Join(dir, "berth")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.cutPower()
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", m.server.tail())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return m
}

// boot starts the machine and its engine.
func (m *machine) boot() {
	m.t.Helper()
	m.outer = exec.Command("testdata/machine.sh", m.name)
	m.outer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.outer.Stderr = os.Stderr
	out, err := m.outer.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.outer.Start(); err != nil {
		m.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		m.t.Fatalf("the machine says %q and ends: %v", line, err)
	}
	m.startEngine()
}

// cutPower ends everything on the machine at once. Its mounts go with it.
func (m *machine) cutPower() {
	m.t.Helper()
	if m.outer == nil {
		return
	}
	_ = m.outer.Process.Kill() // the rest is killed with it
	_ = m.outer.Wait()
	for _, ended := range m.daemons {
		<-ended
	}
	m.outer, m.daemons = nil, map[string]chan error{}
	// Groups can be removed once the last process has gone.
	eventually(m.t, 30*time.Second, m.removeGroups)
}

func (m *machine) removeGroups() error {
	roots, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", m.name))
	if err != nil {
		return err
	}
	var failures []error
	for _, root := range append(roots, filepath.Join("/sys/fs/cgroup", m.name)) {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			failures = append(failures, os.Remove(dirs[i]))
		}
	}
	return errors.Join(failures...)
}

// command runs a program on the machine.
func (m *machine) command(program string, args ...string) *exec.Cmd {
	const enter = `if [ -e /sys/fs/cgroup/cgroup.controllers ]; then groups=/sys/fs/cgroup/init; else groups='/sys/fs/cgroup/*'; fi
for group in $groups; do echo $$ >"$group/cgroup.procs"; done
exec "$@"`
	proc := "/proc/" + strconv.Itoa(m.outer.Process.Pid) + "/ns/"
	return exec.Command("nsenter", append([]string{"--mount=" + proc + "mnt", "--net=" + proc + "net", "--cgroup=" + proc + "cgroup",
		"--uts=" + proc + "uts", "--ipc=" + proc + "ipc", "--pid=" + proc + "pid_for_children",
		"--", "sh", "-c", enter, "sh", program}, args...)...)
}

func (m *machine) run(program string, args ...string) (string, error) {
	out, err := m.command(program, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// start runs a daemon until end or cutPower.
func (m *machine) start(name string, args ...string) {
	m.t.Helper()
	log, err := os.OpenFile(filepath.Join(m.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	cmd := m.command("sh", append([]string{"-c", `echo $$ >"/run/$0.number"; exec "$@"`, name}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	m.daemons[name] = ended
	go func() { ended <- cmd.Wait(); close(ended) }()
}

// end sends a daemon a signal and waits for its end.
func (m *machine) end(name, signal string) {
	m.t.Helper()
	if _, err := m.run("sh", "-c", `kill -s "$1" "$(cat "/run/$0.number")"`, name, signal); err != nil {
		m.t.Fatal(err)
	}
	select {
	case <-m.daemons[name]:
	case <-time.After(60 * time.Second):
		m.t.Fatalf("%s did not end within 60 s", name)
	}
	delete(m.daemons, name)
}

func (m *machine) startEngine() {
	m.t.Helper()
	m.start("dockerd", "dockerd", "--data-root", filepath.Join(m.dir, "docker"), "--host", "unix:///var/run/docker.sock")
	eventually(m.t, 60*time.Second, func() error {
		_, err := m.run("docker", "--host", "unix:///var/run/docker.sock", "version")
		return err
	})
}

func (m *machine) serve(flags ...string) {
	m.t.Helper()
	s := m.server
	m.start("berth", append([]string{s.berth(), "serve", "--data", s.data, "--domain", "berth.localhost", "--volumes", "xfs", "--docker", "unix:///var/run/docker.sock",
		"--http", "127.0.0.1:8080", "--https", "127.0.0.1:8443", "--ssh", "127.0.0.1:2222", "--agent", filepath.Join(s.bin, "berth-agent")}, flags...)...)
	eventually(m.t, 90*time.Second, func() error { return s.run("whoami") })
}

// fetch gets an application's page with curl, on the machine and verified by its CA.
func (m *machine) fetch(host, want string) error {
	ca, err := ask(m.server, "ca")
	if err != nil {
		return err
	}
	file := filepath.Join(m.dir, "ca.pem")
	if err := os.WriteFile(file, []byte(ca), 0o644); err != nil {
		return err
	}
	got, err := m.run("curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--cacert", file,
		"--resolve", host+":8443:127.0.0.1", "--", "https://"+host+":8443/")
	if err == nil && strings.TrimSpace(got) != want {
		err = fmt.Errorf("https://%s answers %q, not %q", host, got, want)
	}
	return err
}

// loadImages brings what the engine of this machine has of the images that deployments of testdata/app need.
func (m *machine) loadImages() {
	m.t.Helper()
	prepareImages(m.t)
	var names []string
	for _, name := range []string{"node:22-slim", "postgres:17", "berth/node:22", "berth/postgres:17", "berth/tools:1"} {
		// With its other names: Berth knows its own images by those of their recipes.
		out, err := exec.Command("docker", "image", "inspect", "--format", `{{range .RepoTags}}{{println .}}{{end}}`, name).Output()
		if err == nil {
			names = append(names, strings.Fields(string(out))...)
		}
	}
	save, load := exec.Command("docker", append([]string{"save"}, names...)...), m.command("docker", "--host", "unix:///var/run/docker.sock", "load")
	var err error
	if load.Stdin, err = save.StdoutPipe(); err != nil {
		m.t.Fatal(err)
	}
	if err := save.Start(); err != nil {
		m.t.Fatal(err)
	}
	out, err := load.CombinedOutput()
	if err := errors.Join(err, save.Wait()); err != nil {
		m.t.Fatalf("copy images: %v\n%s", err, out)
	}
}

// prepareImages has the shared server make the images that a first deployment makes, unless they are there.
func prepareImages(t *testing.T) {
	t.Helper()
	if exec.Command("docker", "image", "inspect", "berth/tools:1").Run() == nil && (exec.Command("docker", "image", "inspect", "berth/postgres:17").Run() == nil ||
		exec.Command("docker", "image", "inspect", "postgres:17").Run() == nil) {
		return
	}
	for _, verb := range [][]string{
		{"project", "create", "images", "--dir", "testdata/app"},
		{"create", "images", "--name", "prod", "--stage", "production", "--wait", "--timeout", "10m"},
		{"create", "images", "--name", "dev", "--stage", "development", "--wait", "--timeout", "10m"},
		{"delete", "prod-images", "--yes", "--wait"},
		{"delete", "dev-images", "--yes", "--wait"},
		{"project", "rm", "images"},
	} {
		if err := shared.run(verb...); err != nil {
			t.Fatal(err)
		}
	}
}
