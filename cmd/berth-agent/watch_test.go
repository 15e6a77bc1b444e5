package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asAgent in the environment makes the test's binary be the helper.
const asAgent = "BERTH_TEST_AS_AGENT"

// watched is a helper that watches a directory and runs a shell program there.
type watched struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	said *bufio.Scanner // of the program and of the helper
}

func watch(t *testing.T, program string, files ...string) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	for _, name := range files {
		w.write(name, "")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, into, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.Command(self, "watch", "--", "/bin/sh", "-c", program)
	w.cmd.Dir, w.cmd.Env = w.dir, append(os.Environ(), asAgent+"=1")
	w.cmd.Stdout, w.cmd.Stderr = into, into
	if err := errors.Join(w.cmd.Start(), into.Close(), out.SetReadDeadline(time.Now().Add(30*time.Second))); err != nil {
		t.Fatal(err)
	}
	w.said = bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = w.cmd.Process.Signal(syscall.SIGTERM)
		_ = w.cmd.Wait()
		_ = out.Close()
	})
	return w
}

func (w *watched) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

// says waits for a line that begins so and returns its rest. Until then nothing may start again.
func (w *watched) says(begin string) string {
	w.t.Helper()
	var before []string
	for w.said.Scan() {
		if rest, found := strings.CutPrefix(w.said.Text(), begin); found {
			return rest
		}
		if strings.Contains(w.said.Text(), "starting again") {
			w.t.Errorf("it said %q before %q", w.said.Text(), begin)
		}
		before = append(before, w.said.Text())
	}
	w.t.Fatalf("it did not say %q, but %q: %v", begin, before, w.said.Err())
	return ""
}

func (w *watched) restarts(name string) {
	w.t.Helper()
	w.says("berth-agent: " + filepath.Join(w.dir, name) + " changed: starting again")
	w.says("begins")
}

func (w *watched) endsWith(code int) {
	w.t.Helper()
	err := w.cmd.Wait()
	if got := w.cmd.ProcessState.ExitCode(); got != code {
		w.t.Errorf("exit code %d, want %d (%v)", got, code, err)
	}
}

func TestAProgramStartsAgainWhenAFileChanges(t *testing.T) {
	w := watch(t, "echo begins; exec sleep 1000", "main.go", "node_modules/x/index.js", ".git/HEAD", "pkg/__pycache__/a.pyc")
	w.says("berth-agent: this does not reload by itself")
	w.says("begins")
	for _, name := range []string{"node_modules/x/index.js", ".git/HEAD", "pkg/__pycache__/a.pyc", "data.sqlite3-wal", "app.db", "server.log", "main.go~", ".main.go.swp", "4913"} {
		w.write(name, "a tool's own")
	}
	w.write("main.go", "1")
	w.restarts("main.go")
	w.write(".env", "A=1")
	w.restarts(".env")
	w.write("pkg/new/deep/a.go", "1")
	w.says("berth-agent: " + w.dir + "/pkg/new")
	w.says("begins")
	w.write("pkg/new/deep/a.go", "2")
	w.restarts("pkg/new/deep/a.go")
	if err := os.Rename(filepath.Join(w.dir, "main.go"), filepath.Join(w.dir, "pkg", "main.go")); err != nil {
		t.Fatal(err)
	}
	w.restarts("pkg/main.go")
}

func TestWhatAProgramLeavesRunningEndsWithIt(t *testing.T) {
	w := watch(t, "sleep 1000 & echo runs $!; echo begins; wait", "a")
	left, err := strconv.Atoi(w.says("runs "))
	if err != nil {
		t.Fatal(err)
	}
	w.says("begins")
	w.write("a", "1")
	w.restarts("a")
	for deadline := time.Now().Add(10 * time.Second); runs(left); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d of the earlier run is still there", left)
		}
	}
}

// runs is false for what has ended, collected or not: only PID 1 collects what is nobody's child.
func runs(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(state), ") Z ")
}

func TestTheExitCodeIsTheProgramsOwn(t *testing.T) {
	for program, want := range map[string]int{"exit 7": 7, "exit 0": 0, "kill -KILL $$": 137} {
		watch(t, program).endsWith(want)
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	for program, want := range map[string]int{"trap 'echo asked; exit 5' TERM; echo begins; while :; do sleep 0.05; done": 5, "echo begins; exec sleep 1000": 143} {
		w := watch(t, program)
		w.says("begins")
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		w.endsWith(want)
	}
}

func TestAProgramThatFailsAfterAChangeWaitsForTheNext(t *testing.T) {
	w := watch(t, "[ ! -s broken ] || { echo begins; exit 3; }; echo begins; exec sleep 1000", "broken")
	w.says("begins")
	w.write("broken", "yes")
	w.restarts("broken")
	w.says("berth-agent: it ended with code 3 and starts again at the next change")
	w.write("broken", "")
	w.restarts("broken")
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.endsWith(143)
}

func TestAProgramRunsWhereNothingCanBeWatched(t *testing.T) {
	err := runWatching(t.Context(), filepath.Join(t.TempDir(), "gone"), []string{"/bin/sh", "-c", "exit 4"})
	if code := exitCode(0); !errors.As(err, &code) || code != 4 {
		t.Errorf("it ended with %v", err)
	}
}

func TestWatchNeedsAProgram(t *testing.T) {
	for _, args := range [][]string{{"watch"}, {"watch", "--"}, {"watch", "sh"}} {
		if err := run(t.Context(), args, nil); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	if err := run(t.Context(), []string{"watch", "--", "/does/not/exist"}, nil); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("a program that is not there: %v", err)
	}
}
