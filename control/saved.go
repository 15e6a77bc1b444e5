package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// Saved takes note of a working tree's project file after it may have been saved: says what it would
// change, or what is wrong with it, and adds what can be added without touching what runs. Each content is
// taken note of once. done is false when it is too early and has to be asked again.
func (c *Control) Saved(ctx context.Context, deployment berth.ID) (done bool, err error) {
	var d berth.Deployment
	var last string
	err = c.Store.View(ctx, func(tx Tx) error {
		if d, err = tx.DeploymentByID(berth.Everything(), deployment); err != nil {
			return err
		}
		last, err = tx.SavedFile(deployment)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	saved := c.savedStack(ctx, d)
	if saved.hash == last {
		return true, nil
	}
	err = c.Store.Update(ctx, func(tx Tx) error {
		if d, err = tx.DeploymentByID(berth.Everything(), deployment); err != nil || !follows(d) {
			return err
		}
		applied, ready, err := appliedStack(tx, d)
		if err != nil || !ready {
			return err
		}
		done = true
		if err := tx.PutSavedFile(d.ID, saved.hash); err != nil {
			return err
		}
		return noted(tx, d, applied, saved)
	})
	return done, err
}

// follows reports whether a deployment's stack follows its working tree.
func follows(d berth.Deployment) bool {
	return d.Kind == berth.KindDevelopment && d.Desire == berth.DesireRun
}

// noted says what a saved file means and does what needs nobody's consent.
func noted(tx Tx, d berth.Deployment, applied *stackfile.Project, saved savedFile) error {
	say := func(kind, message string) error {
		return tx.AppendEvent(berth.Event{Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Kind: kind, Message: message})
	}
	if saved.problem != nil {
		return say("plan.invalid", clipped(berth.MessageOf(saved.problem)))
	}
	if added := stackfile.Additions(applied, saved.stack); len(added) > 0 {
		applied = applied.With(saved.stack, added)
		r, err := releaseStack(tx, d, applied, "saved")
		if err != nil {
			return err
		}
		if err := say("plan.applied", fmt.Sprintf("release %d adds what is new in %s: %s", r.Revision, projectFile, listed(added))); err != nil {
			return err
		}
	}
	if left := stackfile.Compare(applied, saved.stack); !left.Empty() {
		return say("plan.changed", clipped(fmt.Sprintf("%s would %s: berth apply %s does it", projectFile, left, d.Slug)))
	}
	return nil
}

// clipped keeps what somebody wrote into a file from filling the event log.
func clipped(message string) string {
	const longest = 2000
	if len(message) <= longest {
		return message
	}
	return strings.ToValidUTF8(message[:longest], "") + "…"
}
