package docker

import (
	"context"
	"fmt"
	"os"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

const maxLogFiles = 4 // as jsonFile says

// LogFiles lists where a deployment's containers write, rotated files included, oldest first.
func (e *Engine) LogFiles(ctx context.Context, deployment berth.ID) ([]engine.LogFile, error) {
	if err := validID(deployment); err != nil {
		return nil, err
	}
	containers, err := e.docker.containers(ctx, labelDeployment, string(deployment))
	if err != nil {
		return nil, err
	}
	pods, broken := groupPods(containers)
	var out []engine.LogFile
	for _, p := range append(pods, broken...) {
		out = append(out, e.logFilesOf(p)...)
	}
	return out, nil
}

func (e *Engine) logFilesOf(p *observedPod) (out []engine.LogFile) {
	var i engine.Instance
	if p.Record.Mains > 0 {
		i = p.instance(e.prober.verdict(p.ID), false)
	} else {
		i = engine.Instance{ID: p.ID, Element: p.Element, Workload: p.Workload, Hash: p.Hash, Slot: p.Slot, Run: p.Run, State: berth.InstanceExited}
	}
	for _, c := range p.Containers {
		if paths := rotated(c.LogPath); len(paths) > 0 {
			out = append(out, engine.LogFile{Deployment: p.Deployment, Instance: i, Container: c.Labels[labelContainer], Paths: paths})
		}
	}
	return out
}

// rotated returns a log file with its older parts, oldest first; those that exist.
func rotated(path string) (paths []string) {
	if path == "" {
		return nil
	}
	for n := maxLogFiles - 1; n >= 1; n-- {
		older := fmt.Sprintf("%s.%d", path, n)
		if _, err := os.Stat(older); err == nil {
			paths = append(paths, older)
		}
	}
	if _, err := os.Stat(path); err == nil {
		paths = append(paths, path)
	}
	return paths
}

// keepLogs hands the files of an instance on before Docker deletes them with its containers.
func (e *Engine) keepLogs(ctx context.Context, p *observedPod) error {
	files := e.logFilesOf(p)
	if e.config.Keep == nil || len(files) == 0 {
		return nil
	}
	if err := e.config.Keep(ctx, files); err != nil {
		return fmt.Errorf("keep logs of %s: %w", p.ID, err)
	}
	return nil
}
