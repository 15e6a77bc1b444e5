package ui

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// made is a route's path with everything made up that it needs.
func made(path, project, deployment string) string {
	return strings.NewReplacer("{$}", "", "{project}", project, "{deployment}", deployment, "{element}", "web", "{build}", string(knownBuild), "{name}", "nodejs", "{page}", "console", "{mail}", "aaaaaaaaaa",
		"{person}", "grace", "{id}", "aaaaaaaaaa").Replace(path)
}

func TestNobodyIsShownAnythingWithoutALogin(t *testing.T) {
	w := newWorld(t)
	w.shop()
	for _, r := range routes() {
		if r.open {
			continue
		}
		v := w.stranger()
		request := v.request(r.method, made(r.path, "shop", "main-shop"), url.Values{formField: {"made up"}})
		got := v.do(request)
		if to := got.header.Get("Location"); got.status == http.StatusSeeOther && strings.HasPrefix(to, "/login") && r.method == http.MethodGet {
			continue
		}
		if got.status != http.StatusUnauthorized || strings.Contains(got.body, "acme") {
			t.Errorf("%s %s says %d: %.300s", r.method, r.path, got.status, got.body)
		}
	}
}

func TestWhatIsForeignIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.person("eve", berth.RoleNone))
	for _, r := range routes() {
		if !strings.Contains(r.path, "{project}") && !strings.Contains(r.path, "{deployment}") {
			continue
		}
		foreign, missing := v.ask(r, made(r.path, "shop", "main-shop")), v.ask(r, made(r.path, "nothing", "no-such"))
		if foreign.status != http.StatusNotFound || missing.status != http.StatusNotFound {
			t.Errorf("%s %s: foreign %d, missing %d", r.method, r.path, foreign.status, missing.status)
		}
		if got := strings.NewReplacer("main-shop", "X", "shop", "X").Replace(foreign.body); strings.Contains(got, "acme") {
			t.Errorf("%s %s shows of what is foreign: %.300s", r.method, r.path, got)
		}
	}
	if page := v.get("/"); strings.Contains(page.body, "acme") || page.status != http.StatusOK {
		t.Errorf("the first page of a stranger to all projects: %d %s", page.status, page.body)
	}
}

// ask makes a request to a route with a form that is well-formed where it takes one.
func (v *visitor) ask(r route, path string) answer {
	v.t.Helper()
	if r.method == http.MethodPost {
		return v.send(path, url.Values{"name": {"other"}, "typed": {"main-shop"}, "element": {"web"}, "to": {"next-shop"}, "own": {"1"}, "role": {"viewer"}, "branch": {"main"}, "after": {"2h"}, "password": {"long enough"}, "text": {"diploiVersion: 1\n"}, "stage": {"staging"}, "size": {"M"}})
	}
	return v.get(path)
}

func TestAViewerSeesEveryPageAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.person("grace", berth.RoleViewer))
	for _, r := range routes() {
		if r.open || r.path == "/logout" {
			continue
		}
		path := made(r.path, "shop", "main-shop")
		switch got := v.ask(r, path); {
		case r.method == http.MethodGet && got.status != http.StatusOK && !forWorkers[r.path]:
			t.Errorf("GET %s says %d to a viewer: %s", path, got.status, got.body)
		case r.method == http.MethodGet && forWorkers[r.path] && got.status != http.StatusForbidden:
			t.Errorf("GET %s says %d to a viewer, who has no business there", path, got.status)
		case r.method == http.MethodPost && got.status != http.StatusForbidden && !ownBusiness[r.path]:
			t.Errorf("POST %s says %d to a viewer: %s", path, got.status, got.body)
		}
	}
	if page := v.get("/deployments/main-shop"); strings.Contains(page.body, "/restart") || !strings.Contains(page.body, "You can look at everything here") {
		t.Error("a viewer is offered what is refused, or not told why nothing is offered")
	}
}

// ownBusiness are deeds that concern nobody but who does them.
var ownBusiness = map[string]bool{
	"/profile/password": true, "/profile/logins/others": true, "/profile/logins/{id}": true, "/profile/tokens": true, "/profile/tokens/{id}": true,
	"/profile/keys": true, "/profile/keys/remove": true,
}

