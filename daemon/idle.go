package daemon

import (
	"context"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/ingress"
	"github.com/berth-dev/berth/proxy"
	"github.com/berth-dev/berth/reconciler/idle"
)

func (d *Daemon) newIdleLoop() *idle.Loop {
	return idle.New(idle.Config{
		Running: d.running, Deployment: d.runningOne, After: d.idleAfter,
		People: func(id berth.ID) int { return d.sessions.Active(id) },
		Requests: func(id berth.ID) int64 {
			return d.proxy.InFlight(func(key string) bool { return ingress.DeploymentOf(key) == id })
		},
		CPU: d.engine.CPU, Sleep: d.control.Sleep, Warn: d.control.WarnOfSleep, Now: time.Now,
	})
}

// asked notes a request. One that no instance answered is no use of a deployment.
func (d *Daemon) asked(r proxy.Record) {
	deployment, request := ingress.RequestOf(r)
	d.requests.Add(deployment, request)
	if r.Target != "" {
		d.idling.Requested(deployment)
	}
}

// idleAfter is how long a deployment may be idle that says nothing itself.
func (d *Daemon) idleAfter(kind berth.StageKind) time.Duration {
	if kind == berth.KindDevelopment {
		return d.config.Idle
	}
	return 0
}

func isToRun(d berth.Deployment) bool { return d.Desire == berth.DesireRun }

func (d *Daemon) running(ctx context.Context) ([]berth.ID, error) { return d.those(ctx, isToRun) }

func (d *Daemon) runningOne(ctx context.Context, id berth.ID) (berth.Deployment, bool, error) {
	return d.oneOf(ctx, id, isToRun)
}

// wakeForRequest is told by ingress of a deployment that sleeps.
func (d *Daemon) wakeForRequest(ctx context.Context, id berth.ID) error {
	err := d.control.Wake(ctx, id, "its host was asked for")
	if err != nil {
		d.log.Error("wake deployment", "deployment", id, "error", err)
	}
	return err
}
