package docker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// verdict is what is known of a running instance's readiness.
type verdict struct {
	Ready     bool
	Since     time.Time // of being ready
	Reason    string
	Message   string
	Listening []int
}

// prober asks running instances whether they are ready, each in a goroutine of its own that sleeps most
// of the time. Before an instance is ready it is asked often, because people wait for it. After that only
// what is cheap is asked again (a connection or a request, every ten seconds or more); a command is not:
// one costs a tenth of a second of CPU in Docker alone.
type prober struct {
	ctx     context.Context
	engine  *Engine
	running sync.WaitGroup

	mu   sync.Mutex
	byID map[string]*probing
}

// probing is one instance being asked.
type probing struct {
	target  target
	cancel  context.CancelFunc
	first   chan struct{} // closed once there is a first verdict
	verdict verdict
}

// target is what to ask of whom.
type target struct {
	Deployment berth.ID
	Instance   string
	Kind       berth.StageKind
	Started    time.Time
	Names      []string // of the pod's containers, by index
	Checks     []check
	Ports      []int
	Redirects  []redirect
}

func newProber(ctx context.Context, e *Engine) *prober {
	return &prober{ctx: ctx, engine: e, byID: map[string]*probing{}}
}

func (p *prober) wait() { p.running.Wait() }

// follow asks exactly these instances of a deployment from now on.
func (p *prober) follow(id berth.ID, targets []target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[string]target{}
	for _, t := range targets {
		wanted[t.Instance] = t
	}
	for instance, q := range p.byID {
		t, ok := wanted[instance]
		if q.target.Deployment == id && (!ok || !reflect.DeepEqual(t, q.target)) {
			q.cancel()
			delete(p.byID, instance)
		}
	}
	for instance, t := range wanted {
		if p.byID[instance] == nil && p.ctx.Err() == nil {
			p.byID[instance] = p.start(t)
		}
	}
}

func (p *prober) start(t target) *probing {
	ctx, cancel := context.WithCancel(p.ctx)
	q := &probing{target: t, cancel: cancel, first: make(chan struct{}), verdict: verdict{Reason: "Starting", Message: "has just been started"}}
	p.running.Go(func() {
		defer cancel()
		p.ask(ctx, q)
	})
	return q
}

// verdict returns the last one of an instance.
func (p *prober) verdict(instance string) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.byID[instance]; q != nil {
		return q.verdict
	}
	return verdict{Reason: "Starting", Message: "has just been started"}
}

const (
	adoptedAfter = 3 * time.Second // an instance that has run so long was started by an earlier server
	adoptWait    = time.Second
)

