//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestRollout rolls an application of three elements out again and again, and lets releases fail in four ways,
// while requests come at a constant rate whether the answers to earlier ones have come or not.
func TestRollout(t *testing.T) {
	prepareImages(t) // alone: beside tests that kill engines its latencies would say nothing
	r := newRollouts(t)
	for n := range rounds(3) {
		r.rollOut(n + 1)
	}
	r.failing()
	r.load.stop()
	r.account()
	r.report.write(t)
}

const (
	rolloutSlug    = "live-rolling"
	rolloutStandby = 25 * time.Second // longer than what ends by itself lives
)

// rollouts is TestRollout's state.
type rollouts struct {
	t       *testing.T
	server  *server
	source  string
	load    *load
	report  report
	sockets int
}

func newRollouts(t *testing.T) *rollouts {
	dir, err := os.MkdirTemp("", "berth-rollout-")
	if err != nil {
		t.Fatal(err)
	}
	rate, sockets, drainLimit := 60, 10, 8*time.Second
	if os.Getenv("BERTH_SOAK") != "" {
		rate, sockets, drainLimit = 500, 50, 20*time.Second
	}
	if n, err := strconv.Atoi(os.Getenv("BERTH_RATE")); err == nil && n > 0 {
		rate = n // for a machine that has no cores for the clients too
	}
	r := &rollouts{t: t, source: filepath.Join(dir, "app"), sockets: sockets}
	r.report = newReport("rollout", fmt.Sprintf("web and api in two replicas and ledger with a volume of its own, under %d requests a second at a constant rate: half on new connections, "+
		"half POST, over HTTP/1.1 and HTTP/2, without retries. Latency counts from when a request was due. %d WebSockets are opened before each rollout and live on to the drain limit of %s. "+
		"In the end releases fail in four ways, and every POST has been written down once.", rate, sockets, drainLimit),
		"requests", "failed", "p50", "p99", "longest", "deployed in", "WebSockets closed after")
	if err := os.CopyFS(r.source, os.DirFS("testdata/rollout")); err != nil {
		t.Fatal(err)
	}
	if r.server, err = newServer(shared.bin, filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	r.server.standby, r.server.flags = rolloutStandby.String(), []string{"--drain", drainLimit.String()}
	t.Cleanup(func() {
		if r.load != nil {
			r.load.stop()
		}
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", r.server.tail())
		}
		err := errors.Join(r.server.ensure(), r.server.deleteEverything(), r.server.stop(syscall.SIGTERM), os.RemoveAll(dir))
		if err != nil {
			t.Error(err)
		}
	})
	if err := r.server.start(); err != nil {
		t.Fatal(err)
	}
	must(t, r.server, "project", "create", "rolling", "--dir", r.source)
	must(t, r.server, "create", "rolling", "--name", "live", "--stage", "production", "--wait")
	r.load = newLoad(t, r.server, fmt.Sprintf("https://web-%s.berth.localhost:%d", rolloutSlug, r.server.https), rate, r.report.seed)
	return r
}

