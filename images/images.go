// Package images makes runnable images of references: local ones as they are, others from a
// registry, and where none answers from recipes in the binary. Which reference a recipe may stand
// in for is a table that operators can read; no tag is ever faked.
//
// It must not know deployments, packages or the store, and reaches Docker and the builder through
// interfaces only.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/keylock"
	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"
)

// Tools is the image that Berth's own tasks run in: Debian with git, as 1000:1000.
const Tools = "berth/tools:1"

// Engine is what this package asks of Docker.
type Engine interface {
	ImageID(ctx context.Context, ref string) (id string, found bool, err error)
	// PullImage fetches ref from its registry. ENotFound means that the registry answered and has no
	// such image, EForbidden that it does not give it; any other error that it may not have answered.
	PullImage(ctx context.Context, ref string, progress io.Writer) error
	// ImportImage makes an image of one layer. changes are Dockerfile instructions for its configuration.
	ImportImage(ctx context.Context, rootfs io.Reader, ref string, labels map[string]string, changes []string) (id string, err error)
	TagImage(ctx context.Context, id, ref string) error
	// RemoveImage fails for an image that a container uses.
	RemoveImage(ctx context.Context, ref string) error
}

// Config is what Images is made of.
type Config struct {
	Engine  Engine
	Builder build.Builder
	Dir     string // for temporary files, on a disk with a gigabyte to spare
	Log     *slog.Logger
}

// Images serves images. It is safe for concurrent use.
type Images struct {
	engine  Engine
	builder build.Builder
	dir     string
	log     *slog.Logger
	now     func() time.Time
	recipes []recipe
	making  keylock.Locks[string] // by name; whoever comes second finds the work done

	mu        sync.Mutex
	silent    map[string]time.Time // registries that did not answer, and when
	bootstrap func(ctx context.Context, dir string, progress io.Writer) (io.ReadCloser, error)
}

// New returns Images.
func New(c Config) *Images {
	i := &Images{
		engine:  c.Engine,
		builder: c.Builder,
		dir:     c.Dir,
		log:     c.Log,
		now:     time.Now,
		recipes: recipes(),
		silent:  make(map[string]time.Time),
	}
	i.bootstrap = bootstrap
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	return i
}

// Ensure returns the name of a runnable local image for ref: ref itself where it is here, one of
// ours, or served by its registry; else the image that the table has for it, made where need be.
// progress gets a line per step.
func (i *Images) Ensure(ctx context.Context, ref string, progress io.Writer) (string, error) {
	replacement, ok, err := i.Substitute(ctx, ref, progress)
	if err != nil {
		return "", err
	}
	if ok {
		_, _ = fmt.Fprintf(progress, "using %s in place of %s\n", replacement, ref)
		return replacement, nil
	}
	return ref, nil
}

// Substitute makes ref, or what stands in for it, a local image. It returns the replacement, or
// not ok where ref itself is there.
func (i *Images) Substitute(ctx context.Context, ref string, log io.Writer) (replacement string, ok bool, err error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return "", false, &berth.Error{Code: berth.EInvalid, Message: fmt.Sprintf("%q is not an image reference", ref), Err: err}
	}
	name := reference.FamiliarString(named)
	if r, ours := i.recipe(name); ours {
		return "", false, i.make(ctx, r, log)
	}
	unlock, err := i.making.Lock(ctx, name)
	if err != nil {
		return "", false, fmt.Errorf("wait for image %s: %w", name, err)
	}
	defer unlock()
	if _, found, err := i.engine.ImageID(ctx, name); err != nil || found {
		return "", false, err
	}
	pulled := i.pull(ctx, named, log)
	if pulled == nil {
		return "", false, nil
	}
	if err := ctx.Err(); err != nil {
		return "", false, fmt.Errorf("pull %s: %w", name, err)
	}
	s, ok := substitution(name)
	if !ok || berth.CodeOf(pulled) == berth.ENotFound {
		return "", false, i.nobodyHas(name, pulled)
	}
	r, _ := i.recipe(s.Image)
	if err := i.make(ctx, r, log); err != nil {
		return "", false, err
	}
	return s.Image, true, nil
}

