//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var shared *server

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run starts the shared server, and leaves nothing behind unless something failed.
func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "berth-e2e-")
	if err != nil {
		return 1, err
	}
	bin, err := binaries(dir)
	if err != nil {
		return 1, err
	}
	data := filepath.Join(dir, "data")
	if shared, err = newServer(bin, data); err != nil {
		return 1, err
	}
	if err := shared.start(); err != nil {
		return 1, err
	}
	code = m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "--- end of the server's log (all of it: %s)\n%s\n", shared.log(), shared.tail())
	}
	if err := errors.Join(shared.deleteEverything(), shared.stop(syscall.SIGTERM)); err != nil || code != 0 {
		return max(code, 1), err
	}
	return code, os.RemoveAll(dir)
}

// binaries are those that BERTH_E2E_BIN names, for quick turns, else new ones.
func binaries(dir string) (string, error) {
	if ready := os.Getenv("BERTH_E2E_BIN"); ready != "" {
		return filepath.Abs(ready)
	}
	bin := filepath.Join(dir, "bin")
	return bin, errors.Join(os.Mkdir(bin, 0o755), buildBinaries(bin))
}

// buildBinaries builds the server with the race detector, and the helper as it ships.
func buildBinaries(dir string) error {
	server := exec.Command("go", "build", "-race", "-o", filepath.Join(dir, "berth"), "../cmd/berth")
	agent := exec.Command("go", "build", "-o", filepath.Join(dir, "berth-agent"), "../cmd/berth-agent")
	agent.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{server, agent} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
	}
	return nil
}

func unmarshal(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read JSON %.200q: %w", data, err)
	}
	return nil
}

func TestScenarios(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     await,
			"browser":   browserCommand,
			"code":      code,
			"docker":    docker,
			"fetch":     fetch,
			"field":     field,
			"githost":   githost,
			"neighbour": neighbour,
			"ports":     ports,
			"registry":  registry,
			"spy":       spy,
			"sshd":      sshd,
			"traceless": traceless,
			"end":       end,
			"output":    output,
			"release":   release,
			"sandbox":   sandbox,
			"server":    serverCommand,
			"shows":     shows,
			"slay":      slay,
			"trap":      trap,
			"url":       url,
		},
		RequireExplicitExec: true,
	})
}

// What a scenario carries along.
type (
	serverKey  struct{} // **server: the shared one until it asks for its own
	trapKey    struct{} // *visitors that its traps caught
	browserKey struct{} // *browser
)

// setup gives each scenario the CLI on its PATH, the server's socket and CA, and a clean home.
func setup(env *testscript.Env) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	settings, err := shared.environment(filepath.Join(env.WorkDir, "ca.pem"))
	if err != nil {
		return err
	}
	maps.Copy(settings, map[string]string{
		"PATH":            shared.bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"ROOT":            root,
		"HOME":            env.WorkDir,
		"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
		"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
		"GIT_CONFIG_GLOBAL": "/dev/null",
	})
	for name, value := range settings {
		env.Setenv(name, value)
	}
	server := shared
	env.Values[serverKey{}] = &server
	env.Values[trapKey{}] = &visitors{}
	env.Values[browserKey{}] = new(browser)
	env.Values[sshdKey{}] = new(*exec.Cmd)
	return nil
}
