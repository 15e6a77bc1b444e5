package reconciler_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/volume"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// repository is trees by commit. The same commits are there for every project.
type repository struct{}

// commits are what people deploy: they differ in what web's image is made of.
var commits = []string{"main", "second", "third"}

const stackFile = `diploiVersion: v1.0
components:
  - name: Web
    identifier: web
    package: dockerfile
    containerCommands:
      developmentStart: ./serve
    env:
      include:
        - db.DATABASE_URL
addons:
  - name: Database
    identifier: db
    package: postgres
`

func (repository) tree(commit string) map[string]string {
	return map[string]string{
		"diploi.yaml":    stackFile,
		"web/Dockerfile": "FROM scratch\nLABEL commit=" + commit + "\n",
	}
}

func (r repository) writeTree(commit, dir string) error {
	for name, text := range r.tree(commit) {
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (repository) Dir(project berth.ID) string { return "/git/" + string(project) + ".git" }

func (r repository) ReadFile(_ context.Context, _ berth.ID, commit, name string, _ int64) ([]byte, error) {
	text, ok := r.tree(commit)[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (repository) List(context.Context, berth.ID, string, string) ([]string, error) {
	return nil, fs.ErrNotExist
}

func (r repository) Digest(_ context.Context, _ berth.ID, commit, dir string, _ []string) (string, error) {
	return fmt.Sprint(r.tree(commit)), nil
}

func (repository) Mentions(context.Context, berth.ID, string, string, string) (bool, error) {
	return false, nil
}

func (r repository) Checkout(_ context.Context, _ berth.ID, commit, dest string) ([]string, error) {
	return nil, r.writeTree(commit, dest)
}

// imageStore is the engine's images: built ones by id, the others by reference.
type imageStore struct {
	mu    sync.Mutex
	built map[string]bool
}

func newImageStore() *imageStore { return &imageStore{built: map[string]bool{}} }

func (s *imageStore) Ensure(_ context.Context, ref string, _ io.Writer) (string, error) {
	return ref, nil
}

func (s *imageStore) Present(_ context.Context, image string) (exposed []int, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(image, "sha256:") {
		return []int{8080}, s.built[image], nil
	}
	return nil, true, nil
}

func (s *imageStore) add(image string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.built[image] = true
}

func (s *imageStore) keepOnly(wanted []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for image := range s.built {
		if !slices.Contains(wanted, image) {
			delete(s.built, image)
		}
	}
}

func (s *imageStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.built)
}

// builder makes the same image of the same Dockerfile.
type builder struct{ w *world }

func (b builder) Build(_ context.Context, r build.Request, _ io.Writer) (build.Result, error) {
	if _, err := os.Stat(filepath.Join(r.ContextDir, "diploi.yaml")); err != nil {
		return build.Result{}, fmt.Errorf("the context is not checked out: %w", err)
	}
	b.w.pass("before build")
	image := imageOf(r.Dockerfile)
	b.w.images.add(image)
	b.w.pass("after build")
	return build.Result{Image: image, Exposed: []int{8080}}, nil
}

func imageOf(dockerfile []byte) string {
	sum := sha256.Sum256(dockerfile)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// disk is the real volumes, with points around what changes them.
type disk struct {
	*volume.Volumes
	w *world
}

func (d disk) Ensure(ctx context.Context, v berth.Volume) (string, bool, error) {
	at, created, err := d.Volumes.Ensure(ctx, v)
	if created {
		d.w.pass("after make volume")
	}
	return at, created, err
}

func (d disk) Reset(ctx context.Context, v berth.Volume) error {
	err := d.Volumes.Reset(ctx, v)
	d.w.pass("after reset volume")
	return err
}

func (d disk) RemoveAll(ctx context.Context, id berth.ID) error {
	d.w.pass("before remove volumes")
	err := d.Volumes.RemoveAll(ctx, id)
	d.w.pass("after remove volumes")
	return err
}
