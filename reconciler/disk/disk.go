// Package disk is the loop that keeps the machine's disks from filling up. It measures what containers
// write outside volumes and what volumes hold, ends what writes more than its size allows, says which
// element is over its limit, and keeps the limits that a volume store enforces itself up to date.
//
// It must not know how anything is stored or run: it is handed numbers and says who has to stop.
package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// Store is what the loop needs of the database.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx reads within one transaction.
type Tx interface {
	Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error)
	DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error)
	Volumes(deployment berth.ID) ([]berth.Volume, error)
}

// Volumes measures and limits deployments' storage.
type Volumes interface {
	// Measure walks a deployment's volumes now: bytes by "element/identifier".
	Measure(ctx context.Context, deployment berth.ID) (map[string]int64, error)
	// Enforces reports whether the store can refuse what goes beyond a limit.
	Enforces() bool
	// Limit makes it do so for a deployment's tree. Setting the same limit again costs nothing.
	Limit(ctx context.Context, deployment berth.ID, bytes int64) error
}

// Config is what the loop is made of.
type Config struct {
	Store   Store
	Volumes Volumes
	// Disks measures the disks that hold data, volumes and containers; each once.
	Disks func() ([]Space, error)
	// Layers lists where running instances write outside volumes.
	Layers func() []engine.Layer
	// MeasureLayer adds up what lies below a directory that containers write to; with an error, what it has so far.
	MeasureLayer func(ctx context.Context, path string) (int64, error)
	// Halt ends an instance for a reason.
	Halt func(ctx context.Context, instance, reason, message string) error
	// Changed is told of a deployment of which something else is to be said.
	Changed func(deployment berth.ID)
	Now     func() time.Time
	Log     *slog.Logger
}

// Loop has two keys for the machine, so that a slow walk through volumes keeps nothing else waiting, and one per
// deployment for its limits.
type Loop struct {
	Config

	layers  schedule // of one turn alone, as is the next
	volumes schedule

	mu       sync.Mutex
	findings map[berth.ID]Findings
}

// Layers and Trees are the keys of the turns that measure what containers write outside volumes, and in them.
const (
	Layers berth.ID = "layers"
	Trees  berth.ID = "trees"
)

// New returns the loop; Turn and Keys go into a reconciler.Loop.
func New(c Config) *Loop {
	return &Loop{Config: c, layers: schedule{every: layersEvery, share: share}, volumes: schedule{every: volumesEvery, share: share},
		findings: map[berth.ID]Findings{}}
}

const (
	// layersEvery and volumesEvery are how often is measured, at most; share bounds what that may cost:
	// measuring that took a second is good for this many.
	layersEvery, volumesEvery = 10 * time.Second, 10 * time.Second
	share                     = 250
	// look is how often the free space is looked at, which costs next to nothing.
	look = time.Second
)

// Keys lists the machine's two and every deployment.
func (l *Loop) Keys(ctx context.Context) ([]berth.ID, error) {
	keys := []berth.ID{Layers, Trees}
	err := l.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, d := range all {
			keys = append(keys, d.ID)
		}
		return err
	})
	return keys, err
}

// Turn measures the machine, or brings a deployment's limit up to date.
func (l *Loop) Turn(ctx context.Context, key berth.ID) (time.Duration, error) {
	if key != Layers && key != Trees {
		return 0, l.limit(ctx, key)
	}
	disks, err := l.Disks()
	if err != nil {
		return 0, fmt.Errorf("measure disks: %w", err)
	}
	switch now := l.Now(); {
	case key == Layers && l.layers.due(now, disks):
		err = l.lookAtLayers(ctx, disks)
	case key == Trees && l.volumes.due(now, disks):
		err = l.lookAtVolumes(ctx, disks)
	}
	return look, err
}

