package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

const cleanupTimeout = 20 * time.Second

// Run runs a task in a container of the deployment, to its end, and has the container removed. Cancelling
// ctx kills it.
func (e *Engine) Run(ctx context.Context, t engine.Task) (exitCode int, err error) {
	if err := validID(t.Deployment); err != nil {
		return 0, err
	}
	var n deploymentNetwork
	if !t.Offline {
		if n, err = e.prepareTask(ctx, t); err != nil {
			return 0, err
		}
	}
	image, found, err := e.image(ctx, t.Image)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, berth.Errorf(berth.ENotFound, "the image %s, which %s needs, is not on this machine", t.Image, t.Name)
	}
	name := taskName(t.Deployment, t.Name)
	if err := e.docker.removeOurs(ctx, name); err != nil {
		return 0, err
	}
	r := taskRequest(t, n, image, e.config, e.cgroups.parent(t.Deployment))
	id, err := e.docker.create(ctx, name, r.Config, r.Host, r.Network)
	if err != nil {
		return 0, err
	}
	exitCode, err = e.runTask(ctx, t, id)
	if err != nil {
		return exitCode, errors.Join(err, e.removeTask(ctx, id))
	}
	// It has ended, and people wait for what comes after it: nobody has to wait until it is gone.
	e.background(func(ctx context.Context) {
		if err := e.removeTask(ctx, id); err != nil {
			e.log.Warn("remove task", "task", t.Name, "error", err)
		}
	})
	return exitCode, nil
}

// removeTask removes a task's container, also after what asked for it was cancelled.
func (e *Engine) removeTask(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return e.docker.remove(ctx, id)
}

// prepareTask sees that there is a network with a name server: a task may run before the first Sync.
func (e *Engine) prepareTask(ctx context.Context, t engine.Task) (deploymentNetwork, error) {
	core, err := e.docker.containers(ctx, labelDeployment, string(t.Deployment), labelRole, roleCore)
	if err != nil {
		return deploymentNetwork{}, err
	}
	return e.ensureNetwork(ctx, t.Deployment, core)
}

// runTask starts a task's container and follows it to its end.
func (e *Engine) runTask(ctx context.Context, t engine.Task, id string) (int, error) {
	attached, err := e.docker.client.ContainerAttach(ctx, id, client.ContainerAttachOptions{
		Stream: true, Stdin: t.Stdin != nil, Stdout: true, Stderr: true,
	})
	if err != nil {
		return 0, fmt.Errorf("attach to task: %w", err)
	}
	defer attached.Close()
	stop := context.AfterFunc(ctx, func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := e.docker.kill(clean, id); err != nil {
			e.log.Warn("kill task", "task", t.Name, "error", err)
		}
		attached.Close()
	})
	defer stop()
	if err := e.docker.start(ctx, id); err != nil {
		if s, found, _ := e.docker.inspect(ctx, id); found && s.failedToStart() {
			return s.ExitCode, berth.Errorf(berth.EInvalid, "%s %s", t.Name, startMessage(s.Command, s.Error))
		}
		return 0, err
	}
	if t.Stdin != nil {
		go func() {
			_, _ = io.Copy(attached.Conn, t.Stdin)
			_ = attached.CloseWrite()
		}()
	}
	output := orDiscard(t.Output)
	_, err = stdcopy.StdCopy(output, output, attached.Reader)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("read task output: %w", err)
	}
	return e.taskExit(ctx, id)
}

// taskExit waits the moment between the end of a task's output and its own.
func (e *Engine) taskExit(ctx context.Context, id string) (int, error) {
	for {
		s, found, err := e.docker.inspect(ctx, id)
		switch {
		case err != nil:
			return 0, err
		case !found:
			return 0, errors.New("the task's container was removed while it ran")
		case s.ended():
			return s.ExitCode, nil
		}
		if !sleep(ctx, exitPoll) {
			return 0, context.Cause(ctx)
		}
	}
}

// taskRequest makes the create call of a task. It holds revealed secrets and must not be logged.
func taskRequest(t engine.Task, n deploymentNetwork, image imageConfig, config Config, cgroup string) request {
	r := request{
		Config: &container.Config{
			Image: image.ID, Entrypoint: t.Command[:min(1, len(t.Command))], User: t.User, WorkingDir: t.WorkingDir,
			Env: taskEnv(t, image, config), Hostname: safe(t.Name),
			OpenStdin: t.Stdin != nil, StdinOnce: t.Stdin != nil,
			AttachStdin: t.Stdin != nil, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{labelDeployment: string(t.Deployment), labelRole: roleTask, labelTask: t.Name},
		},
		Host: &container.HostConfig{
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			// What it prints goes to Output; nothing of it stays on disk.
			LogConfig:   container.LogConfig{Type: "none"},
			CapDrop:     droppedCaps(containerSpec{}),
			SecurityOpt: []string{"no-new-privileges"},
			Mounts:      taskMounts(t, config),
		},
	}
	r.taskNetwork(t, n)
	if len(t.Command) > 1 {
		r.Config.Cmd = t.Command[1:]
	} else if len(t.Command) == 1 {
		r.Config.Cmd = []string{}
	}
	r.Host.CgroupParent = cgroup
	r.Host.Memory, r.Host.MemorySwap = t.Limits.MemoryBytes, t.Limits.MemoryBytes
	r.Host.NanoCPUs = t.Limits.MilliCPU * 1_000_000
	if t.Limits.Processes > 0 {
		r.Host.PidsLimit = &t.Limits.Processes
	}
	return r
}

// taskNetwork puts a task into its deployment's network, unless it needs none.
func (r *request) taskNetwork(t engine.Task, n deploymentNetwork) {
	if t.Offline {
		r.Host.NetworkMode = "none"
		return
	}
	r.Host.NetworkMode = container.NetworkMode(networkName(t.Deployment))
	r.Host.DNS = []netip.Addr{n.core()}
	r.Host.Sysctls = openSysctls()
	r.Network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{networkName(t.Deployment): {}}}
}

func taskEnv(t engine.Task, image imageConfig, config Config) []string {
	values := map[string]string{}
	for name, value := range config.Env {
		values[name] = value
	}
	for _, set := range image.Env {
		for name := range values {
			if len(set) > len(name) && set[:len(name)+1] == name+"=" {
				delete(values, name)
			}
		}
	}
	for name, value := range t.Env {
		values[name] = value
	}
	for name, value := range t.SecretEnv {
		values[name] = value.Reveal()
	}
	var env []string
	for _, name := range sortedKeys(values) {
		env = append(env, name+"="+values[name])
	}
	return env
}

func taskMounts(t engine.Task, config Config) []mount.Mount {
	var out []mount.Mount
	for _, from := range sortedKeys(t.Mounts) {
		out = append(out, bind(from, t.Mounts[from], false))
	}
	for _, from := range sortedKeys(t.ReadOnly) {
		out = append(out, bind(from, t.ReadOnly[from], true))
	}
	if config.CAFile != "" {
		out = append(out, bind(config.CAFile, caTarget, true))
	}
	return out
}
