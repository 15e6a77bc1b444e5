package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
)

// planner answers what is about plans and mail.
type planner struct {
	*fakeService
	plan  berth.Plan
	mails []berth.Mail
}

func (p *planner) Plan(context.Context, string) (berth.Plan, error) { return p.plan, nil }

func (p *planner) Apply(context.Context, string) (berth.Applied, error) {
	done := berth.Applied{Plan: p.plan, Slug: "web-shop"}
	if !p.plan.Empty() {
		done.Revision = 1
	}
	return done, nil
}

func (p *planner) Mails(context.Context, string) ([]berth.Mail, error) { return p.mails, nil }

func (p *planner) Mail(_ context.Context, _ string, id berth.ID) (berth.MailText, error) {
	return berth.MailText{Mail: berth.Mail{ID: id}, Headers: []berth.MailHeader{{Name: "Subject", Value: "Welcome"}}, Text: "Hello\x1b[31m\n", Parts: []string{"application/pdf bill.pdf"}}, nil
}

func newPlanner(t *testing.T) (*cli, *planner) {
	c := newCLI(t)
	p := &planner{fakeService: c.service}
	c.connect = func() (berth.Service, error) { return p, nil }
	return c, p
}

func (c *cli) mustPrint(t *testing.T, want string, args ...string) {
	t.Helper()
	if code := c.do(t, args...); code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, c.err)
	}
	if diff := cmp.Diff(want, c.out.String()); diff != "" {
		t.Errorf("%v (-want +got):\n%s", args, diff)
	}
}

func TestPlanAndApply(t *testing.T) {
	c, p := newPlanner(t)
	c.mustPrint(t, "Nothing to apply: web runs what its diploi.yaml says.\n", "plan", "web")
	c.mustPrint(t, "Nothing to apply: web-shop runs what its diploi.yaml says.\n", "apply", "web", "--wait")
	p.plan = berth.Plan{
		Added:   []berth.Planned{{Element: "db", Kind: berth.KindAddon, Package: "postgres"}},
		Changed: []berth.Planned{{Element: "web", Kind: berth.KindComponent, Package: "nodejs", Reasons: []string{"imports", "health"}}},
		Removed: []berth.Planned{{Element: "old", Kind: berth.KindAddon, Package: "valkey"}},
	}
	const table = "add     db   postgres\nchange  web  nodejs    imports, health\nremove  old  valkey    its volumes are kept\n"
	c.mustPrint(t, table, "plan", "web")
	c.mustPrint(t, table+"Applying in release 1.\nhttps://web-web-shop.berth.localhost\n", "apply", "web", "--wait")
}

func TestMail(t *testing.T) {
	c, p := newPlanner(t)
	c.mustFail(t, exitFailed, "web has sent no mail yet", "mail", "show", "web")
	c.mustPrint(t, "[]\n", "mail", "ls", "web", "--json")
	p.mails = []berth.Mail{{ID: "aaaaaaaaaa", Time: noon.Add(-time.Minute), From: "app@shop.test", To: []string{"ada@example.com", "bob@example.com"}, Subject: "Wel\ncome\x1b[31m"}}
	if code := c.do(t, "mail", "ls", "web"); code != 0 || !strings.Contains(c.out.String(), "aaaaaaaaaa") || strings.Contains(c.out.String(), "\x1b") {
		t.Errorf("exit %d: %q", code, c.out)
	}
	if code := c.do(t, "mail", "show", "web"); code != 0 || strings.Contains(c.out.String(), "\x1b") || !strings.HasPrefix(c.out.String(), "Subject: Welcome\n\nHello") || !strings.Contains(c.out.String(), "[application/pdf bill.pdf]") {
		t.Errorf("exit %d: %q", code, c.out)
	}
}
