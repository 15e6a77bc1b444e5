//go:build docker

package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	corev1 "k8s.io/api/core/v1"
)

func TestExec(t *testing.T) {
	s := newStage(t)
	pod := s.sh(forever)
	pod.Containers = append(pod.Containers, s.container("side", forever))
	pod.Containers[1].Env = []corev1.EnvVar{{Name: "WHO", Value: "side"}}
	i := s.running(t, pod)

	t.Run("a command that does not exist exits with 127", func(t *testing.T) {
		code, err := s.Exec(t.Context(), engine.ExecSpec{Instance: i.ID, Command: []string{"/no/such/program"}})
		if err != nil || code != 127 && code != 126 {
			t.Errorf("code %d, %v", code, err)
		}
	})
	t.Run("the container and the user are chosen", func(t *testing.T) {
		var out bytes.Buffer
		code, err := s.Exec(t.Context(), engine.ExecSpec{Instance: i.ID, Container: "side", User: "1000:1000", Command: []string{"sh", "-c", "echo $WHO $(id -u)"}, Stdout: &out})
		if err != nil || code != 0 || out.String() != "side 1000\n" {
			t.Errorf("code %d, %v, %q", code, err, out.String())
		}
		if _, err := s.Exec(t.Context(), engine.ExecSpec{Instance: i.ID, Container: "nobody", Command: []string{"true"}}); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("no such container: %v", err)
		}
	})
	t.Run("output goes on after input has ended", func(t *testing.T) {
		var out bytes.Buffer
		code, err := s.Exec(t.Context(), engine.ExecSpec{
			Instance: i.ID, Command: []string{"sh", "-c", "cat; sleep 0.3; echo after; exit 7"},
			Stdin: strings.NewReader("before\n"), Stdout: &out,
		})
		if err != nil || code != 7 || out.String() != "before\nafter\n" {
			t.Errorf("code %d, %v, %q", code, err, out.String())
		}
	})
	t.Run("a terminal's output goes on after input has ended", func(t *testing.T) {
		var out bytes.Buffer
		code, err := s.Exec(t.Context(), engine.ExecSpec{
			Instance: i.ID, Command: []string{"sh", "-c", "cat; sleep 0.3; echo after; exit 7"}, TTY: true,
			Stdin: strings.NewReader("no newline"), Stdout: &out,
		})
		if err != nil || code != 7 || !strings.Contains(out.String(), "no newline") || !strings.HasSuffix(out.String(), "after\r\n") {
			t.Errorf("code %d, %v, %q", code, err, out.String())
		}
	})
	t.Run("a terminal has a size, which may change", func(t *testing.T) {
		resize := make(chan berth.WindowSize, 1)
		in, typed := io.Pipe()
		out := &screen{}
		done := make(chan error, 1)
		go func() {
			_, err := s.Exec(t.Context(), engine.ExecSpec{
				Instance: i.ID, Command: []string{"sh"}, TTY: true, Width: 100, Height: 30, Stdin: in, Stdout: out, Resize: resize,
			})
			done <- err
		}()
		_, _ = io.WriteString(typed, "stty size\n")
		await(t, "the first size", func() bool { return strings.Contains(out.String(), "30 100") })
		resize <- berth.WindowSize{Width: 120, Height: 40}
		await(t, "the second size", func() bool {
			_, _ = io.WriteString(typed, "stty size\n")
			return strings.Contains(out.String(), "40 120")
		})
		_, _ = io.WriteString(typed, "exit\n")
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = typed.Close()
	})
	t.Run("cancelling ends the command", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := s.Exec(ctx, engine.ExecSpec{Instance: i.ID, Command: []string{"sleep", "4321"}})
			done <- err
		}()
		sleeping := func() bool {
			out, _ := s.run(t, i.ID, "ps | grep -c '[4]321'")
			return out != "0"
		}
		await(t, "the command runs", sleeping)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		await(t, "the command ended", func() bool { return !sleeping() })
	})
}

