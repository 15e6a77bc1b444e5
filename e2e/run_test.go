//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMakeRun does what README's first command does, on a data directory and ports of its own: the
// first run ends with the example answering twice, the second changes nothing, clean leaves nothing.
func TestMakeRun(t *testing.T) {
	s, err := newServer(shared.bin, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	script := func(name string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(root, "scripts", name+".sh"))
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "BERTH_DATA="+s.data, "BERTH_SOCKET="+s.socket(), "BERTH_KEEP_IMAGES=1",
			"BERTH_SERVE_FLAGS=--domain berth.localhost --http 127.0.0.1:"+strconv.Itoa(s.http)+" --https 127.0.0.1:"+strconv.Itoa(s.https))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", name, err, out, s.tail())
		}
		return string(out)
	}
	t.Cleanup(func() { script("clean") })

	first := script("run")
	for _, element := range []string{"web-development-guestbook", "api-development-guestbook", "web-production-guestbook", "api-production-guestbook"} {
		if !strings.Contains(first, "https://"+element+".") {
			t.Errorf("the table does not show the host %s:\n%s", element, first)
		}
	}
	lines := strings.Split(strings.TrimSpace(first), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "https://console.berth.localhost:"+strconv.Itoa(s.https)+"/login#") {
		t.Errorf("nobody has logged in, and the last line is no login link: %q", last)
	}
	releases := func() string {
		return s.output(t, "releases", "production-guestbook", "--json") + s.output(t, "releases", "development-guestbook", "--json")
	}
	before := releases()
	second := script("run")
	hosts := regexp.MustCompile(`(?m)^ +(development|production) +https://\S+$`)
	if table := hosts.FindAllString(first, -1); len(table) != 4 || !slices.Equal(table, hosts.FindAllString(second, -1)) {
		t.Errorf("the second run prints another table than %q:\n%s", table, second)
	}
	if releases() != before {
		t.Error("the second run made releases")
	}

	var deployments []struct{ ID string }
	if err := unmarshal([]byte(s.output(t, "ls", "--json")), &deployments); err != nil || len(deployments) != 2 {
		t.Fatalf("%d deployments (%v)", len(deployments), err)
	}
	script("stop")
	if s.run("whoami") == nil {
		t.Error("the server answers after stop")
	}
	for _, d := range deployments {
		if n, err := owned(d.ID); err != nil || n < 2 {
			t.Errorf("of %s only %d containers and networks are left after stop (%v)", d.ID, n, err)
		}
	}
	// Another server that runs from the same checkout keeps its binaries.
	other := exec.Command(filepath.Join(root, "bin", "berth"), "serve", "--data", t.TempDir(), "--volumes", "directories",
		"--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ssh", "127.0.0.1:0")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	script("clean")
	if _, err := os.Stat(other.Path); err != nil {
		t.Errorf("clean removed the binary of a running server (%v)", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait() // killed
	for _, d := range deployments {
		if n, err := owned(d.ID); err != nil || n != 0 {
			t.Errorf("clean left %d containers and networks of %s (%v)", n, d.ID, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.data, "berth.db")); !os.IsNotExist(err) {
		t.Errorf("clean left the database (%v)", err)
	}
	if mounts, err := mountsBelow(s.data); err != nil || len(mounts) > 0 {
		t.Errorf("clean left mounted: %v (%v)", mounts, err)
	}
}

// output runs a verb of the CLI against the server and returns what it printed.
func (s *server) output(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.berth(), args...)
	cmd.Env = append(os.Environ(), "BERTH_SOCKET="+s.socket())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("berth %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
