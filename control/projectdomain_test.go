package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
)

func (w *world) projectDomain(t *testing.T, project, name string) berth.Domain {
	t.Helper()
	list := must[[]berth.Domain](t)(w.owner.ProjectDomains(t.Context(), project))
	for _, m := range list {
		if m.Name == name {
			return m
		}
	}
	return berth.Domain{}
}

func TestAProjectsDomainNamesTheHostsOfNewDeployments(t *testing.T) {
	w := newWorld(t)
	dns, _ := w.withDNS(t)
	ctx := t.Context()
	old := w.hosted(t)
	w.pass(time.Hour)
	added := must[berth.Domain](t)(w.owner.AddProjectDomain(ctx, "shop", "Apps.Example.com."))
	if added.Name != "*.apps.example.com" || added.State != berth.DomainWaits || added.URL != "" || !strings.Contains(added.Message, "TXT _berth.apps.example.com") {
		t.Fatalf("%+v", added)
	}
	var records []string
	for _, r := range w.projectDomain(t, "shop", added.Name).Records {
		records = append(records, r.Type+" "+r.Name)
	}
	if got := strings.Join(records, ", "); got != "A *.apps.example.com, TXT _berth.apps.example.com" {
		t.Errorf("the records to create are %s", got)
	}
	w.pass(time.Hour)
	d := w.deployment(t, "shop", "new", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: d.ID, Element: "web", Identifier: "app", Label: "web-new-shop"})
	})
	named := func(d berth.Deployment) (names string) {
		shown := must[berth.Deployment](t)(w.owner.Deployment(ctx, d.Slug))
		for _, m := range shown.Domains {
			names += m.Name + " " + string(m.State) + " " + m.Below + ";"
		}
		return names
	}
	if got := named(d); got != "web-new-shop.apps.example.com waits *.apps.example.com;" {
		t.Errorf("before it is proven: %s", got)
	}

	dns["any.apps.example.com"] = control.DNS{Seen: serverAt}
	if got := must[berth.Domain](t)(w.owner.CheckProjectDomain(ctx, "shop", "apps.example.com")); got.Proven {
		t.Error("proven by a wildcard, below which anybody on the server may have names")
	}
	dns["any.apps.example.com"] = control.DNS{Seen: serverAt, Texts: []string{added.Records[len(added.Records)-1].Value}}
	w.pass(2 * time.Second)
	if again := must[time.Duration](t)(w.WatchDomains(ctx, d.ProjectID)); again != 5*time.Minute || w.projectDomain(t, "shop", added.Name).State != berth.DomainServes {
		t.Fatalf("again in %s: %+v", again, w.projectDomain(t, "shop", added.Name))
	}
	if got := named(d); got != "web-new-shop.apps.example.com serves *.apps.example.com;" {
		t.Errorf("once it is proven: %s", got)
	}
	if got := named(old); got != "" {
		t.Errorf("a deployment that was there before has %s", got)
	}
	mustFail(t, w.owner.DeleteDomain(ctx, d.Slug, "web-new-shop.apps.example.com"), berth.EConflict, "berth domain ls --project shop")

	if err := w.owner.DeleteProjectDomain(ctx, "shop", "*.apps.example.com"); err != nil {
		t.Fatal(err)
	}
	if got := named(d); got != "" {
		t.Errorf("after it was removed: %s", got)
	}
	mustFail(t, w.owner.DeleteProjectDomain(ctx, "shop", "apps.example.com"), berth.ENotFound, "--project shop")
}

func TestProjectsDomainsDoNotOverlap(t *testing.T) {
	w := newWorld(t)
	dns, _ := w.withDNS(t)
	ctx := t.Context()
	d := w.hosted(t)
	w.project(t, "other")
	stranger := w.deployment(t, "other", "main", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: stranger.ID, Element: "web", Identifier: "app", Label: "web-main-other"})
	})
	add := func(project, name string) error {
		_, err := w.owner.AddProjectDomain(ctx, project, name)
		return err
	}
	prove := func(project, name string) {
		t.Helper()
		m := w.projectDomain(t, project, "*."+name)
		dns["any."+name] = control.DNS{Seen: serverAt, Texts: []string{m.Records[len(m.Records)-1].Value}}
		if got := must[berth.Domain](t)(w.owner.CheckProjectDomain(ctx, project, name)); !got.Proven {
			t.Errorf("%+v", got)
		}
	}
	for _, name := range []string{"base.test", "x.base.test", "test", "10.0.0.1", "a b.test", "*.*.test", "localhost", strings.Repeat("a.", 100) + "test"} {
		mustFail(t, add("shop", name), berth.EInvalid, "")
	}
	for _, project := range []string{"shop", "other"} { // whoever proves it first has it
		if err := add(project, map[string]string{"shop": "apps.example.com", "other": "example.com"}[project]); err != nil {
			t.Fatal(err)
		}
	}
	mustFail(t, add("other", "apps.example.com"), berth.EConflict, "somebody on this server")
	prove("shop", "apps.example.com")
	m := w.projectDomain(t, "other", "*.example.com")
	dns["any.example.com"] = control.DNS{Seen: serverAt, Texts: []string{m.Records[len(m.Records)-1].Value}}
	if got := must[berth.Domain](t)(w.owner.CheckProjectDomain(ctx, "other", "example.com")); got.Proven || !strings.Contains(got.Message, "somebody on this server") {
		t.Errorf("all below a name of which another project has some: %+v", got)
	}
	for _, name := range []string{"apps.example.com", "x.apps.example.com", "x.y.apps.example.com"} {
		_, err := w.owner.AddDomain(ctx, stranger.Slug, berth.NewDomain{Name: name})
		mustFail(t, err, berth.EConflict, "somebody on this server has the domain "+name)
	}
	w.shopDomain(t, d, "apps.example.com") // its own project's

	dns["free.example.org"] = control.DNS{Seen: serverAt}
	must[berth.Domain](t)(w.owner.AddDomain(ctx, stranger.Slug, berth.NewDomain{Name: "free.example.org"}))
	mustFail(t, add("shop", "example.org"), berth.EConflict, "somebody on this server")
	if err := add("other", "example.org"); err != nil {
		t.Error(err)
	}
	viewer := w.As(w.person(t, "vera", berth.RoleNone, d.ProjectID, berth.RoleViewer))
	_, err := viewer.AddProjectDomain(ctx, "shop", "no name")
	mustFail(t, err, berth.EForbidden, "")
	must[[]berth.Domain](t)(viewer.ProjectDomains(ctx, "shop"))
	_, err = viewer.ProjectDomains(ctx, "other")
	mustFail(t, err, berth.ENotFound, "")
}

func TestAProjectsClaimThatNobodyProvesEnds(t *testing.T) {
	w := newWorld(t)
	w.withDNS(t)
	p := w.project(t, "shop")
	must[berth.Domain](t)(w.owner.AddProjectDomain(t.Context(), "shop", "apps.example.com"))
	if ids := must[[]berth.ID](t)(w.WatchedDomains(t.Context())); len(ids) != 1 || ids[0] != p.ID {
		t.Fatalf("watched are %v", ids)
	}
	w.pass(72*time.Hour + time.Second)
	must[time.Duration](t)(w.WatchDomains(t.Context(), p.ID))
	if left := must[[]berth.Domain](t)(w.owner.ProjectDomains(t.Context(), "shop")); len(left) > 0 {
		t.Errorf("left after three days: %+v", left)
	}
	if w.events(t, "domain.expired") != 1 {
		t.Error("nobody is told")
	}
}
