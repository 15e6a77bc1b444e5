package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest/program"
)

func watchHints(t *testing.T, f Factory) {
	b := newBench(t, f)
	i := only(t, b.settle(t, b.build(f.web("web", serving("")))))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hints := b.engine.Watch(ctx)
	f.Kill(t, i)
	b.await(t, "a hint", func() (done bool) {
		select {
		case id := <-hints:
			return id == b.id || id == ""
		case <-time.After(step):
			return false
		}
	})
	cancel()
	b.await(t, "the channel closed", func() bool {
		select {
		case _, open := <-hints:
			return !open
		case <-time.After(step):
			return false
		}
	})
}

func (b *bench) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(b.f.Timeout); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %s", what, b.f.Timeout)
		}
	}
}

func dialReachesPort(t *testing.T, f Factory) {
	b := newBench(t, f)
	b.dialer(t)
	i := only(t, b.settle(t, b.build(f.web("web", serving("hello")))))
	if got := b.get(t, i.ID, port, "/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
	if conn, err := b.dialer(t).Dial(t.Context(), i.ID, 9); err == nil {
		_ = conn.Close()
		t.Error("dialled a port that nothing listens on")
	}
	if _, err := b.dialer(t).Dial(t.Context(), "nobody", port); !errors.Is(err, engine.ErrNoInstance) {
		t.Errorf("dial of no instance: %v, want ErrNoInstance", err)
	}
}

func dialReachesLoopback(t *testing.T, f Factory) {
	b := newBench(t, f)
	b.dialer(t)
	local := serving("hello")
	local.Loopback = true
	i := only(t, b.settle(t, b.development(f.web("web", local))))
	if got := b.get(t, i.ID, port, "/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
}

func execKeepsItsPromises(t *testing.T, f Factory) {
	b := newBench(t, f)
	x := ability[engine.Execer](t, b.engine)
	i := only(t, b.settle(t, b.build(f.web("web", serving("")))))
	for _, test := range []struct {
		name           string
		command        []string
		stdin          string
		code           int
		stdout, stderr string
	}{
		{"its exit code is kept", []string{program.Path, "exit", "42"}, "", 42, "", ""},
		{"output and errors are apart", []string{program.Path, "say", "out", "err"}, "", 0, "out", "err"},
		{"arguments are no shell's", []string{program.Path, "say", "$HOME; 'x' *"}, "", 0, "$HOME; 'x' *", ""},
		{"input is delivered to its end", []string{program.Path, "cat"}, strings.Repeat("0123456789", 20_000), 0, strings.Repeat("0123456789", 20_000), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			spec := engine.ExecSpec{Instance: i.ID, Command: test.command, Stdout: &stdout, Stderr: &stderr}
			if test.stdin != "" {
				spec.Stdin = strings.NewReader(test.stdin)
			}
			code, err := x.Exec(t.Context(), spec)
			if err != nil || code != test.code {
				t.Errorf("exit code %d, %v, want %d", code, err, test.code)
			}
			if stdout.String() != test.stdout || stderr.String() != test.stderr {
				t.Errorf("%d bytes of output, errors %q; want %d and %q", stdout.Len(), stderr.String(), len(test.stdout), test.stderr)
			}
		})
	}
	if _, err := x.Exec(t.Context(), engine.ExecSpec{Instance: "nobody", Command: []string{program.Path, "exit", "0"}}); !errors.Is(err, engine.ErrNoInstance) {
		t.Errorf("exec in no instance: %v, want ErrNoInstance", err)
	}
}

func runsTasks(t *testing.T, f Factory) {
	b := newBench(t, f)
	r := ability[engine.Runner](t, b.engine)
	var output bytes.Buffer
	task := engine.Task{
		Deployment: b.id, Name: "clone", Image: f.Image, User: "1000:1000",
		Command: []string{program.Path, "say", "done"}, Output: &output,
	}
	for range 2 { // the second finds the name free
		output.Reset()
		if code, err := r.Run(t.Context(), task); err != nil || code != 0 || output.String() != "done" {
			t.Errorf("exit code %d, %v, output %q", code, err, output.String())
		}
	}
	task.Command = []string{program.Path, "exit", "7"}
	if code, err := r.Run(t.Context(), task); err != nil || code != 7 {
		t.Errorf("exit code %d, %v, want 7", code, err)
	}
	output.Reset()
	task.Command, task.Stdin = []string{program.Path, "cat"}, strings.NewReader("input")
	if code, err := r.Run(t.Context(), task); err != nil || code != 0 || output.String() != "input" {
		t.Errorf("cat: exit code %d, %v, output %q", code, err, output.String())
	}
}

func offlineTask(t *testing.T, f Factory) {
	b := newBench(t, f)
	r := ability[engine.Runner](t, b.engine)
	var output bytes.Buffer
	code, err := r.Run(t.Context(), engine.Task{
		Deployment: b.id, Name: "copy", Image: f.Image, Offline: true, Command: []string{program.Path, "say", "done"}, Output: &output,
	})
	if err != nil || code != 0 || output.String() != "done" {
		t.Errorf("exit code %d, %v, output %q", code, err, output.String())
	}
}

func cancelledTaskEnds(t *testing.T, f Factory) {
	b := newBench(t, f)
	r := ability[engine.Runner](t, b.engine)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	_, err := r.Run(ctx, engine.Task{
		Deployment: b.id, Name: "hangs", Image: f.Image, Command: program.Serve{}.Command(), Output: &bytes.Buffer{},
	})
	if err == nil {
		t.Error("a cancelled task returned no error")
	}
	if took := time.Since(began); took > f.Timeout {
		t.Errorf("it took %s to end", took)
	}
}

func logFiles(t *testing.T, f Factory) {
	b := newBench(t, f)
	l := ability[engine.Logger](t, b.engine)
	talks := serving("")
	talks.Print = "hello from " + string(b.id)
	i := only(t, b.settle(t, b.build(f.web("web", talks))))
	files, err := l.LogFiles(t.Context(), b.id)
	if err != nil {
		t.Fatalf("log files: %v", err)
	}
	for _, file := range files {
		if file.Instance.ID == i.ID && file.Container == "main" && file.Deployment == b.id {
			if got := readLog(t, file); !strings.Contains(got, talks.Print) {
				t.Errorf("the log says %q, want %q", got, talks.Print)
			}
			return
		}
	}
	t.Errorf("no log file of %s in %+v", i.ID, files)
}

// readLog reads Docker's json-file format.
func readLog(t *testing.T, f engine.LogFile) string {
	t.Helper()
	var text strings.Builder
	for _, path := range f.Paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			var line struct{ Log string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("parse %s: %v", path, err)
			}
			text.WriteString(line.Log)
		}
	}
	return text.String()
}