// forWorkers are pages that only somebody who changes things has.
var forWorkers = map[string]bool{"/deployments/{deployment}/terminal/socket": true,
	"/deployments/{deployment}/mail": true, "/deployments/{deployment}/mail/{mail}": true}

func TestAFormIsTakenOnlyFromOurOwnPageOfTheSameLogin(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.owner())
	other := w.visits(w.person("grace", berth.RoleOwner))
	for _, r := range routes() {
		if r.method != http.MethodPost {
			continue
		}
		path := made(r.path, "shop", "main-shop")
		for name, spoil := range map[string]func(*http.Request){
			"a sibling host": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"another origin": func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://web.apps.example.com")
			},
			"an origin unsaid":     func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Del("Origin") },
			"an origin that is no": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		} {
			request := v.request(r.method, path, url.Values{formField: {v.proof}})
			spoil(request)
			if got := v.do(request); got.status != http.StatusForbidden {
				t.Errorf("%s from %s: %d", path, name, got.status)
			}
		}
		if r.open {
			continue
		}
		for name, proof := range map[string]string{"no": "", "a wrong": "nonsense", "another login's": other.proof} {
			if got := v.send(path, url.Values{formField: {proof}}); got.status != http.StatusForbidden {
				t.Errorf("%s with %s proof: %d", path, name, got.status)
			}
		}
	}
	d, err := w.control.As(w.owner()).Deployment(t.Context(), "main-shop")
	if err != nil || d.Desire != berth.DesireRun {
		t.Errorf("something was done after all: %v %v", d.Desire, err)
	}
}

func TestAPageOfAnotherOriginGetsNothingButLinks(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.owner())
	request := v.request(http.MethodGet, "/deployments/main-shop", nil)
	request.Header.Set("Sec-Fetch-Site", "same-site")
	request.Header.Set("Sec-Fetch-Mode", "cors")
	request.Header.Set("Sec-Fetch-Dest", "empty")
	if got := v.do(request); got.status != http.StatusForbidden {
		t.Errorf("a script of a sibling host: %d", got.status)
	}
	request = v.request(http.MethodGet, "/deployments/main-shop", nil)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	request.Header.Set("Sec-Fetch-Dest", "document")
	if got := v.do(request); got.status != http.StatusOK {
		t.Errorf("a link from elsewhere: %d", got.status)
	}
	request.Header.Set("Sec-Fetch-Dest", "iframe")
	if got := v.do(request); got.status != http.StatusForbidden {
		t.Errorf("a frame elsewhere: %d", got.status)
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	w := newWorld(t)
	v := w.visits(w.owner())
	for _, path := range []string{"/", "/login", "/deployments/none", "/assets/none", "/nowhere", "/places"} {
		got := v.get(path)
		if p := got.header.Get("Content-Security-Policy"); p != policy || strings.Contains(p, "unsafe") {
			t.Errorf("%s has the policy %q", path, p)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || path != "/assets/none" && got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, got.header)
		}
		if strings.Contains(got.body, "<style") || strings.Contains(got.body, " style=") || strings.Contains(got.body, " onclick=") {
			t.Errorf("%s has style or script in itself", path)
		}
	}
}

func TestALoginLinkIsUsedOnceAndItsCookieIsForThisHostAlone(t *testing.T) {
	w := newWorld(t)
	owner := w.owner()
	w.visits(owner) // who has set the server up
	link, err := w.control.As(owner).CreateLoginLink(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	v := w.stranger()
	got := v.send("/login", url.Values{"link": {link.URL.Reveal()}, "to": {"/projects/shop?x=1"}})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/projects/shop?x=1" {
		t.Fatalf("%d to %q", got.status, got.header.Get("Location"))
	}
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-berth=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(cookie, want) || strings.Contains(cookie, "Domain") {
			t.Errorf("cookie %q", cookie)
		}
	}
	if again := w.stranger().send("/login", url.Values{"link": {link.URL.Reveal()}}); again.status < 400 || again.header.Get("Set-Cookie") != "" {
		t.Errorf("a used link: %d %q", again.status, again.header.Get("Set-Cookie"))
	}
	for _, away := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "evil"} {
		if to := within(away); to != "/" {
			t.Errorf("after the login it goes to %q", to)
		}
	}
}

