//go:build e2e

package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axe is found where npm put it; see scripts/assets.sh.
const axe = "web/node_modules/axe-core/axe.min.js"

// shown are the pages that people look at, by a name for their picture.
func shown() map[string]string {
	return map[string]string{
		"projects": "/", "project": "/projects/shop", "overview": "/deployments/main-shop", "overview-starting": "/deployments/next-shop",
		"overview-failed": "/deployments/main-handbook", "overview-stopped": "/deployments/spike-shop",
		"logs": "/deployments/main-shop/logs", "releases": "/deployments/next-shop/releases", "build": "/deployments/main-shop/builds/" + string(knownBuild),
		"environment": "/deployments/main-shop/environment", "domains": "/deployments/main-shop/domains",
		"new-project": "/projects/new", "file": "/projects/handbook/file", "new-deployment": "/projects/shop/deployments/new", "progress": "/deployments/next-shop/progress",
		"terminal": "/deployments/main-shop/terminal", "mail": "/deployments/main-shop/mail", "one-mail": "/deployments/main-shop/mail/aaaaaaaaaa",
		"people": "/people", "variables": "/projects/shop/variables", "project-settings": "/projects/shop/settings", "members": "/projects/shop/people", "profile": "/profile", "guide": "/guide/environment", "server": "/server", "packages": "/packages", "package": "/packages/nodejs",
		"events": "/deployments/main-shop/events", "settings": "/deployments/main-shop/settings", "missing": "/deployments/none",
	}
}

// chromium is a real browser whose only secret is that it trusts the test's certificate.
func chromium(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.Env("HOME=" + t.TempDir()), chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	tab, close := chromedp.NewContext(allocator)
	t.Cleanup(close)
	if err := chromedp.Do(tab); err != nil {
		t.Fatal(err)
	}
	return tab
}

// logsIn opens a login link, as a person does.
func (w *world) logsIn(tab context.Context, caller berth.Caller) {
	w.t.Helper()
	w.visits(caller) // who comes for the first time is asked more
	link, err := w.control.As(caller).CreateLoginLink(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(link.URL.Reveal(), "#")
	w.opens(tab, "/login#"+fragment)
	w.do(tab, chromedp.WaitVisible(chromedp.CSS(".top")))
}

// loadedWhole is whether a page has all its scripts and styles.
const loadedWhole = `[...document.scripts, ...document.querySelectorAll("link[rel=stylesheet]")].map(e => e.src || e.href)
	.every(url => performance.getEntriesByName(url).some(e => e.responseStatus === 200))`

// opens goes to a page. Chromium gives requests up whenever an interface of the machine comes or goes, and every
// container of other tests brings one: then it goes there again.
func (w *world) opens(tab context.Context, path string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Navigate(w.URL+path))
		if err == nil {
			whole, unsure := chromedp.Run(ctx, chromedp.Evaluate[bool](loadedWhole))
			if whole || unsure != nil && ctx.Err() == nil { // it has gone on to another page already
				return
			}
			err = errors.New("net::ERR_NETWORK_CHANGED of a script or style")
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "ERR_NETWORK_CHANGED") {
			w.t.Fatalf("open %s: %v", path, err)
		}
	}
}

func (w *world) do(tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	for i, a := range actions {
		if err := chromedp.Do(ctx, a); err != nil {
			w.t.Fatalf("step %d: %v", i, err)
		}
	}
}

// dressed makes the page as wide as a screen, and of a theme.
func (w *world) dressed(tab context.Context, theme string, width, height int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height))
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestNoPageKeepsAnybodyOut asks axe-core, light on a phone and dark on a desk, and looks that nothing is wider than the screen.
func TestNoPageKeepsAnybodyOut(t *testing.T) {
	script, err := os.ReadFile(axe)
	if err != nil {
		t.Fatalf("scripts/assets.sh has not run: %v", err)
	}
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	w.logsIn(tab, w.owner())
	for name, path := range shown() {
		for theme, width := range map[string]int64{"light": 360, "dark": 1280} {
			w.dressed(tab, theme, width, 900)
			w.opens(tab, path)
			for _, violation := range w.violations(tab, string(script)) {
				t.Errorf("%s, %s, %d px: %s", name, theme, width, violation)
			}
		}
	}
}