// settle waits a moment for the first verdict on instances that an earlier server started, so that those
// that serve are not taken for unready when the server comes back.
func (p *prober) settle(ctx context.Context, targets []target, now time.Time) {
	timeout := time.NewTimer(adoptWait)
	defer timeout.Stop()
	for _, t := range targets {
		p.mu.Lock()
		q := p.byID[t.Instance]
		p.mu.Unlock()
		if q == nil || now.Sub(t.Started) < adoptedAfter {
			continue
		}
		select {
		case <-q.first:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// say records a verdict and hints at it where readiness or its reason changed.
func (p *prober) say(q *probing, v verdict) {
	p.mu.Lock()
	was := q.verdict
	q.verdict = v
	select {
	case <-q.first:
	default:
		close(q.first)
	}
	p.mu.Unlock()
	if was.Ready != v.Ready || was.Message != v.Message {
		p.engine.hints.send(q.target.Deployment)
	}
}

// ask runs for as long as the instance is followed.
func (p *prober) ask(ctx context.Context, q *probing) {
	for ctx.Err() == nil {
		if p.untilReady(ctx, q) {
			p.untilUnready(ctx, q)
		}
	}
}

// untilReady asks until every check succeeded as often as it has to.
func (p *prober) untilReady(ctx context.Context, q *probing) bool {
	t := q.target
	if !p.redirect(ctx, q) {
		return false
	}
	began := time.Now()
	successes := make([]int, len(t.Checks))
	for ctx.Err() == nil {
		var failed *check
		var why error
		for i, k := range t.Checks {
			if successes[i] >= max(1, k.Success) && !k.Again {
				continue
			}
			if why = p.try(ctx, t, k); why != nil {
				successes[i], failed = 0, &t.Checks[i]
				break
			}
			successes[i]++
			if successes[i] < k.Success {
				failed, why = &t.Checks[i], errors.New("has to succeed once more")
				break
			}
		}
		if ctx.Err() != nil {
			return false
		}
		if failed == nil {
			p.say(q, verdict{Ready: true, Since: time.Now()})
			return true
		}
		p.say(q, p.unready(ctx, t, *failed, why))
		if !sleep(ctx, eagerness(time.Since(began), t.Checks)) {
			return false
		}
	}
	return false
}

// redirect sets the Service ports of the pod, before which it does not count as ready.
func (p *prober) redirect(ctx context.Context, q *probing) bool {
	for len(q.target.Redirects) > 0 {
		err := p.engine.setRedirects(ctx, q.target.Instance, q.target.Redirects)
		if err == nil {
			break
		}
		if ctx.Err() != nil || errors.Is(err, engine.ErrNoInstance) {
			sleep(ctx, time.Second)
			return false
		}
		p.engine.log.Error("set service ports", "instance", q.target.Instance, "error", err)
		p.say(q, verdict{Reason: "Starting", Message: "its Service ports cannot be set: " + err.Error()})
		if !sleep(ctx, 2*time.Second) {
			return false
		}
	}
	return true
}

// eagerness is how long to wait before asking an instance again that is not ready.
func eagerness(waited time.Duration, checks []check) time.Duration {
	costly := false
	for _, k := range checks {
		costly = costly || len(k.Exec) > 0
	}
	switch {
	case waited < 15*time.Second && costly:
		return 400 * time.Millisecond
	case waited < 15*time.Second:
		return 100 * time.Millisecond
	case waited < 2*time.Minute && costly:
		return 2 * time.Second
	case waited < 2*time.Minute:
		return time.Second
	case costly:
		return 15 * time.Second
	}
	return 5 * time.Second
}

const cheapestPeriod = 10 * time.Second

// untilUnready goes on asking what may be asked again, until one check failed as often as it may.
func (p *prober) untilUnready(ctx context.Context, q *probing) {
	var again []check
	period := time.Duration(0)
	for _, k := range q.target.Checks {
		if k.Again && len(k.Exec) == 0 && k.RunFor == 0 {
			again = append(again, k)
			period = max(period, k.Period, cheapestPeriod)
		}
	}
	if len(again) == 0 {
		<-ctx.Done()
		return
	}
	failures := make([]int, len(again))
	for sleep(ctx, period) {
		for i, k := range again {
			err := p.try(ctx, q.target, k)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				failures[i] = 0
				continue
			}
			if failures[i]++; failures[i] >= max(1, k.Failure) {
				v := p.unready(ctx, q.target, k, err)
				v.Reason = "NotReady"
				p.say(q, v)
				return
			}
		}
	}
}

// try evaluates one check once; nil is success.
func (p *prober) try(ctx context.Context, t target, k check) error {
	timeout := k.Timeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	if k.RunFor > 0 {
		if left := k.RunFor - time.Since(t.Started); left > 0 {
			return fmt.Errorf("has to run %s", k.RunFor)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case k.HTTP != nil:
		return p.tryHTTP(ctx, t, *k.HTTP)
	case k.TCP != 0:
		conn, err := p.engine.Dial(ctx, t.Instance, k.TCP)
		if err != nil {
			return err
		}
		return conn.Close()
	case len(k.Exec) > 0:
		return p.tryExec(ctx, t, k)
	}
	return nil
}

func (p *prober) tryHTTP(ctx context.Context, t target, k httpCheck) error {
	reveal := p.engine.revealer(ctx)
	path, err := reveal(k.Path)
	if err != nil {
		return err
	}
	url := k.Scheme + "://localhost:" + strconv.Itoa(k.Port) + "/" + strings.TrimPrefix(path, "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "berth-probe")
	for name, value := range k.Headers {
		if value, err = reveal(value); err != nil {
			return err
		}
		if strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	c := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// As Kubernetes: a pod's own certificate says nothing about its health.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return p.engine.Dial(ctx, t.Instance, k.Port)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 16<<10)
	if response.StatusCode >= 400 {
		return &answer{fmt.Sprintf("answers %s with %s", k.Path, response.Status)}
	}
	return nil
}

// answer is a check that got through and was told no; its text is for people.
type answer struct{ text string }

func (a *answer) Error() string { return a.text }

func (p *prober) tryExec(ctx context.Context, t target, k check) error {
	command, err := revealAll(k.Exec, p.engine.revealer(ctx))
	if err != nil {
		return err
	}
	code, err := p.engine.Exec(ctx, engine.ExecSpec{Instance: t.Instance, Container: t.Names[k.Container], Command: command})
	if err != nil {
		return err
	}
	if code != 0 {
		return &answer{fmt.Sprintf("its check (%s) exits with code %d", k.Exec[0], code)}
	}
	return nil
}

// wrongPortAfter is how long an instance may take to listen before Berth looks where it does.
const wrongPortAfter = 10 * time.Second

// unready words why an instance is not ready.
func (p *prober) unready(ctx context.Context, t target, k check, why error) verdict {
	v := verdict{Reason: "Starting"}
	expected := k.TCP
	if k.HTTP != nil {
		expected = k.HTTP.Port
	}
	var told *answer
	switch {
	case k.RunFor > 0:
		v.Message = fmt.Sprintf("is ready once it has run %s", k.RunFor)
		return v
	case errors.As(why, &told):
		v.Message = told.text
		return v
	case expected == 0:
		v.Message = "its check does not succeed yet"
		return v
	}
	v.Message = fmt.Sprintf("does not answer on port %d yet", expected)
	if time.Since(t.Started) < wrongPortAfter {
		return v
	}
	sockets, err := p.engine.listening(ctx, t.Instance)
	if err != nil {
		return v
	}
	v.Listening = ports(sockets)
	if message := wrongPort(sockets, expected, t.Kind); message != "" {
		v.Reason, v.Message = "WrongPort", message
	}
	return v
}

// sleep waits; it reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
