// Package ingress decides what every name leads to: public hosts in the proxy's table, and the
// names that a deployment's own containers resolve. It watches the store, computes both with pure
// functions from one consistent reading, and knows what has been applied and what has drained.
//
// It must not know how the store, the engine or certificates work, and changes nothing but the
// proxy's table and the name files.
package ingress

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/proxy"
)

const (
	coalesce  = 50 * time.Millisecond // changes that come together are applied together
	fullPass  = 30 * time.Second
	retryPass = 5 * time.Second
	restShare = 4 // with very many deployments, passes take a fifth of the time at most
	// nameGrace is how long an instance may still be known by its name after it left the name
	// table: the answers' TTL, the name server's look at the file, and some.
	nameGrace = 2 * time.Second
)

// Config is what an Ingress is made of.
type Config struct {
	Store  Store
	Dialer engine.Dialer
	Proxy  *proxy.Proxy
	// RunDir holds <deployment id>/net, the directory that the deployment's core has mounted.
	RunDir string
	// HostName returns the full public name of a generated label.
	HostName func(label string) string
	// Ports are those in the URLs of public hosts where they are not 443 and 80, with the one of
	// these that each stands for; a deployment's own containers reach them as others do.
	Ports map[int]int
	// Handlers answer for Berth's own hosts, like the console's, by full name.
	Handlers map[string]http.Handler
	// Deployments is told at each pass which deployments there are, for those who keep something
	// open for each, and must not block. Nil: nobody.
	Deployments func([]berth.ID)
	// Hosts is told at each pass which hosts there are, and must not block. Nil: nobody.
	Hosts func([]string)
	// Hold is how long a request waits for an element whose instance is being replaced and could not run
	// beside the new one. Zero: not at all.
	Hold time.Duration
	// Wake is told of a deployment that sleeps and whose host is asked for; it must not block. Nil: nothing wakes one.
	Wake func(deployment berth.ID)
	// Drain is how long an upgraded connection stays with a replaced instance; zero: the proxy's default.
	Drain time.Duration
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: none
}

// Ingress applies what the store says. Its methods are safe for concurrent use.
type Ingress struct {
	config Config
	files  nameFiles
	shapes shapes
	doors  doors

	refreshing sync.Mutex // one pass at a time

	mu      sync.Mutex
	applied int64                 // passes applied; 0: none yet
	hosts   map[string]bool       // of the applied table
	leads   map[berth.ID]berth.ID // the release that its table takes for the serving one, by deployment
	named   map[string]time.Time  // instances that names lead to, or led to until then; zero: still
}

// New returns an Ingress that has applied nothing yet.
func New(c Config) *Ingress {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Ingress{config: c, files: nameFiles{dir: c.RunDir}, shapes: shapes{}, named: map[string]time.Time{}}
}

// Run applies changes until ctx ends. Hints only shorten the time to the next pass: a pass reads everything.
func (i *Ingress) Run(ctx context.Context) error {
	hints := i.config.Store.Subscribe(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	soon := true // a pass is due within pause
	pause := coalesce
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-hints:
			if !open {
				hints = nil // the timer goes on
			} else if !soon {
				soon = true
				timer.Reset(pause)
			}
		case <-timer.C:
			soon = false
			began := time.Now()
			timer.Reset(i.pass(ctx))
			pause = max(coalesce, restShare*time.Since(began))
		}
	}
}

func (i *Ingress) pass(ctx context.Context) (next time.Duration) {
	if err := i.Refresh(ctx); err != nil && ctx.Err() == nil {
		i.config.Log.Error("apply routes", "error", err)
		return retryPass
	}
	return fullPass
}

// Refresh reads everything and applies it. When it returns nil, the proxy answers by what the
// store said. What could not be read or written for one deployment leaves the others correct.
func (i *Ingress) Refresh(ctx context.Context) error {
	i.refreshing.Lock()
	defer i.refreshing.Unlock()
	now := i.config.Now()
	states, err := i.read(ctx)
	if err != nil {
		return fmt.Errorf("read deployments: %w", err)
	}
	// The files first: an instance that both leave has drained once the proxy says so.
	named := map[string]bool{}
	failed := i.writeNames(states, named)
	table := buildTable(states, tableContext{hostName: i.config.HostName, handlers: i.config.Handlers, dial: i.config.Dialer.Dial, password: i.doors.password, hold: i.config.Hold, wake: i.config.Wake, drain: i.config.Drain, now: now})
	i.apply(table, servingOf(states), named, now)
	i.doors.turn()
	if i.config.Deployments != nil {
		i.config.Deployments(idsOf(states))
	}
	if i.config.Hosts != nil {
		i.config.Hosts(slices.Collect(maps.Keys(table.Hosts)))
	}
	return failed
}

func servingOf(states []state) map[berth.ID]berth.ID {
	leads := make(map[berth.ID]berth.ID, len(states))
	for _, s := range states {
		if s.serving != nil {
			leads[s.deployment.ID] = s.serving.ID
		}
	}
	return leads
}

func (i *Ingress) apply(table *proxy.Table, leads map[berth.ID]berth.ID, named map[string]bool, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	table.Version = i.applied + 1
	i.config.Proxy.Swap(table)
	i.applied, i.leads = table.Version, leads
	i.hosts = make(map[string]bool, len(table.Hosts))
	for host := range table.Hosts {
		i.hosts[host] = true
	}
	i.remember(named, now)
}

// remember notes which instances names lead to, and since when they do not any more.
func (i *Ingress) remember(named map[string]bool, now time.Time) {
	for instance, left := range i.named {
		switch {
		case named[instance]:
		case left.IsZero():
			i.named[instance] = now
		case now.Sub(left) > nameGrace:
			delete(i.named, instance)
		}
	}
	for instance := range named {
		i.named[instance] = time.Time{}
	}
}

// Drained reports whether nothing leads to an instance any more, by host or by name, and no
// request is in flight there. Before the first pass nothing is known to be drained.
func (i *Ingress) Drained(instance string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.applied == 0 {
		return false
	}
	if left, known := i.named[instance]; known && (left.IsZero() || i.config.Now().Sub(left) <= nameGrace) {
		return false
	}
	return i.config.Proxy.Drained(instance)
}

// Leads reports whether the proxy's table takes a release for the one that serves its deployment. The store says
// it a moment earlier: longer on a busy machine.
func (i *Ingress) Leads(r berth.Release) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.leads[r.Deployment] == r.ID
}

// Applied counts the passes that have been applied.
func (i *Ingress) Applied() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.applied
}

// Serves reports whether a host, in lower case, is one of ours: what certificates ask.
func (i *Ingress) Serves(host string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hosts[host]
}