func (r *rollouts) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.source, name), []byte(content+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// push commits what was written: production follows the branch.
func (r *rollouts) push() {
	r.t.Helper()
	must(r.t, r.server, "project", "update", "rolling", "--dir", r.source)
}

type releaseSeen struct {
	Revision       int
	State, Message string
}

func (r *rollouts) releases() (all []releaseSeen) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(must(r.t, r.server, "releases", rolloutSlug, "--json")), &all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// edition fails unless the page is that of an edition.
func (r *rollouts) edition(want string) error {
	got, err := r.load.get("/")
	if err == nil && got != want {
		err = fmt.Errorf("the page is %q, want %q", got, want)
	}
	return err
}

// ledger is the container id of the element with a volume.
func (r *rollouts) ledger() string {
	r.t.Helper()
	out, err := exec.Command("docker", "ps", "--no-trunc", "--quiet", "--filter", "label=sh.berth.element=ledger",
		"--filter", "label=sh.berth.deployment="+r.id()).Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (r *rollouts) id() string {
	r.t.Helper()
	var d struct{ ID string }
	if err := json.Unmarshal([]byte(must(r.t, r.server, "show", rolloutSlug, "--json")), &d); err != nil {
		r.t.Fatal(err)
	}
	return d.ID
}

// rollOut deploys another edition of web and api under load.
func (r *rollouts) rollOut(n int) {
	r.t.Helper()
	edition := fmt.Sprintf("edition %d", n)
	r.write("web/edition.txt", edition)
	r.write("api/edition.txt", edition)
	before := r.ledger()
	if before == "" {
		r.t.Fatal("the ledger has no container")
	}
	sockets := r.load.openSockets(r.sockets)
	r.load.mark()
	slow := make(chan error, 1)
	began := time.Now()
	r.push()
	go func() {
		got, err := r.load.get("/slow")
		if err == nil && !strings.HasPrefix(got, "slow edition") {
			err = fmt.Errorf("the slow answer is %q", got)
		}
		slow <- err
	}()
	eventually(r.t, 3*time.Minute, func() error { return r.edition(edition) })
	took := time.Since(began)
	if err := <-slow; err != nil {
		r.t.Errorf("round %d: a request of 8 s in flight: %v", n, err)
	}
	closed := sockets.closed(r.t)
	if after := r.ledger(); after != before {
		r.t.Errorf("round %d: the ledger's container was %.12s and is %.12s", n, before, after)
	}
	s := r.load.since()
	r.report.row(n, fmt.Sprint(s.requests), fmt.Sprint(s.failed), milliseconds(s.at(0.5)), milliseconds(s.at(0.99)), milliseconds(s.at(1)), seconds(took), seconds(closed))
	r.load.check(fmt.Sprintf("round %d", n))
}

// failing lets a release fail in each way. What served before serves on, and says nothing of it.
func (r *rollouts) failing() {
	r.t.Helper()
	serving := r.servingRevision()
	page, err := r.load.get("/")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range []struct {
		name, file, content, why string
		inHand                   int
	}{
		{"it never becomes ready", "web/mood.txt", "never ready", `^web was not ready 20s after its start`, 0},
		{"it ends after 10 s", "web/mood.txt", "ends after 10 s", `serves again`, 2},
		{"its migration fails", "api/migration.txt", "broken", `^the pre-deploy command of api failed: exited with code 7\n  \| release `, 0},
		{"its second element ends", "api/mood.txt", "ends at once", `^api ended \d+ times while starting: exited with code 5`, 0},
	} {
		r.load.mark()
		r.write(c.file, c.content)
		r.push()
		eventually(r.t, 3*time.Minute, func() error {
			newest := r.releases()[0]
			if newest.State != "failed" || !regexp.MustCompile(c.why).MatchString(newest.Message) {
				return fmt.Errorf("%s: release %d is %s: %s", c.name, newest.Revision, newest.State, newest.Message)
			}
			return nil
		})
		if got := r.servingRevision(); got != serving {
			r.t.Errorf("%s: release %d serves, want %d", c.name, got, serving)
		}
		eventually(r.t, 30*time.Second, func() error { return errors.Join(r.edition(page), isRunning(r.server, rolloutSlug)) })
		if n := r.load.forgiveInHand(c.inHand); n > 0 {
			r.t.Logf("%s: %d POSTs of %d requests were in its hands when it ended", c.name, n, r.load.since().requests)
		}
		r.load.check(c.name)
		r.write(c.file, "fine")
	}
}

func (r *rollouts) servingRevision() int {
	r.t.Helper()
	for _, one := range r.releases() {
		if one.State == "serving" {
			return one.Revision
		}
	}
	return 0
}

// account compares what was answered with what was written down.
func (r *rollouts) account() {
	r.t.Helper()
	written := map[string]int{}
	out := must(r.t, r.server, "exec", rolloutSlug, "ledger", "--", "cat", "/book/ids")
	for id := range strings.Lines(out) {
		written[strings.TrimSpace(id)]++
	}
	for _, id := range r.load.inHand {
		if written[id] > 1 {
			r.t.Errorf("POST %s, which ended with what had taken it, is written down %d times", id, written[id])
		}
		delete(written, id)
	}
	posted := r.load.postedIDs()
	for _, id := range posted {
		if written[id] != 1 {
			r.t.Errorf("POST %s is written down %d times", id, written[id])
		}
	}
	if len(posted) == 0 || len(written) != len(posted) {
		r.t.Errorf("%d POSTs were answered, %d are written down", len(posted), len(written))
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// load asks at a constant rate, whatever becomes of the answers.
type load struct {
	t       *testing.T
	url     string
	clients [4]*http.Client // new connections and kept ones of HTTP/1.1, then of HTTP/2
	random  *rand.Rand
	ask     context.CancelFunc
	ended   chan struct{}
	flights sync.WaitGroup
	number  atomic.Int64

	mu       sync.Mutex
	took     []time.Duration // since mark
	failures []failure
	posted   []string
	inHand   []string // POSTs that ended with the process that had taken them: written down or not
}

type failure struct{ id, what string }

func newLoad(t *testing.T, s *server, url string, rate int, seed uint64) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, url: url, ask: cancel, ended: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 1))}
	for n := range l.clients {
		c := clientOf(t, s)
		c.Timeout = 30 * time.Second
		transport := c.Transport.(*http.Transport)
		transport.DisableKeepAlives, transport.MaxIdleConnsPerHost = n%2 == 0, 64
		transport.ForceAttemptHTTP2 = n >= 2
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0) // as browsers do
		if n < 2 {
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		l.clients[n] = c
	}
	if _, err := l.get("/"); err != nil {
		t.Fatal(err)
	}
	go l.run(ctx, time.Second/time.Duration(rate))
	return l
}

