package control

import (
	"context"
	"time"

	"github.com/berth-dev/berth"
)

// SleepDeployment puts a deployment to sleep now.
func (s *Service) SleepDeployment(ctx context.Context, ref string) (berth.Deployment, error) {
	return s.change(ctx, DeploymentRest, ref, func(tx Tx, d *berth.Deployment) error {
		if d.Desire.Rests() {
			return nil
		}
		d.Desire, d.Rest.Why = berth.DesireSleep, s.caller.Name+" put it to sleep"
		return s.event(tx, *d, "", "deployment.sleeps", d.Slug+" goes to sleep: "+d.Rest.Why)
	})
}

// ChangeRest says when a deployment goes to sleep by itself.
func (s *Service) ChangeRest(ctx context.Context, ref string, c berth.ChangeRest) (berth.Deployment, error) {
	return s.change(ctx, DeploymentRest, ref, func(tx Tx, d *berth.Deployment) error {
		if err := c.Validate(); err != nil {
			return err
		}
		d.Rest = d.Rest.Apply(c, s.control.Now())
		return s.event(tx, *d, "", "deployment.rest", "when "+d.Slug+" goes to sleep was changed")
	})
}

// wake has a deployment run again. A time at which it was to go to sleep counts once.
func (c *Control) wake(d *berth.Deployment) {
	now := c.Now().UTC()
	if d.Desire == berth.DesireSleep {
		d.Rest.Woken = now
	}
	if !d.Rest.Until.After(now) {
		d.Rest.Until = time.Time{}
	}
	d.Desire = berth.DesireRun
}

// Sleep is the server's own: it puts a deployment to sleep that runs, and says why.
func (c *Control) Sleep(ctx context.Context, deployment berth.ID, why string) error {
	return c.own(ctx, deployment, func(d *berth.Deployment) (berth.Event, bool) {
		if d.Desire != berth.DesireRun {
			return berth.Event{}, false
		}
		d.Desire, d.Rest.Why = berth.DesireSleep, why
		return berth.Event{Kind: "deployment.sleeps", Message: d.Slug + " goes to sleep: " + why}, true
	})
}

// Wake is the server's own: it has a deployment that sleeps run again, and says what for. One that does not sleep
// stays as it is.
func (c *Control) Wake(ctx context.Context, deployment berth.ID, why string) error {
	return c.own(ctx, deployment, func(d *berth.Deployment) (berth.Event, bool) {
		if d.Desire != berth.DesireSleep {
			return berth.Event{}, false
		}
		c.wake(d)
		return berth.Event{Kind: "deployment.woken", Message: d.Slug + " wakes up: " + why}, true
	})
}

// WarnOfSleep tells whoever follows a deployment's events that it is about to go to sleep.
func (c *Control) WarnOfSleep(ctx context.Context, deployment berth.ID, message string) error {
	return c.own(ctx, deployment, func(d *berth.Deployment) (berth.Event, bool) {
		return berth.Event{Kind: "deployment.sleepsSoon", Message: message}, d.Desire == berth.DesireRun
	})
}

// own lets the server itself change what is wanted of a deployment. One that is gone is left alone.
func (c *Control) own(ctx context.Context, deployment berth.ID, change func(d *berth.Deployment) (e berth.Event, changed bool)) error {
	return c.Store.Update(ctx, func(tx Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), deployment)
		if berth.CodeOf(err) == berth.ENotFound {
			return nil
		}
		if err != nil {
			return err
		}
		e, changed := change(&d)
		if !changed {
			return nil
		}
		e.Project, e.Deployment, e.Slug = d.ProjectID, d.ID, d.Slug
		if err := tx.UpdateDeployment(d); err != nil {
			return err
		}
		return tx.AppendEvent(e)
	})
}
