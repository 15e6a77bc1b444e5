package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	idleDeployments = 10
	settleFor       = time.Minute
	rssGoal         = 60 << 20
	pssGoal         = 150 << 20
	cpuGoal         = 0.01 // of a core
	mayDisturb      = 10   // events of others; a container that comes and goes is six of them and a tenth of a second of dockerd
)

// idleness is (b).
func (b *bench) idleness(ctx context.Context) (rows []row, err error) {
	err = b.withServer(ctx, "idle", func(s *server) error {
		if _, err := s.berth(ctx, "project", "create", "guestbook", "--dir", "examples/guestbook"); err != nil {
			return err
		}
		id := ""
		for i := range idleDeployments {
			name := "idle-" + strconv.Itoa(i)
			if _, err := s.berth(ctx, "create", "guestbook", "--name", name, "--stage", "production", "--wait", "--timeout", "10m"); err != nil {
				return err
			}
			d, err := s.show(ctx, name+"-guestbook")
			if err != nil {
				return err
			}
			id = d.ID
		}
		say("  %d deployments run", idleDeployments)
		added, err := b.added(ctx, id)
		if err != nil {
			return err
		}
		rows, err = b.idle(ctx, s, added)
		return err
	})
	return rows, err
}

// additions are the processes on the machine because of a server's deployments.
type additions struct {
	server string // the server's id, as its labels say
	cores  []int  // core's helper in each deployment
	shims  []int  // of the cores
	others []int  // shims of the applications' own containers
}

func (b *bench) added(ctx context.Context, deployment string) (a additions, err error) {
	ids, err := b.docker.containers(ctx, labelDeployment+"="+deployment, labelServer)
	if err != nil || len(ids) == 0 {
		return a, errors.Join(err, errors.New("the deployment has no containers"))
	}
	one, err := b.docker.inspect(ctx, ids[0])
	if err != nil {
		return a, err
	}
	a.server = one.label(labelServer)
	all, err := b.docker.containers(ctx, labelServer+"="+a.server, labelRole)
	if err != nil {
		return a, err
	}
	for _, id := range all {
		c, err := b.docker.inspect(ctx, id)
		if err != nil {
			return a, err
		}
		shim := processes(func(command []string) bool {
			return program(command) == "containerd-shim-runc-v2" && slices.Contains(command, id)
		})
		if c.label(labelRole) != "core" {
			a.others = append(a.others, shim...)
			continue
		}
		a.cores, a.shims = append(a.cores, c.State.Pid), append(a.shims, shim...)
	}
	return a, nil
}

// idle measures with the server and then without.
func (b *bench) idle(ctx context.Context, s *server, a additions) ([]row, error) {
	with, err := b.watch(ctx, s.process.Pid, a)
	if err != nil {
		return nil, err
	}
	cores, shims := sum(a.cores, pss), sum(a.shims, pss)
	own := pss(s.process.Pid)
	if err := s.stop(); err != nil {
		return nil, err
	}
	without, err := b.watch(ctx, 0, a)
	if err != nil {
		return nil, err
	}
	share := with.share() - without.share()
	name := fmt.Sprintf("%d idle production deployments over %s: ", idleDeployments, b.idleFor())
	return []row{
		{what: name + "server's RSS, the highest seen", value: megabytes(with.rss), goal: "≤ 60 MB", met: with.rss <= rssGoal},
		{what: name + fmt.Sprintf("PSS of all that Berth adds (server %s, %d cores %s, their shims %s)", megabytes(own), len(a.cores), megabytes(cores), megabytes(shims)),
			value: megabytes(own + cores + shims), goal: "≤ 150 MB", met: own+cores+shims <= pssGoal},
		{what: name + fmt.Sprintf("CPU of server (%s), dockerd, containerd, shims and runc, minus the same with the server stopped; events of others meanwhile: %d and %d",
			percent(with.server), with.foreign, without.foreign),
			value: percent(share), goal: "≤ 1 % of a core", met: share <= cpuGoal, disturbed: with.foreign+without.foreign > mayDisturb,
			rival: percent(without.share()) + " server stopped"},
	}, nil
}

func (b *bench) idleFor() time.Duration { return b.settings.idle }

// watched is what a while of doing nothing cost.
type watched struct {
	rss            int64
	server, engine float64 // share of a core
	foreign        int     // events of other people's containers
}

func (w watched) share() float64 { return w.server + w.engine }

// watch lets things settle, and measures for the time of one half. Without a server its pid is 0.
func (b *bench) watch(ctx context.Context, server int, a additions) (w watched, err error) {
	if err := pause(ctx, min(settleFor, b.idleFor())); err != nil {
		return w, err
	}
	engine := slices.Concat(a.shims, a.others, processes(func(command []string) bool {
		return program(command) == "dockerd" || program(command) == "containerd"
	}))
	began := time.Now()
	serverBefore, engineBefore := cpuOf(server), sumCPU(engine)
	for time.Since(began) < b.idleFor() {
		if err := pause(ctx, 2*time.Second); err != nil {
			return w, err
		}
		if server != 0 {
			w.rss = max(w.rss, rss(server))
		}
	}
	took := time.Since(began)
	w.server = (cpuOf(server) - serverBefore).Seconds() / took.Seconds()
	w.engine = (sumCPU(engine) - engineBefore).Seconds() / took.Seconds()
	w.foreign, err = b.foreignEvents(ctx, a.server, began)
	return w, err
}

func cpuOf(server int) time.Duration {
	if server == 0 {
		return 0
	}
	return cpu(server)
}

func sumCPU(pids []int) (total time.Duration) {
	for _, pid := range pids {
		total += cpu(pid)
	}
	return total
}

func sum(pids []int, of func(int) int64) (total int64) {
	for _, pid := range pids {
		total += of(pid)
	}
	return total
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// foreignEvents counts what Docker did for others since began. Docker remembers the last 256 events.
func (b *bench) foreignEvents(ctx context.Context, server string, began time.Time) (n int, err error) {
	path := fmt.Sprintf("/events?since=%d&until=%d", began.Unix(), time.Now().Unix())
	r, err := http.NewRequestWithContext(ctx, "GET", dockerAPI+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := b.docker.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	for lines := json.NewDecoder(response.Body); ; {
		var event struct {
			Actor struct{ Attributes map[string]string }
		}
		switch err := lines.Decode(&event); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case event.Actor.Attributes[labelServer] != server:
			n++
		}
	}
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }
