package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Docker Engine, a registry, a builder and a debootstrap, all made up.
type world struct {
	mu       sync.Mutex
	images   map[string]string // name → id
	registry map[string]bool   // what it serves; nil: it does not answer
	pulls    []string
	builds   []build.Request
	removed  []string
	inUse    map[string]bool
	trees    int
	made     int
	now      time.Time
	building func(r build.Request) error
}

func newWorld() *world {
	return &world{images: make(map[string]string), inUse: make(map[string]bool), now: time.Unix(1_800_000_000, 0)}
}

func (w *world) open(t *testing.T) *Images {
	t.Helper()
	i := New(Config{Engine: w, Builder: w, Dir: t.TempDir()})
	i.now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	i.bootstrap = func(context.Context, string, io.Writer) (io.ReadCloser, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.trees++
		return io.NopCloser(strings.NewReader("a Debian tree")), nil
	}
	return i
}

func (w *world) ImageID(_ context.Context, ref string) (string, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, found := w.images[ref]
	return id, found, nil
}

func (w *world) PullImage(_ context.Context, ref string, _ io.Writer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pulls = append(w.pulls, ref)
	switch {
	case w.registry == nil:
		return errors.New("no such host")
	case !w.registry[ref]:
		return berth.Errorf(berth.ENotFound, "manifest unknown")
	}
	w.images[ref] = "sha256:pulled-" + ref
	return nil
}

func (w *world) ImportImage(_ context.Context, rootfs io.Reader, ref string, _ map[string]string, _ []string) (string, error) {
	if _, err := io.Copy(io.Discard, rootfs); err != nil {
		return "", err
	}
	return w.add(ref), nil
}

func (w *world) Build(_ context.Context, r build.Request, _ io.Writer) (build.Result, error) {
	w.mu.Lock()
	w.builds = append(w.builds, r)
	building := w.building
	w.mu.Unlock()
	if building != nil {
		if err := building(r); err != nil {
			return build.Result{}, err
		}
	}
	return build.Result{Image: w.add(r.Tag)}, nil
}

func (w *world) add(ref string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	w.images[ref] = fmt.Sprintf("sha256:made-%d", w.made)
	return w.images[ref]
}

func (w *world) TagImage(_ context.Context, id, ref string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images[ref] = id
	return nil
}

func (w *world) RemoveImage(_ context.Context, ref string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inUse[ref] {
		return errors.New("a container uses it")
	}
	w.removed = append(w.removed, ref)
	return nil
}