func (w *world) violations(tab context.Context, script string) []string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 60*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](script+";undefined")); err != nil {
		w.t.Fatal(err)
	}
	list, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(async () => {
		const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
		const list = found.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | "));
		const wide = document.documentElement.scrollWidth - innerWidth;
		if (wide > 0) list.push("the page is " + wide + " px wider than the screen: " +
			[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(" | "));
		return list;
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// TestAPageIsReachedByAFewOfItsLetters goes everywhere without a mouse.
func TestAPageIsReachedByAFewOfItsLetters(t *testing.T) {
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	w.logsIn(tab, w.owner())
	w.do(tab, chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.WaitVisible(chromedp.CSS("#palette[open]")),
		chromedp.PollFunction[chromedp.Void](`() => document.querySelectorAll("#palette-list li").length > 3`),
		chromedp.KeyEvent("nxtsh"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("#elements")))
	if at := w.evaluate(tab, `location.pathname`); at != "/deployments/next-shop" {
		t.Errorf("it leads to %s", at)
	}
	// The first press of Tab offers to skip what all pages begin with.
	w.do(tab, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	if at := w.evaluate(tab, `location.hash + document.activeElement.id`); at != "#contentcontent" {
		t.Errorf("the skip link leads to %s", at)
	}
}

func (w *world) evaluate(tab context.Context, script string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// TestAPausedLogLosesNothing looks at the viewer: colours, what is hostile, pausing, finding.
func TestAPausedLogLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	w.logsIn(tab, w.owner())
	sees := func(text string) chromedp.Action[chromedp.Void] {
		return chromedp.PollFunction[chromedp.Void](`text => document.querySelector(".log").textContent.includes(text)`, chromedp.WithPollingArgs(text))
	}
	write := func(text string) {
		select {
		case w.logs.next <- berth.LogLine{Time: time.Now(), Element: "web", Stream: "stdout", Text: text}:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody follows the log")
		}
	}
	w.opens(tab, "/deployments/main-shop/logs")
	w.do(tab, sees("GET /healthz"), sees(hostile))
	if made := w.evaluate(tab, `String(document.querySelectorAll(".log img, .log script").length)`); made != "0" {
		t.Errorf("a line became %s elements", made)
	}
	w.do(tab, chromedp.Click(chromedp.CSS("[data-log-pause]")))
	for i := range 50 {
		write(fmt.Sprintf("while paused %d", i))
	}
	if text := w.evaluate(tab, `document.querySelector(".log").textContent`); strings.Contains(text, "while paused") {
		t.Error("a paused page moves")
	}
	w.do(tab, chromedp.Click(chromedp.CSS("[data-log-pause]")), sees("while paused 0"), sees("while paused 49"))
	w.do(tab, chromedp.SendKeys(chromedp.CSS("#log-find"), "PAUSED 4"))
	if shown := w.evaluate(tab, `[...document.querySelectorAll(".log-line:not(.is-hidden)")].map(l => l.querySelector(".text").textContent).join(", ")`); !strings.HasPrefix(shown, "while paused 4, while paused 40") || strings.Contains(shown, "paused 5") {
		t.Errorf("looking for a few words shows %s", shown)
	}
}

// TestAShellOpensInAPage types into it, under the policy that forbids styles in the page.
func TestAShellOpensInAPage(t *testing.T) {
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	w.logsIn(tab, w.owner())
	w.opens(tab, "/deployments/main-shop/terminal")
	w.do(tab, chromedp.PollFunction[chromedp.Void](`() => document.querySelector(".terminal-box").innerText.includes("app@web-7c1d4")`),
		chromedp.KeyEvent("typed by hand"+kb.Enter),
		chromedp.PollFunction[chromedp.Void](`() => document.querySelector(".terminal-box").innerText.includes("typed by hand")`),
		chromedp.KeyEvent("exit"+kb.Enter),
		chromedp.PollFunction[chromedp.Void](`() => document.querySelector("[data-terminal-state]").innerText === "The shell ended with exit code 7."`))
	if rows := w.evaluate(tab, `getComputedStyle(document.querySelector(".xterm-rows")).fontFamily`); !strings.Contains(rows, "monospace") {
		t.Errorf("its styles are not there: the font is %s", rows)
	}
}

// TestAPageThatHearsNothingSaysSo ends the streams, as a server does that stops.
func TestAPageThatHearsNothingSaysSo(t *testing.T) {
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	w.logsIn(tab, w.owner())
	w.opens(tab, "/deployments/main-shop")
	w.do(tab, chromedp.WaitVisible(chromedp.CSS("#elements")))
	w.console.Close()
	w.do(tab, chromedp.WaitVisible(chromedp.CSS("#stale")))
}

// TestShots writes pictures of the main pages to where BERTH_SHOTS says, for people to look at.
func TestShots(t *testing.T) {
	dir := os.Getenv("BERTH_SHOTS")
	if dir == "" {
		t.Skip("make shots looks at pages")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.shop()
	tab := chromium(t)
	shoot := func(name string) {
		for _, theme := range []string{"light", "dark"} {
			for device, width := range map[string]int64{"phone": 390, "desktop": 1280} {
				w.dressed(tab, theme, width, 844)
				file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", name, theme, device))
				if err := os.WriteFile(file, w.picture(tab), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	w.opens(tab, "/login")
	shoot("login")
	w.logsIn(tab, w.owner())
	for name, path := range shown() {
		if only := os.Getenv("BERTH_SHOTS_ONLY"); only != "" && !strings.Contains(","+only+",", ","+name+",") {
			continue
		}
		w.opens(tab, path)
		w.do(tab, chromedp.PollFunction[chromedp.Void](`() => document.fonts.status === "loaded"`))
		shoot(name)
	}
}

func (w *world) picture(tab context.Context) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(err)
	}
	return png
}