type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestTask(t *testing.T) {
	s := newStage(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	task := engine.Task{
		Deployment: s.id, Name: "clone", Image: s.image, User: "1000:1000", WorkingDir: "/work",
		Mounts:    map[string]string{dir: "/work"},
		Env:       map[string]string{"PLAIN": "plain"},
		SecretEnv: map[string]berth.Secret{"HIDDEN": berth.NewSecret("hidden")},
	}
	t.Run("it runs in the deployment, before anything else of it does", func(t *testing.T) {
		var out bytes.Buffer
		task := task
		task.Command, task.Output = []string{"sh", "-c", "echo $PLAIN $HIDDEN $(id -u) $(pwd); echo done >file; exit 3"}, &out
		code, err := s.Run(t.Context(), task)
		if err != nil || code != 3 || out.String() != "plain hidden 1000 /work\n" {
			t.Errorf("code %d, %v, %q", code, err, out.String())
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "file")); string(b) != "done\n" {
			t.Errorf("file = %q", b)
		}
	})
	t.Run("beside a Sync that makes the same network", func(t *testing.T) {
		before := s.id
		defer func() { s.id = before }()
		id := s.deployment(t)
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				task := task
				task.Deployment, task.Name, task.Command = id, string(rune('a'+n)), []string{"true"}
				if code, err := s.Run(t.Context(), task); err != nil || code != 0 {
					t.Errorf("code %d, %v", code, err)
				}
			})
		}
		if _, err := s.Sync(t.Context(), s.workload()); err != nil {
			t.Errorf("sync: %v", err)
		}
		all.Wait()
		networks, err := s.docker.networks(t.Context(), labelDeployment, string(id))
		if err != nil || len(networks) != 1 {
			t.Errorf("%d networks, %v", len(networks), err)
		}
	})
	t.Run("what is left of its name is removed", func(t *testing.T) {
		docker(t, "run", "--detach", "--name", taskName(s.id, "left"), "--label", labelServer+"="+s.config.ServerID, "--label", labelRole+"="+roleTask, s.image, "sleep", "1000")
		task := task
		task.Name, task.Command = "left", []string{"true"}
		if code, err := s.Run(t.Context(), task); err != nil || code != 0 {
			t.Errorf("code %d, %v", code, err)
		}
	})
	t.Run("somebody else's container of its name is not", func(t *testing.T) {
		other := docker(t, "create", "--name", taskName(s.id, "theirs"), s.image, "true")
		t.Cleanup(func() { docker(t, "rm", "--force", other) })
		task := task
		task.Name, task.Command = "theirs", []string{"true"}
		if _, err := s.Run(t.Context(), task); berth.CodeOf(err) != berth.EConflict {
			t.Errorf("error %v", err)
		}
	})
	t.Run("cancelling kills it within two seconds", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := &screen{}
		task := task
		task.Name, task.Command, task.Output = "hangs", []string{"sh", "-c", "trap '' TERM; echo begun; while true; do sleep 1; done"}, out
		done := make(chan error, 1)
		go func() {
			_, err := s.Run(ctx, task)
			done <- err
		}()
		await(t, "it runs", func() bool { return strings.Contains(out.String(), "begun") })
		cancelled := time.Now()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(cancelled); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("a program that does not exist is named", func(t *testing.T) {
		task := task
		task.Command = []string{"/no/such/program"}
		if _, err := s.Run(t.Context(), task); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
			t.Errorf("error %v", err)
		}
	})
	await(t, "no task is left", func() bool {
		return !slices.ContainsFunc(s.list(t), func(c containerState) bool { return c.Labels[labelRole] == roleTask })
	})
}

func TestDialLeavesNothingBehind(t *testing.T) {
	s := newStage(t)
	s.kind = berth.KindDevelopment
	i := s.running(t, s.sh(serveLocally))
	dial := func() {
		conn, err := s.Dial(t.Context(), i.ID, 8080)
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
		if conn, err := s.Dial(t.Context(), i.ID, 9); err == nil {
			_ = conn.Close()
			t.Error("port 9 answers")
		}
	}
	await(t, "it listens", func() bool {
		conn, err := s.Dial(t.Context(), i.ID, 8080)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	own := namespaces(t)
	before := openFiles(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				dial()
			}
		})
	}
	all.Wait()
	if after := openFiles(t); after > before+5 {
		t.Errorf("%d files are open, %d before", after, before)
	}
	if after := namespaces(t); len(after) != len(own) {
		t.Errorf("threads are in the namespaces %v, before in %v", after, own)
	}
	began := time.Now()
	const n = 100
	for range n {
		dial()
	}
	t.Logf("a dial takes %s", time.Since(began)/(2*n))
}

func openFiles(t *testing.T) int {
	t.Helper()
	runtime.GC()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// namespaces are the network namespaces that this process' threads are in.
func namespaces(t *testing.T) map[string]bool {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil {
			out[ns] = true
		}
	}
	return out
}

func TestDialInBuildStagesIsNotLocal(t *testing.T) {
	s := newStage(t)
	p := s.sh(serveLocally)
	p.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	w := s.workload(s.element("web", p))
	o := s.until(t, w, "told that it listens for itself only", func(o engine.Observation) bool {
		return len(o.Instances) == 1 && o.Instances[0].Reason == "WrongPort"
	})
	i := o.Instances[0]
	if !strings.Contains(i.Message, "0.0.0.0") {
		t.Errorf("message %q", i.Message)
	}
	if conn, err := s.Dial(t.Context(), i.ID, 8080); err == nil {
		_ = conn.Close()
		t.Error("its loopback was reached")
	}
}

func TestDialNeverLeavesTheInstance(t *testing.T) {
	s := newStage(t)
	s.kind = berth.KindDevelopment
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	i := s.running(t, s.sh(forever))
	to, err := s.Engine.endpoint(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	// The container ends, and a process of the machine gets its number.
	to.Pid = os.Getpid()
	s.mu.Lock()
	s.instances[i.ID] = to
	s.mu.Unlock()
	if conn, err := s.Dial(t.Context(), i.ID, port); err == nil {
		_ = conn.Close()
		t.Error("the machine's own loopback was reached")
	}
	docker(t, "rm", "--force", s.find(t, i.ID).owner().ID)
	if _, err := s.Dial(t.Context(), i.ID, port); !errors.Is(err, engine.ErrNoInstance) {
		t.Errorf("error %v, want ErrNoInstance", err)
	}
}

func TestReadinessIsLostAndFound(t *testing.T) {
	s := newStage(t)
	// Ready while it listens; the file decides whether it does.
	p := s.sh("trap 'exit 0' TERM; while true; do if [ -e /tmp/off ]; then sleep 0.2; else timeout 1 nc -ll -p 8080 -e true; fi; done & wait")
	p.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "test ! -e /tmp/off"}}},
		PeriodSeconds: 1, SuccessThreshold: 2,
	}
	w := s.workload(s.element("web", p))
	i := s.settle(t, w.Elements...).Instances[0]
	// A command is not asked again once it succeeded: it costs too much.
	s.must(t, i.ID, "touch /tmp/off")
	probes := s.Engine.prober
	if !probes.verdict(i.ID).Ready {
		t.Error("not ready any more")
	}
}
