//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// browser is a real Chromium with one page, started at its first use in a scenario.
type browser struct {
	page context.Context

	mu       sync.Mutex
	sockets  []string          // URLs of the WebSockets that pages opened
	requests map[string]string // URLs by id, of what was not yet answered
	failures []string          // requests that came to nothing
}

const browserPatience = 30 * time.Second

// browserCommand does what a visitor does, and looks at what a visitor sees:
//
//	browser fresh              a new one, with a profile that nobody has used; it trusts whom the home trusts
//	[!] browser open URL       negated: the browser warns of the certificate instead
//	browser type SELECTOR TEXT
//	browser keys TEXT          types it and Enter into what has the focus
//	browser click SELECTOR
//	[!] browser see TEXT       waits until the page shows it
//	browser mark               leaves a mark that only a reload takes away
//	[!] browser marked
//	browser keepsout           looks with axe-core for what keeps people out, in both themes, on a phone and a desk
//	browser sockets URL        every WebSocket so far, of at least one, was opened below this URL
func browserCommand(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value(browserKey{}).(*browser)
	if len(args) == 0 {
		ts.Fatalf("usage: browser VERB …")
	}
	if b.page == nil && args[0] != "fresh" {
		trustServer(ts)
		b.start(ts)
	}
	if args[0] == "fresh" {
		b.start(ts)
		return
	}
	ctx, cancel := context.WithTimeout(b.page, browserPatience)
	defer cancel()
	text := strings.Join(args[1:], " ")
	switch args[0] {
	case "open":
		err := chromedp.Do(ctx, chromedp.Navigate(text))
		if warned := err != nil && strings.Contains(err.Error(), "ERR_CERT"); warned != neg {
			ts.Fatalf("open %s (negated: %v): %v", text, neg, err)
		}
		if !neg {
			ts.Check(err)
		}
	case "type":
		ts.Check(chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS(args[1]), strings.Join(args[2:], " "))))
	case "keys":
		ts.Check(chromedp.Do(ctx, chromedp.KeyEvent(text+kb.Enter)))
	case "keepsout":
		found, err := b.keepsOut(ctx, filepath.Join(ts.Getenv("ROOT"), axeScript))
		ts.Check(err)
		if len(found) > 0 {
			ts.Fatalf("this page keeps people out:\n%s", strings.Join(found, "\n"))
		}
	case "click":
		ts.Check(chromedp.Do(ctx, chromedp.Click(chromedp.CSS(text))))
	case "see":
		if err := b.see(ctx, text, !neg); err != nil {
			ts.Fatalf("see %q (negated: %v): %v\n%s", text, neg, err, b.text())
		}
	case "mark":
		ts.Check(chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`window.berthMark = true`)))
	case "marked":
		marked, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`window.berthMark === true`))
		ts.Check(err)
		if marked == neg {
			ts.Fatalf("the page has its mark: %v", marked)
		}
	case "sockets":
		b.mu.Lock()
		defer b.mu.Unlock()
		other := func(url string) bool { return !strings.HasPrefix(url, text+"/") }
		if len(b.sockets) == 0 || slices.ContainsFunc(b.sockets, other) {
			ts.Fatalf("the page's WebSockets are %q, not all below %s", b.sockets, text)
		}
	default:
		ts.Fatalf("there is no browser %s", args[0])
	}
}

// see waits until the page's text has, or has no longer, what is asked for, whatever page comes meanwhile.
func (b *browser) see(ctx context.Context, text string, want bool) error {
	for {
		err := chromedp.Do(ctx, chromedp.PollFunction[chromedp.Void](
			`(text, want) => document.body !== null && document.body.innerText.includes(text) === want`, chromedp.WithPollingArgs(text, want)))
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// text is all that the page shows and what did not reach it, for failures.
func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.page, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return text + "\n" + strings.Join(b.failures, "\n")
}

// note keeps what is worth knowing of the page's network.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventWebSocketCreated:
		b.sockets = append(b.sockets, e.URL)
	case *network.EventRequestWillBeSent:
		b.requests[string(e.RequestID)] = e.Request.Method + " " + e.Request.URL
	case *network.EventLoadingFailed:
		b.failures = append(b.failures, b.requests[string(e.RequestID)]+": "+e.ErrorText)
	}
}

