package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/api"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/session"
	"github.com/berth-dev/berth/sqlite"
)

const (
	listGoal     = 20 * time.Millisecond
	listRequests = 2000
	changeEvery  = 100 * time.Millisecond
)

// listing is (c): everything of the server that a list of deployments goes through, and no engine.
func (b *bench) listing(ctx context.Context) (rows []row, err error) {
	for _, n := range []int{200, 1000} {
		more, err := b.listOf(ctx, n)
		if err != nil {
			return rows, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (b *bench) listOf(ctx context.Context, n int) (rows []row, err error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("list-%d", n))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, filepath.Join(dir, "berth.db"), time.Now)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ids, err := fill(ctx, store, n)
	if err != nil {
		return nil, err
	}
	all, err := controlOver(ctx, store)
	if err != nil {
		return nil, err
	}
	client, closeServer, err := serveStore(all, filepath.Join(dir, "berth.sock"))
	if err != nil {
		return nil, err
	}
	defer closeServer()
	rest, err := lists(ctx, client, n)
	if err != nil {
		return nil, err
	}
	stop := change(ctx, store, ids)
	busy, err := lists(ctx, client, n)
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	line := func(how string, took []time.Duration) row {
		p99 := quantile(took, 0.99)
		return row{what: fmt.Sprintf("GET /api/v1/deployments with %d deployments, p99 of %d, %s (median %s)", n, len(took), how, milliseconds(quantile(took, 0.5))),
			value: milliseconds(p99), goal: "< 20 ms", met: p99 < listGoal}
	}
	changing := line("while one of them changes every 100 ms", busy)
	changing.goal = "" // nobody promised; it tells what a reading of everything costs
	pages, err := pages(ctx, store, all, n)
	return append([]row{line("at rest", rest), changing}, pages...), err
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// fill stores n deployments of 20 projects, each with three elements that run, their hosts, and three releases.
func fill(ctx context.Context, store *sqlite.Store, n int) (ids []berth.ID, err error) {
	var projects []berth.Project
	return ids, store.Update(ctx, func(tx *sqlite.Tx) error {
		for i := range 20 {
			p := berth.Project{ID: berth.NewID(), Name: fmt.Sprintf("project-%d", i), DefaultBranch: "main", Stages: berth.DefaultStages()}
			projects = append(projects, p)
			if err := tx.CreateProject(p); err != nil {
				return err
			}
		}
		for i := range n {
			id, err := fillOne(tx, projects[i%len(projects)], fmt.Sprintf("deployment-%d", i))
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
}

func fillOne(tx *sqlite.Tx, p berth.Project, name string) (berth.ID, error) {
	d := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: name, Slug: berth.Slug(name, p.Name), Stage: "production",
		Kind: berth.KindBuild, Branch: "main", Size: berth.DefaultSize, Desire: berth.DesireRun}
	errs := []error{tx.CreateDeployment(d), tx.PutObserved(d.ID, observed(0))}
	for _, e := range elements() {
		errs = append(errs, tx.AddHost(berth.Host{Deployment: d.ID, Element: e, Identifier: "app", Label: e + "-" + d.Slug}))
	}
	for revision := range 3 {
		r := berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleaseSuperseded, Cause: "push",
			Commit: strings.Repeat("0123456789", 4), StartingAt: tx.Now(), Hashes: map[string]string{}}
		if revision == 2 {
			r.State, r.ServingAt = berth.ReleaseServing, tx.Now()
		}
		for _, e := range elements() {
			r.Hashes[e+"/app"] = strings.Repeat("5", 20)
			r.Elements = append(r.Elements, berth.ReleaseElement{Identifier: e, Kind: berth.KindComponent, Objects: []byte(strings.Repeat(" ", 8<<10))})
		}
		_, err := tx.CreateRelease(r)
		errs = append(errs, err)
	}
	return d.ID, errors.Join(errs...)
}

func elements() []string { return []string{"web", "api", "postgres"} }

// observed is three elements that run, as seen for the n-th time.
func observed(n int) berth.Observed {
	o := berth.Observed{At: time.Now(), Core: "10.201.0.2"}
	for _, e := range elements() {
		i := berth.InstanceStatus{ID: string(berth.NewID()), Element: e, Workload: "app", Hash: strings.Repeat("5", 20), Address: "10.201.0.66",
			Run: n + 1, State: berth.InstanceRunning, Ready: true, Wanted: true, StartedAt: time.Now()}
		o.Elements = append(o.Elements, berth.ElementStatus{Identifier: e, Kind: berth.KindComponent, Status: berth.Green,
			Reason: "Ready", Message: "ready", Instances: []berth.InstanceStatus{i}})
		o.Instances = append(o.Instances, i)
	}
	return o
}

// change makes news of one deployment after the other, as a reconciler does, until the returned function is called.
func change(ctx context.Context, store *sqlite.Store, ids []berth.ID) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		for n := 1; ; n++ {
			if pause(ctx, changeEvery) != nil {
				ended <- nil
				return
			}
			err := store.Update(ctx, func(tx *sqlite.Tx) error {
				id := ids[n%len(ids)]
				releases, err := tx.Releases(id, 1)
				if err != nil || len(releases) == 0 {
					return err
				}
				releases[0].Step = fmt.Sprintf("step %d", n)
				return errors.Join(tx.PutObserved(id, observed(n)), tx.UpdateRelease(releases[0]))
			})
			if err != nil && ctx.Err() == nil {
				ended <- err
				return
			}
		}
	}()
	return func() error { cancel(); return <-ended }
}

// storeFor lends the database to a package that names its transaction by an interface of its own.
type storeFor[T any] struct {
	*sqlite.Store
	as func(*sqlite.Tx) T
}

func (s storeFor[T]) View(ctx context.Context, fn func(T) error) error {
	return s.Store.View(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

func (s storeFor[T]) Update(ctx context.Context, fn func(T) error) error {
	return s.Store.Update(ctx, func(tx *sqlite.Tx) error { return fn(s.as(tx)) })
}

// service is the whole contract, as daemon joins it.
type (
	verbs   = control.Service
	streams = session.Service
	service struct {
		*verbs
		*streams
	}
)

// everything is the control plane over a store.
type everything struct {
	*control.Control
	sessions *session.Sessions
}

func (e everything) service(caller berth.Caller) berth.Service {
	return service{e.As(caller), e.sessions.As(caller)}
}

func controlOver(ctx context.Context, store *sqlite.Store) (everything, error) {
	url := func(label string) (string, string) {
		name := label + ".berth.localhost"
		return name, "https://" + name
	}
	c := control.New(control.Config{Store: storeFor[control.Tx]{store, func(tx *sqlite.Tx) control.Tx { return tx }}, Host: url, Fingerprint: func() string { return "" }, Now: time.Now})
	sessions := session.New(session.Config{Access: c, Store: storeFor[session.Tx]{store, func(tx *sqlite.Tx) session.Tx { return tx }}})
	return everything{c, sessions}, c.EnsureOwner(ctx, "bench")
}

// serveStore puts the API on a Unix socket.
func serveStore(c everything, path string) (client *http.Client, stop func(), err error) {
	handler := api.New(api.Config{
		Service:      c.service,
		Authenticate: c.Authenticate, Login: c.Login, Machine: c.Machine, OurHost: func(string) bool { return false },
		CA: func() string { return "" }, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	s := &http.Server{Handler: handler, ConnContext: api.PeerContext}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	return client, func() { client.CloseIdleConnections(); _ = s.Close(); <-ended }, nil
}

// lists asks again and again, and checks that the answers are whole.
func lists(ctx context.Context, client *http.Client, want int) (took []time.Duration, err error) {
	for i := range listRequests {
		began := time.Now()
		r, err := http.NewRequestWithContext(ctx, "GET", "http://berth/api/v1/deployments", nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		var body bytes.Buffer
		into := io.Discard // the client shares the process, and its garbage is not the server's
		if i == 0 {
			into = &body
		}
		_, err = io.Copy(into, response.Body)
		response.Body.Close()
		took = append(took, time.Since(began))
		if err != nil || response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("list: %s (%w)", response.Status, err)
		}
		if i > 0 {
			continue
		}
		var list []berth.Deployment
		if err := json.Unmarshal(body.Bytes(), &list); err != nil || len(list) != want || list[0].Phase != berth.PhaseRunning {
			return nil, fmt.Errorf("the list has %d deployments, want %d that run (%w)", len(list), want, err)
		}
	}
	return took, nil
}