// lookAtLayers ends instances that wrote more outside volumes than their deployment's size allows.
func (l *Loop) lookAtLayers(ctx context.Context, disks []Space) error {
	began := l.Now()
	limits, err := l.limits(ctx)
	if err != nil {
		return err
	}
	var measured []layer
	for _, at := range l.Layers() {
		bytes, err := l.measureLayer(ctx, at.Path)
		if err != nil {
			continue // it has ended meanwhile
		}
		measured = append(measured, layer{at, bytes})
	}
	l.layers.done(began, l.Now(), disks)
	var failures []error
	for _, o := range overLayers(measured, limits) {
		l.Log.Warn("end instance", "deployment", o.Deployment, "element", o.Element, "instance", o.Instance, "why", o.message)
		err := l.Halt(ctx, o.Instance, engine.DiskLimit, o.message)
		if !errors.Is(err, engine.ErrNoInstance) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// patience is how long one directory is measured: of one with too many files for that it is known that it
// holds at least so much.
const patience = 5 * time.Second

func (l *Loop) measureLayer(ctx context.Context, path string) (int64, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	bytes, err := l.MeasureLayer(bounded, path)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil
	}
	return bytes, err
}

// limits are the bytes that each deployment's size allows.
func (l *Loop) limits(ctx context.Context) (map[berth.ID]int64, error) {
	limits := map[berth.ID]int64{}
	err := l.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Deployments(berth.Everything(), "")
		for _, d := range all {
			limits[d.ID] = sizeLimit(d)
		}
		return err
	})
	return limits, err
}

func sizeLimit(d berth.Deployment) int64 {
	limits, _ := berth.LimitsOf(d.Size)
	return limits.DiskBytes
}

// lookAtVolumes finds the elements whose volumes hold more than they may.
func (l *Loop) lookAtVolumes(ctx context.Context, disks []Space) error {
	began := l.Now()
	type one struct {
		deployment berth.Deployment
		volumes    []berth.Volume
	}
	var all []one
	if err := l.Store.View(ctx, func(tx Tx) error {
		list, err := tx.Deployments(berth.Everything(), "")
		if err != nil {
			return err
		}
		for _, d := range list {
			volumes, err := tx.Volumes(d.ID)
			if err != nil {
				return err
			}
			all = append(all, one{d, volumes})
		}
		return nil
	}); err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	found := map[berth.ID]Findings{}
	var failures []error
	for _, o := range all {
		used, err := l.Volumes.Measure(ctx, o.deployment.ID)
		if err != nil {
			failures = append(failures, fmt.Errorf("measure volumes of %s: %w", o.deployment.Slug, err))
			found[o.deployment.ID] = l.Findings(o.deployment.ID)
			continue
		}
		found[o.deployment.ID] = judge(o.volumes, used, sizeLimit(o.deployment), l.Volumes.Enforces(), pressureOf(disks), l.Findings(o.deployment.ID))
	}
	l.volumes.done(began, l.Now(), disks)
	l.replace(found)
	return errors.Join(failures...)
}

// replace takes new findings in and tells of what differs.
func (l *Loop) replace(found map[berth.ID]Findings) {
	l.mu.Lock()
	before := l.findings
	l.findings = found
	l.mu.Unlock()
	for id, f := range found {
		if !f.equal(before[id]) {
			l.Changed(id)
		}
	}
}

// Findings returns what is to be said of a deployment's elements.
func (l *Loop) Findings(deployment berth.ID) Findings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.findings[deployment]
}

// limit brings the limit of one deployment's tree up to date: the sum of what its volumes may hold.
func (l *Loop) limit(ctx context.Context, id berth.ID) error {
	if !l.Volumes.Enforces() {
		return nil
	}
	var bytes int64
	err := l.Store.View(ctx, func(tx Tx) error {
		d, err := tx.DeploymentByID(berth.Everything(), id)
		if err != nil || d.Desire == berth.DesireDelete {
			return err
		}
		volumes, err := tx.Volumes(id)
		for _, v := range volumes {
			bytes += allowed(v, sizeLimit(d))
		}
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound || err == nil && bytes == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read volumes: %w", err)
	}
	if err := l.Volumes.Limit(ctx, id, bytes); err != nil {
		return fmt.Errorf("limit volumes: %w", err)
	}
	return nil
}