// trustServer makes browsers of the scenario's home trust Berth's authority, as a person would by hand.
func trustServer(ts *testscript.TestScript) {
	trusted := filepath.Join(ts.Getenv("HOME"), ".pki", "nssdb")
	ts.Check(os.MkdirAll(trusted, 0o700))
	ts.Check(ts.Exec("certutil", "-d", "sql:"+trusted, "-N", "--empty-password"))
	ts.Check(ts.Exec("certutil", "-d", "sql:"+trusted, "-A", "-t", "C,,", "-n", "berth", "-i", ts.Getenv("CA")))
}

// start opens Chromium in the scenario's home, with a profile that nobody has used.
func (b *browser) start(ts *testscript.TestScript) {
	home := ts.Getenv("HOME")
	profile, err := os.MkdirTemp(home, "chromium-")
	ts.Check(err)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless,
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Env("HOME="+home, "TMPDIR="+home), chromedp.ModifyCmdFunc(inNetwork(ts, ts.Getenv("HTTPS_PORT"))),
		chromedp.Flag("host-resolver-rules", "MAP *.berth.localhost 127.0.0.1"),
	}
	for _, off := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(off, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ts.Defer(cancel)
	page, cancelPage := chromedp.NewContext(allocator)
	ts.Defer(cancelPage)
	ts.Check(chromedp.Do(page)) // starts it
	b.requests = map[string]string{}
	ts.Check(chromedp.Listen(page, b.note))
	_, err = chromedp.Call(page, network.Enable, network.EnableParams{})
	ts.Check(err)
	b.page = page
}

// inNetwork makes a network of the browser's own, in which only the server's port is to be found. On the
// machine's, Chromium gives its requests up whenever an interface comes or goes (ERR_NETWORK_CHANGED),
// and every container brings one.
func inNetwork(ts *testscript.TestScript, port string) func(*exec.Cmd) {
	name := fmt.Sprintf("berth-e2e-%x", rand.Uint64())
	ts.Check(ts.Exec("ip", "netns", "add", name))
	ts.Defer(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ts.Check(ts.Exec("ip", "-netns", name, "link", "set", "lo", "up"))
	l, err := listenIn("/run/netns/"+name, "127.0.0.1:"+port)
	ts.Check(err)
	var relays sync.WaitGroup
	ts.Defer(func() { _ = l.Close(); relays.Wait() })
	relays.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(c, "127.0.0.1:"+port) })
		}
	})
	return func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"ip", "netns", "exec", name, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/sbin/ip"
	}
}

// listenIn listens in another network namespace. The thread that was there ends with its goroutine.
func listenIn(namespace, address string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var file *os.File
		if file, err = os.Open(namespace); err != nil {
			return
		}
		defer func() { _ = file.Close() }()
		if err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", address)
		}
	}()
	<-done
	return l, err
}

// relay passes one connection on until either side ends it.
func relay(from net.Conn, address string) {
	defer func() { _ = from.Close() }()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
}

// axeScript is where npm puts axe-core; see scripts/assets.sh.
const axeScript = "ui/web/node_modules/axe-core/axe.min.js"

// keepsOut asks axe-core what of the page violates WCAG 2.2 AA, in every dress that people see it in.
func (b *browser) keepsOut(ctx context.Context, script string) (found []string, err error) {
	axe, err := os.ReadFile(script)
	if err != nil {
		return nil, fmt.Errorf("scripts/assets.sh has not run: %w", err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](string(axe)+";undefined")); err != nil {
		return nil, err
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 1440} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900)); err != nil {
				return nil, err
			}
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				return nil, err
			}
			violations, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })
				.then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 160)).join(" | ")))`, chromedp.EvalAwaitPromise))
			if err != nil {
				return nil, err
			}
			for _, v := range violations {
				found = append(found, fmt.Sprintf("%s, %d px: %s", theme, width, v))
			}
		}
	}
	return found, nil
}