func (l *load) run(ctx context.Context, every time.Duration) {
	defer close(l.ended)
	for due := time.Now(); ctx.Err() == nil; due = due.Add(every) {
		time.Sleep(time.Until(due))
		n, kind := l.number.Add(1), l.random.IntN(8)
		l.flights.Add(1)
		go func() {
			defer l.flights.Done()
			l.one(n, due, l.clients[kind%4], kind >= 4)
		}()
	}
}

// one asks once, and notes what became of it.
func (l *load) one(n int64, due time.Time, c *http.Client, post bool) {
	method, path, id := http.MethodGet, "/", ""
	if post {
		id = fmt.Sprintf("n%d", n)
		method, path = http.MethodPost, "/post?id="+id
	}
	body, err := l.do(c, method, path)
	if err == nil && post && body != "written" {
		err = fmt.Errorf("the answer is %q", body)
	}
	took := time.Since(due)
	if err == nil && took > 15*time.Second {
		err = fmt.Errorf("it took %s", took)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
	switch {
	case err != nil:
		l.failures = append(l.failures, failure{id, fmt.Sprintf("%s %s %s (due %s): %v", method, path, c.Transport.(*http.Transport).TLSClientConfig.NextProtos, due.Format("15:04:05.000"), err)})
	case post:
		l.posted = append(l.posted, id)
	}
}

// do asks without a second try, and says when the transport took one by itself.
func (l *load) do(c *http.Client, method, path string) (string, error) {
	var sent atomic.Int32
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{WroteHeaders: func() { sent.Add(1) }})
	request, err := http.NewRequestWithContext(ctx, method, l.url+path, nil)
	if err != nil {
		return "", err
	}
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", err
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s: %s", response.Status, page(body))
	case sent.Load() > 1:
		return "", fmt.Errorf("the client asked %d times", sent.Load())
	}
	return string(body), nil
}

// page is what a page says, without its looks.
func page(body []byte) string {
	_, main, found := strings.Cut(string(body), "<main")
	if !found {
		main = string(body)
	}
	return fmt.Sprintf("%.500s", strings.Join(strings.Fields(main), " "))
}

