//go:build e2e

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// release makes a release for this platform as make dist does: release DIR VERSION.
func release(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: release DIR VERSION")
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	cmd := exec.Command("../scripts/dist.sh")
	cmd.Env = append(os.Environ(), "BERTH_DIST="+ts.MkAbs(args[0]), "BERTH_DIST_TARGETS="+platform, "BERTH_VERSION="+args[1])
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("dist.sh: %v\n%s", err, out)
	}
	ts.Setenv("PLATFORM", runtime.GOOS+"-"+runtime.GOARCH)
}

// sandbox gives a scenario a directory to install into, in the place of /, with addresses of its own, and
// leads the commands about a server to the one that will be installed there. PREFIX names it.
func sandbox(ts *testscript.TestScript, _ bool, _ []string) {
	prefix, err := os.MkdirTemp("", "berth-sandbox-")
	ts.Check(err)
	own, err := newServer(shared.bin, filepath.Join(prefix, "var", "lib", "berth"))
	ts.Check(err)
	ts.Check(os.Remove(own.data))
	ts.Defer(func() {
		if _, err := os.Stat(filepath.Join(own.data, "berth.db")); err == nil { // the scenario failed
			ts.Logf("end of the installed server's log:\n%s", own.tail())
			cmd := exec.Command(own.berth(), "uninstall", "--yes", "--prefix", prefix)
			for _, name := range []string{"PATH", "PREFIX", "BERTH_DATA"} {
				cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				ts.Logf("uninstall: %v\n%s", err, out)
			}
		}
		ts.Check(os.RemoveAll(prefix))
	})
	for name, value := range map[string]string{
		"PREFIX": prefix, "BERTH_DATA": own.data, "BERTH_SOCKET": own.socket(),
		"HTTP_PORT": strconv.Itoa(own.http), "HTTPS_PORT": strconv.Itoa(own.https),
	} {
		ts.Setenv(name, value)
	}
	*ts.Value(serverKey{}).(**server) = own
}

// slay kills the process whose number a file holds, as a power cut does: slay FILE.
func slay(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: slay FILE")
	}
	var pid int
	ts.Check(unmarshal([]byte(ts.ReadFile(args[0])), &pid))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		ts.Fatalf("kill %d: %v", pid, err)
	}
}