func TestLoggingOutEndsTheLoginItself(t *testing.T) {
	w := newWorld(t)
	v := w.visits(w.owner())
	kept := v.request(http.MethodGet, "/", nil)
	for _, c := range v.client.Jar.Cookies(kept.URL) {
		kept.AddCookie(c)
	}
	if got := v.send("/logout", nil); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := w.stranger().do(kept); got.status != http.StatusSeeOther || got.header.Get("Location") != "/login" {
		t.Errorf("a cookie that somebody kept: %d", got.status)
	}
}

func TestWhoSetsTheServerUpChoosesNameAndPassword(t *testing.T) {
	w := newWorld(t)
	link, err := w.control.As(w.owner()).CreateLoginLink(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	v := w.stranger()
	if got := v.send("/login", url.Values{"link": {link.URL.Reveal()}}); got.status != http.StatusOK || !strings.Contains(got.body, "Welcome to Berth") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	choice := url.Values{"link": {link.URL.Reveal()}, "name": {"grace"}, "password": {"short"}}
	if got := v.send("/enter", choice); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "Welcome to Berth") {
		t.Fatalf("a short password: %d %s", got.status, got.body)
	}
	choice.Set("password", "long enough to keep")
	if got := v.send("/enter", choice); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.body)
	}
	other := w.stranger()
	if got := other.send("/login/password", url.Values{"name": {"grace"}, "password": {"something else"}}); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "<form") {
		t.Errorf("a wrong password: %d %s", got.status, got.body)
	}
	if got := other.send("/login/password", url.Values{"name": {"grace"}, "password": {"long enough to keep"}, "to": {"/places"}}); got.header.Get("Location") != "/places" {
		t.Errorf("the password: %d %s", got.status, got.body)
	}
}

const hostile = `<img src=x onerror=alert(1)>"'><script>alert(2)</script>`

func TestWhatOthersWroteIsText(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	p := berth.Project{ID: berth.NewID(), Name: "shop", GitURL: "https://example.com/" + hostile, DefaultBranch: hostile, CreatedAt: now,
		Access: berth.Access{Waiting: hostile, DeployKey: hostile, KeyPage: hostile},
		Stages: []berth.Stage{{Identifier: hostile, Name: hostile, Kind: berth.KindBuild, Branch: hostile}}}
	w.update(func(tx *sqlite.Tx) error { return tx.CreateProject(p) })
	d := w.deployed(p, "main", "production", berth.PhaseFailed)
	w.update(func(tx *sqlite.Tx) error {
		d.Branch = hostile
		if err := tx.UpdateDeployment(d); err != nil {
			return err
		}
		if _, err := tx.CreateRelease(berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseFailed, Commit: hostile, Cause: hostile, Message: hostile, CreatedAt: now,
			Elements: []berth.ReleaseElement{{Identifier: "web", Parameters: []berth.Parameter{{Name: "A", Value: hostile, Origin: hostile}}}}}); err != nil {
			return err
		}
		if err := tx.PutObserved(d.ID, berth.Observed{Elements: []berth.ElementStatus{{Identifier: hostile, Kind: hostile, Reason: hostile, Message: hostile,
			Instances: []berth.InstanceStatus{{ID: hostile, Message: hostile}}}}}); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Deployment: d.ID, Slug: d.Slug, Person: hostile, Kind: hostile, Message: hostile})
	})
	v := w.visits(w.owner())
	for _, r := range routes() {
		if r.method != http.MethodGet || r.open {
			continue
		}
		got := v.get(made(r.path, "shop", "main-shop"))
		if file := strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment"); file && got.header.Get("Content-Type") == "text/plain; charset=utf-8" {
			continue // a file, and no browser takes it for anything else
		}
		if strings.Contains(got.body, "<img src=x") || strings.Contains(got.body, "<script>alert") || strings.Contains(got.header.Get("Content-Type"), "html") && strings.Contains(got.body, `"'>`) {
			t.Errorf("%s shows markup of others:\n%s", r.path, got.body)
		}
	}
	if got := v.get("/deployments/main-shop"); !strings.Contains(got.body, "&lt;img src=x onerror=alert(1)&gt;") {
		t.Errorf("it is not shown as text either: %s", got.body)
	}
}