func (l *load) get(path string) (string, error) { return l.do(l.clients[0], http.MethodGet, path) }

// stop waits for the answers to what was asked. Idempotent.
func (l *load) stop() {
	l.ask()
	<-l.ended
	l.flights.Wait()
}

// sample is what came back since mark.
type sample struct {
	requests, failed int
	took             []time.Duration // sorted
}

func (s sample) at(quantile float64) time.Duration {
	if len(s.took) == 0 {
		return 0
	}
	return s.took[int(quantile*float64(len(s.took)-1))]
}

func (l *load) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = nil
}

func (l *load) since() sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sample{requests: len(l.took), failed: len(l.failures), took: slices.Sorted(slices.Values(l.took))}
}

// check reports what failed since the last check.
func (l *load) check(when string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, one := range l.failures {
		if n == 10 {
			l.t.Errorf("%s: and %d more", when, len(l.failures)-n)
			break
		}
		l.t.Errorf("%s: %s", when, one.what)
	}
	l.failures = nil
}

// forgiveInHand forgets of at most so many POSTs that they failed because the process that had taken them ended
// by itself. Nobody can save those: sent again, they could be written down twice.
func (l *load) forgiveInHand(most int) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = slices.DeleteFunc(l.failures, func(one failure) bool {
		wasInHand := n < most && one.id != "" && strings.Contains(one.what, "502 Bad Gateway") && strings.Contains(one.what, "It closed the connection before it had answered.")
		if wasInHand {
			l.inHand = append(l.inHand, one.id)
			n++
		}
		return wasInHand
	})
	return n
}

func (l *load) postedIDs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.posted)
}

// sockets are WebSockets that echo until they are closed.
type sockets struct{ ends chan socketEnd }

type socketEnd struct {
	echoes int
	after  time.Duration
	err    error
}

// openSockets opens n, all at once when it returns.
func (l *load) openSockets(n int) *sockets {
	l.t.Helper()
	s := &sockets{ends: make(chan socketEnd, n)}
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		c, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(l.url, "https")+"/echo", &websocket.DialOptions{HTTPClient: &http.Client{Transport: l.clients[0].Transport}})
		if err != nil {
			cancel()
			l.t.Fatalf("open a WebSocket: %v", err)
		}
		go func() {
			defer cancel()
			s.ends <- echo(ctx, c)
		}()
	}
	return s
}

// echo sends and expects a text every 100 ms until the other side closes.
func echo(ctx context.Context, c *websocket.Conn) (end socketEnd) {
	defer c.CloseNow()
	began := time.Now()
	for {
		text := fmt.Sprint("echo ", end.echoes)
		err := c.Write(ctx, websocket.MessageText, []byte(text))
		var got []byte
		if err == nil {
			_, got, err = c.Read(ctx)
		}
		if err != nil {
			end.after, end.err = time.Since(began), err
			return end
		}
		if string(got) != text {
			end.err = fmt.Errorf("the echo of %q is %q", text, got)
			return end
		}
		end.echoes++
		time.Sleep(100 * time.Millisecond)
	}
}

// closed waits until all are, and checks that each was with a code that says why.
func (s *sockets) closed(t *testing.T) (longest time.Duration) {
	t.Helper()
	wrong := map[string]int{}
	for range cap(s.ends) {
		select {
		case end := <-s.ends:
			longest = max(longest, end.after)
			if code := websocket.CloseStatus(end.err); code != websocket.StatusGoingAway && code != websocket.StatusServiceRestart {
				wrong[fmt.Sprintf("after %d echoes: %v", end.echoes, end.err)]++
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("a WebSocket of a replaced instance is open two minutes after its replacement serves")
		}
	}
	for what, n := range maps.All(wrong) {
		t.Errorf("%d WebSockets ended otherwise than with 1001 or 1012: %s", n, what)
	}
	return longest
}
