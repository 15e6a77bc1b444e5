package fake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// running returns a copy of a running instance, or engine.ErrNoInstance.
func (e *Engine) running(id string) (berth.ID, instance, error) {
	var (
		owner berth.ID
		found instance
		err   = error(engine.ErrNoInstance)
	)
	e.machine.change(func() {
		o, i := e.machine.find(id)
		if i == nil {
			return
		}
		if i.advance(e.cfg.Now(), e.cfg); i.State == berth.InstanceRunning {
			owner, found, err = o, *i, nil
		}
	})
	return owner, found, err
}

// Dial implements engine.Dialer by the script of whatever container listens on port.
func (e *Engine) Dial(ctx context.Context, id string, port int) (net.Conn, error) {
	_, i, err := e.running(id)
	if err != nil {
		return nil, err
	}
	b := i.dialer(port)
	if b == nil || e.cfg.Now().Before(i.StartedAt.Add(b.ReadyAfter)) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return b.Dial(ctx, port)
}

// Exec implements engine.Execer.
func (e *Engine) Exec(ctx context.Context, x engine.ExecSpec) (int, error) {
	_, i, err := e.running(x.Instance)
	if err != nil {
		return 0, err
	}
	if x.Container != "" && !slices.Contains(i.pod.names(), x.Container) {
		return 0, fmt.Errorf("container %s: %w", x.Container, engine.ErrNoInstance)
	}
	if e.cfg.Exec == nil {
		return 0, nil
	}
	return e.cfg.Exec(ctx, x)
}

func (p pod) names() []string {
	var out []string
	for _, c := range p.containers {
		out = append(out, c.Name)
	}
	return out
}

// Run implements engine.Runner.
func (e *Engine) Run(ctx context.Context, t engine.Task) (int, error) {
	err := e.at(ctx, TaskCreate, func() { e.machine.of(t.Deployment).tasks[t.Name] = true })
	if err != nil {
		return 0, fmt.Errorf("create task %s: %w", t.Name, err)
	}
	code, err := e.run(ctx, t)
	if removed := e.at(context.WithoutCancel(ctx), TaskRemove, func() { delete(e.machine.of(t.Deployment).tasks, t.Name) }); removed != nil {
		err = cmp.Or(err, fmt.Errorf("remove task %s: %w", t.Name, removed))
	}
	return code, err
}

func (e *Engine) run(ctx context.Context, t engine.Task) (int, error) {
	if e.cfg.Run == nil {
		return 0, nil
	}
	code, err := e.cfg.Run(ctx, t)
	return code, cmp.Or(err, context.Cause(ctx))
}

// Layers implements engine.Halter: nothing here writes anywhere.
func (e *Engine) Layers() []engine.Layer { return nil }

// Halt implements engine.Halter.
func (e *Engine) Halt(_ context.Context, id, reason, message string) error {
	now := e.cfg.Now()
	return e.machine.poke(id, func(i *instance) { i.end(now, 137, reason, message) })
}

// LogFiles implements engine.Logger.
func (e *Engine) LogFiles(_ context.Context, id berth.ID) ([]engine.LogFile, error) {
	var out []engine.LogFile
	for _, i := range e.list(id) {
		out = append(out, e.logFiles(id, i)...)
	}
	return out, nil
}

func (e *Engine) logFiles(id berth.ID, i instance) []engine.LogFile {
	if e.cfg.LogDir == "" || !i.begun {
		return nil
	}
	var out []engine.LogFile
	for _, name := range i.pod.names() {
		out = append(out, engine.LogFile{
			Deployment: id, Instance: i.Instance, Container: name, Paths: []string{e.logPath(&i, name)},
		})
	}
	return out
}

func (e *Engine) logPath(i *instance, container string) string {
	return filepath.Join(e.cfg.LogDir, i.ID+"-"+container+"-json.log")
}

// writeLogs writes what the containers print when they begin to run.
func (e *Engine) writeLogs(i *instance) error {
	if e.cfg.LogDir == "" {
		return nil
	}
	for n, b := range i.mains {
		var lines bytes.Buffer
		enc := json.NewEncoder(&lines)
		for _, line := range b.Output {
			entry := struct {
				Log    string `json:"log"`
				Stream string `json:"stream"`
				Time   string `json:"time"`
			}{line + "\n", "stdout", i.begunAt.UTC().Format("2006-01-02T15:04:05.000000000Z")}
			if err := enc.Encode(entry); err != nil {
				return fmt.Errorf("encode log line: %w", err)
			}
		}
		if err := os.WriteFile(e.logPath(i, i.pod.containers[n].Name), lines.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write log: %w", err)
		}
	}
	return nil
}

// keep hands the logs of an instance to who keeps them, and drops the files with it.
func (e *Engine) keep(ctx context.Context, id berth.ID, instance string) error {
	for _, i := range e.list(id) {
		if i.ID != instance {
			continue
		}
		files := e.logFiles(id, i)
		if e.cfg.Keep != nil && len(files) > 0 {
			if err := e.cfg.Keep(ctx, files); err != nil {
				return err
			}
		}
		for _, f := range files {
			for _, path := range f.Paths {
				_ = os.Remove(path) // gone already is as good
			}
		}
	}
	return nil
}