// listens opens a page's live region and returns its events, one by one, until ctx ends.
func (v *visitor) listens(ctx context.Context, path string) <-chan string {
	v.t.Helper()
	request := v.request(http.MethodGet, path+"?"+buildField+"=test", nil).WithContext(ctx)
	request.Header.Set("Accept", "text/event-stream")
	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	next := make(chan string)
	go func() {
		defer close(next)
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		var event strings.Builder
		for lines.Scan() {
			if event.WriteString(lines.Text() + "\n"); lines.Text() != "" {
				continue
			}
			select {
			case next <- event.String():
			case <-ctx.Done():
				return
			}
			event.Reset()
		}
	}()
	return next
}

func TestAPageLooksAgainForWhatNobodyAnnounces(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.unled.Store(true)
	v := w.visits(w.owner())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	next := v.listens(ctx, "/deployments/main-shop/releases")
	if first := <-next; !strings.Contains(first, "about to be led") {
		t.Fatalf("it begins with %.300q", first)
	}
	w.unled.Store(false)
	if event, ok := <-next; !ok || strings.Contains(event, "about to be led") {
		t.Errorf("then comes %.300q", event)
	}
}

func TestAPageShowsWhatChangesWhileItIsOpen(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.owner())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	next := v.listens(ctx, "/deployments/main-shop")
	if first := <-next; !strings.HasPrefix(first, "event: region\ndata: ") || !strings.Contains(first, "Running") {
		t.Fatalf("it begins with %.300q", first)
	}
	if got := v.send("/deployments/main-shop/stop", nil); got.status != http.StatusSeeOther {
		t.Fatalf("stop: %d %s", got.status, got.body)
	}
	for event := range next {
		if strings.Contains(event, "Stopped") {
			break
		}
	}
	// A login that ended hears no more: the page loads itself anew, and is asked who it is.
	if got := v.send("/logout", nil); got.status != http.StatusSeeOther {
		t.Fatal(got.status)
	}
	for event := range next {
		if strings.HasPrefix(event, "event: reload") {
			return
		}
	}
	t.Error("a stream goes on after its login has ended")
}

func TestDeletingAsksForTheName(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.owner())
	if got := v.send("/deployments/main-shop/delete", url.Values{"typed": {"main"}}); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "Type main-shop to delete it") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := v.send("/deployments/main-shop/delete", url.Values{"typed": {"main-shop"}}); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.body)
	}
	if d, err := w.control.As(w.owner()).Deployment(t.Context(), "main-shop"); err != nil || d.Phase != berth.PhaseDeleting {
		t.Errorf("%v %v", d.Phase, err)
	}
}

// A name that comes from the project's domain is shown with the deployment's own, and is nobody's to remove there.
func TestNamesOfAProjectsDomainAreShownWithoutTools(t *testing.T) {
	w := newWorld(t)
	w.shop()
	w.update(func(tx *sqlite.Tx) error {
		d, err := tx.Deployment(berth.Everything(), "main-shop")
		if err != nil {
			return err
		}
		if err := tx.AddDomain(berth.Domain{Name: "*.team.example", ProjectID: d.ProjectID, Proven: true}); err != nil {
			return err
		}
		next := d
		next.ID, next.Name, next.Slug, next.CreatedAt = berth.NewID(), "late", "late-shop", tx.Now()
		return errors.Join(tx.CreateDeployment(next), tx.AddHost(berth.Host{Deployment: next.ID, Element: "web", Identifier: "app", Label: "web-late-shop"}))
	})
	page := w.visits(w.owner()).get("/deployments/late-shop/domains")
	if !strings.Contains(page.body, "https://web-late-shop.team.example") || !strings.Contains(page.body, "From the project") || strings.Contains(page.body, "/domains/delete") {
		t.Errorf("%d %s", page.status, page.body)
	}
	if other := w.visits(w.owner()).get("/deployments/main-shop/domains"); strings.Contains(other.body, "team.example") {
		t.Error("a deployment that was there before has a name below it")
	}
}
