package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/ingress"
	"github.com/berth-dev/berth/proxy"
	"github.com/berth-dev/berth/reconciler/idle"
	"github.com/berth-dev/berth/sqlite"
)

func (d *Daemon) newIdleLoop() *idle.Loop {
	return idle.New(idle.Config{
		Running: d.running, Deployment: d.runningOne, After: d.idleAfter,
		People:   func(id berth.ID) int { return d.sessions.Active(id) },
		Requests: func(id berth.ID) int64 { return d.proxy.InFlight(func(key string) bool { return isOf(key, id) }) },
		CPU:      d.engine.CPU, Sleep: d.control.Sleep, Warn: d.control.WarnOfSleep, Now: time.Now,
	})
}

// isOf reports whether a route's key is of a deployment; ingress makes them.
func isOf(key string, id berth.ID) bool {
	of, _, _ := strings.Cut(key, "/")
	return of == string(id)
}

// asked notes a request. One that no instance answered is no use of a deployment.
func (d *Daemon) asked(r proxy.Record) {
	d.requests.Add(ingress.RequestOf(r))
	if r.Target != "" {
		of, _, _ := strings.Cut(r.Key, "/")
		d.idling.Requested(berth.ID(of))
	}
}

// idleAfter is how long a deployment may be idle that says nothing itself.
func (d *Daemon) idleAfter(kind berth.StageKind) time.Duration {
	if kind == berth.KindDevelopment {
		return d.config.Idle
	}
	return 0
}

func (d *Daemon) running(ctx context.Context) (ids []berth.ID, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, one := range all {
			if one.Desire == berth.DesireRun {
				ids = append(ids, one.ID)
			}
		}
		return err
	})
	return ids, err
}

func (d *Daemon) runningOne(ctx context.Context, id berth.ID) (one berth.Deployment, runs bool, err error) {
	err = d.store.View(ctx, func(tx *sqlite.Tx) error {
		one, err = tx.DeploymentByID(berth.Everything(), id)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return one, false, nil
	}
	return one, err == nil && one.Desire == berth.DesireRun, err
}

// wakeForRequest is told by ingress of a deployment that sleeps.
func (d *Daemon) wakeForRequest(ctx context.Context, id berth.ID) error {
	err := d.control.Wake(ctx, id, "its host was asked for")
	if err != nil {
		d.log.Error("wake deployment", "deployment", id, "error", err)
	}
	return err
}