// Prepare makes every ref available, several at a time, and says how long each took.
func (i *Images) Prepare(ctx context.Context, refs []string, progress io.Writer) error {
	lines := &lineWriter{w: progress}
	group, ctx := errgroup.WithContext(ctx)
	for _, ref := range refs {
		group.Go(func() error {
			if _, err := i.Ensure(ctx, ref, lines); err != nil {
				return fmt.Errorf("prepare image %s: %w", ref, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// nobodyHas says both facts about a reference that cannot be had.
func (i *Images) nobodyHas(name string, pulled error) error {
	names := make([]string, 0, len(i.recipes))
	for _, r := range i.recipes {
		names = append(names, r.ref)
	}
	registry := "no registry answered for it"
	switch berth.CodeOf(pulled) {
	case berth.ENotFound:
		registry = "its registry has no such image"
	case berth.EForbidden:
		registry = "its registry refuses it"
	}
	return &berth.Error{
		Code: berth.EUnavailable,
		Message: fmt.Sprintf("image %s cannot be had: %s (%v), and Berth has no recipe that can stand in for it. Berth itself makes %s.",
			name, registry, pulled, strings.Join(names, ", ")),
		Err: pulled,
	}
}

func (i *Images) recipe(name string) (recipe, bool) {
	at := slices.IndexFunc(i.recipes, func(r recipe) bool { return r.ref == name })
	if at < 0 {
		return recipe{}, false
	}
	return i.recipes[at], true
}

// make makes the recipe's image, unless it is there.
func (i *Images) make(ctx context.Context, r recipe, progress io.Writer) error {
	unlock, err := i.making.Lock(ctx, r.ref)
	if err != nil {
		return fmt.Errorf("wait for image %s: %w", r.ref, err)
	}
	defer unlock()
	if there, err := i.current(ctx, r); err != nil || there {
		return err
	}
	if r.from != "" {
		from, _ := i.recipe(r.from)
		if err := i.make(ctx, from, progress); err != nil {
			return err
		}
	}
	began := i.now()
	_, _ = fmt.Fprintf(progress, "%s: making it\n", r.ref)
	if err := i.remake(ctx, r, progress); err != nil {
		return fmt.Errorf("make image %s: %w", r.ref, err)
	}
	_, _ = fmt.Fprintf(progress, "%s: ready after %.1f s\n", r.ref, i.now().Sub(began).Seconds())
	return nil
}

// current reports whether the image of this very recipe is there, under its name.
func (i *Images) current(ctx context.Context, r recipe) (bool, error) {
	marked, found, err := i.engine.ImageID(ctx, r.mark())
	if err != nil || !found {
		return false, err
	}
	id, found, err := i.engine.ImageID(ctx, r.ref)
	if err != nil || found && id == marked {
		return err == nil, err
	}
	if err := i.engine.TagImage(ctx, marked, r.ref); err != nil {
		return false, fmt.Errorf("tag image %s: %w", r.ref, err)
	}
	return true, nil
}

// remake makes the image anew, marks it, and removes what an earlier recipe made under its name.
func (i *Images) remake(ctx context.Context, r recipe, progress io.Writer) error {
	older, had, err := i.engine.ImageID(ctx, r.ref)
	if err != nil {
		return err
	}
	if err := i.cook(ctx, r, progress); err != nil {
		return err
	}
	id, found, err := i.engine.ImageID(ctx, r.ref)
	if err != nil || !found {
		return errors.Join(err, errors.New("it is not there after it was made"))
	}
	if err := i.engine.TagImage(ctx, id, r.mark()); err != nil {
		return fmt.Errorf("mark it: %w", err)
	}
	if had && older != id {
		if err := i.engine.RemoveImage(ctx, older); err != nil {
			i.log.Info("the image of an earlier recipe stays, something uses it", "recipe", r.ref, "image", older, "err", err)
		}
	}
	return nil
}

func (i *Images) cook(ctx context.Context, r recipe, progress io.Writer) error {
	if r.base {
		return i.cookBase(ctx, r, progress)
	}
	return i.build(ctx, r, progress)
}

// answered reports whether a pull failed by what the registry said.
func answered(pulled error) bool {
	code := berth.CodeOf(pulled)
	return code == berth.ENotFound || code == berth.EForbidden
}

// registrySilence is how long a registry that did not answer is not asked again.
const registrySilence = time.Minute

var errSilent = errors.New("it did not answer within the last minute")

// pull asks the registry that ref names, unless it was silent a moment ago.
func (i *Images) pull(ctx context.Context, ref reference.Named, progress io.Writer) error {
	registry := reference.Domain(ref)
	i.mu.Lock()
	last, silent := i.silent[registry]
	i.mu.Unlock()
	if silent && i.now().Sub(last) < registrySilence {
		return errSilent
	}
	began, name := i.now(), reference.FamiliarString(ref)
	err := i.engine.PullImage(ctx, name, progress)
	switch {
	case err == nil:
		_, _ = fmt.Fprintf(progress, "%s: pulled in %.1f s\n", name, i.now().Sub(began).Seconds())
	case ctx.Err() == nil && !answered(err):
		i.mu.Lock()
		i.silent[registry] = i.now()
		i.mu.Unlock()
		_, _ = fmt.Fprintf(progress, "%s: its registry %s does not answer\n", name, registry)
	}
	return err
}
