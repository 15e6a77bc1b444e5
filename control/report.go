package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
)

// OriginState says how a project and the host of its commits get on.
func (s *Service) OriginState(ctx context.Context, project string) (o berth.OriginState, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, ProjectRead, project)
		if err != nil || p.GitURL == "" {
			return err
		}
		o, err = originState(tx, p.ID)
		return err
	})
	return o, err
}

// Unreported lists the deployments that have a release whose state their Git host has not been told.
func (c *Control) Unreported(ctx context.Context) (ids []berth.ID, err error) {
	if c.ReportStatus == nil {
		return nil, nil
	}
	err = c.Store.View(ctx, func(tx Tx) error {
		reports, err := tx.CommitReports("")
		for _, r := range reports {
			ids = append(ids, r.Deployment.ID)
		}
		return err
	})
	return slices.Compact(ids), err
}

const (
	// reportRest is how long a host is left alone that took no status, reportLongRest when it has not for a while.
	reportRest, reportLongRest = time.Minute, 10 * time.Minute
	// reportFor is how long a status is news.
	reportFor = 24 * time.Hour
)

// ReportCommits tells the Git host of a deployment's commits what became of them, and says when to try again what it
// did not take. A release never fails for it.
func (c *Control) ReportCommits(ctx context.Context, deployment berth.ID) (again time.Duration, err error) {
	if c.ReportStatus == nil {
		return 0, nil
	}
	if rest := c.unheard.left(deployment, c.Now()); rest > 0 {
		return rest, nil
	}
	reports, err := c.reports(ctx, deployment)
	if err != nil {
		return 0, err
	}
	for _, r := range reports {
		again, err := c.report(ctx, r)
		if again > 0 {
			c.unheard.begin(deployment, c.Now().Add(again))
		}
		if err != nil || again > 0 {
			return again, err // what comes later is told later
		}
	}
	c.unheard.end(deployment)
	return 0, nil
}

// report is one status on its way.
type report struct {
	berth.CommitReport
	project berth.Project
	status  berth.CommitStatus
	since   time.Time // when the release was made
}

func (c *Control) reports(ctx context.Context, deployment berth.ID) (list []report, err error) {
	err = c.Store.View(ctx, func(tx Tx) error {
		unreported, err := tx.CommitReports(deployment)
		if err != nil || len(unreported) == 0 {
			return err
		}
		p, err := tx.ProjectByID(berth.Everything(), unreported[0].Deployment.ProjectID)
		if err != nil {
			return err
		}
		d, err := tx.DeploymentByID(berth.Everything(), deployment)
		if err != nil {
			return err
		}
		newest, err := tx.Releases(deployment, 1)
		if err != nil {
			return err
		}
		for _, u := range unreported {
			r, err := tx.Release(u.Release)
			if err != nil {
				return err
			}
			x := report{CommitReport: u, project: p, since: r.CreatedAt, status: c.statusOf(d, u)}
			if !u.Newest && len(newest) > 0 && newest[0].Commit == u.Commit {
				x.status = berth.CommitStatus{} // the newer release speaks for the commit
			}
			list = append(list, x)
		}
		return nil
	})
	if berth.CodeOf(err) == berth.ENotFound {
		err = nil // it is gone
	}
	return list, err
}

// statusOf says what everybody may read who sees the commit; why something failed may say more than they should know.
func (c *Control) statusOf(d berth.Deployment, r berth.CommitReport) berth.CommitStatus {
	s := berth.CommitStatus{Commit: r.Commit, State: r.State, Context: "berth/" + d.Slug}
	if c.ReleasesPage != nil {
		s.URL = c.ReleasesPage(d.Slug) // what serves is of another commit, or there is no host yet
	}
	if r.State == berth.CommitSuccess && len(d.Hosts) > 0 {
		_, s.URL = c.Host(d.Hosts[0].Label)
	}
	switch release := fmt.Sprintf("Release %d of %s", r.Revision, d.Slug); r.State {
	case berth.CommitSuccess:
		s.Description = release + " serves"
	case berth.CommitFailure:
		s.Description = release + " failed; berth releases says why"
	case berth.CommitCancelled:
		s.Description = release + " was overtaken before it served"
	default:
		s.Description = release + " is on its way"
	}
	return s
}

func (c *Control) report(ctx context.Context, r report) (again time.Duration, err error) {
	if r.status.Commit == "" {
		return 0, c.Store.Update(ctx, func(tx Tx) error { return tx.PutReported(r.Release, r.State) })
	}
	failed := c.tell(ctx, r)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case failed == nil:
	case berth.CodeOf(failed) == berth.EInternal:
		return 0, failed
	case berth.CodeOf(failed) == berth.EUnavailable && c.Now().Sub(r.since) < reportFor:
		again = reportRest
		if c.Now().Sub(r.since) > 10*reportRest {
			again = reportLongRest
		}
	}
	return again, c.Store.Update(ctx, func(tx Tx) error {
		if again == 0 {
			state := r.State
			if failed != nil {
				state = ""
			}
			if err := tx.PutReported(r.Release, state); err != nil {
				return err
			}
		}
		return tellReport(tx, r, failed)
	})
}

func (c *Control) tell(ctx context.Context, r report) error {
	u, err := berth.ParseGitURL(r.project.GitURL)
	if err != nil {
		return err
	}
	k, err := c.keysOf(ctx, r.project)
	if err != nil {
		return err
	}
	return c.ReportStatus(ctx, u, k.token, r.status)
}

// tellReport writes down how it went, and makes an event of the first time only that it went wrong.
func tellReport(tx Tx, r report, failed error) error {
	before, err := tx.OriginState(r.project.ID)
	if err != nil {
		return err
	}
	if err := tx.PutReportOutcome(r.project.ID, berth.MessageOf(failed)); err != nil {
		return err
	}
	if failed == nil || before.ReportError != "" || !errors.Is(failed, berth.ErrRefused) && berth.CodeOf(failed) != berth.EUnavailable {
		return nil
	}
	return tx.AppendEvent(berth.Event{Project: r.project.ID, Deployment: r.Deployment.ID, Slug: r.Deployment.Slug, Kind: "commit.unreported",
		Message: fmt.Sprintf("what became of %s could not be reported: %s", short(r.Commit), berth.MessageOf(failed))})
}
