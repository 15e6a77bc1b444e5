//go:build docker

package images_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/buildkit"
	"github.com/berth-dev/berth/images"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	docker "github.com/moby/moby/client"
)

const socket = "unix:///var/run/docker.sock"

// engine is the smallest thing that images can stand on; package docker has the real one.
type engine struct{ *docker.Client }

var _ images.Engine = engine{}

func newEngine(t *testing.T) engine {
	t.Helper()
	client, err := docker.New(docker.WithHost(socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return engine{client}
}

func (e engine) ImageID(ctx context.Context, ref string) (string, bool, error) {
	image, err := e.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return "", false, nil
	}
	return image.ID, err == nil, err
}

func (e engine) PullImage(ctx context.Context, ref string, _ io.Writer) error {
	pull, err := e.ImagePull(ctx, ref, docker.ImagePullOptions{})
	if errdefs.IsNotFound(err) {
		return &berth.Error{Code: berth.ENotFound, Message: err.Error(), Err: err}
	}
	if err != nil {
		return err
	}
	return pull.Wait(ctx)
}

func (e engine) ImportImage(ctx context.Context, rootfs io.Reader, ref string, labels map[string]string, changes []string) (string, error) {
	for k, v := range labels {
		changes = append(changes, `LABEL "`+k+`"="`+v+`"`)
	}
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return "", err
	}
	result, err := e.ImageImport(ctx, docker.ImageImportSource{Source: rootfs, SourceName: "-"}, named.Name(),
		docker.ImageImportOptions{Tag: named.(reference.Tagged).Tag(), Changes: changes})
	if err != nil {
		return "", err
	}
	defer result.Close()
	said, err := io.ReadAll(result)
	if err != nil {
		return "", err
	}
	if strings.Contains(string(said), `"error"`) {
		return "", errors.New(string(said))
	}
	id, _, err := e.ImageID(ctx, ref)
	return id, err
}

func (e engine) TagImage(ctx context.Context, id, ref string) error {
	_, err := e.ImageTag(ctx, docker.ImageTagOptions{Source: id, Target: ref})
	return err
}

func (e engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := e.ImageRemove(ctx, ref, docker.ImageRemoveOptions{PruneChildren: true})
	return err
}

// trust is what the daemon gives to every build and container.
func trust() map[string]string {
	const bundle = "/.berth/ca.crt"
	env := make(map[string]string)
	for _, name := range []string{"NODE_EXTRA_CA_CERTS", "npm_config_cafile", "SSL_CERT_FILE", "PIP_CERT", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} {
		env[name] = bundle
	}
	return env
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// newImages wires images and builder as the daemon does.
func newImages(t *testing.T, e images.Engine) *images.Images {
	t.Helper()
	var all *images.Images
	builder, err := buildkit.New(buildkit.Config{
		Socket: socket,
		CAFile: "/etc/ssl/certs/ca-certificates.crt",
		Env:    trust(),
		Substitute: func(ctx context.Context, ref string, log io.Writer) (string, bool, error) {
			return all.Substitute(ctx, ref, log)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = builder.Close() })
	all = images.New(images.Config{Engine: e, Builder: builder, Dir: t.TempDir()})
	return all
}

func TestPrepareMakesEveryImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("debootstrap needs root")
	}
	e := newEngine(t)
	refs := []string{"node:22-slim", "postgres:17", "python:3.13-slim", "golang:1.27", "nginx:1.26", "mariadb:11.8", "valkey/valkey:8.1", images.Tools}
	if err := newImages(t, e).Prepare(t.Context(), refs, testWriter{t}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"berth/base:trixie", "berth/node:22", "berth/postgres:17", "berth/python:3.13", "berth/go:1.27", "berth/nginx:1.26", "berth/mariadb:11.8", "berth/valkey:8.1", images.Tools} {
		if _, found, err := e.ImageID(t.Context(), ref); err != nil || !found {
			t.Errorf("%s: found %v, %v", ref, found, err)
		}
	}
	for _, ref := range []string{"node:22-slim", "postgres:17", "golang:1.27", "nginx:1.26"} {
		if _, found, err := e.ImageID(t.Context(), ref); err != nil || found {
			t.Errorf("%s: found %v, %v; nobody but its registry may give it that name", ref, found, err)
		}
	}
}

// Dockerfiles of others begin with versions that the built-in packages do not use.
func TestImagesOfOtherVersions(t *testing.T) {
	e := newEngine(t)
	all := newImages(t, e)
	for ref, says := range map[string]struct {
		program []string
		version string
	}{
		"node:20-slim":                     {[]string{"node", "--version"}, "v20."},
		"golang:1.26":                      {[]string{"go", "version"}, "go1.26."},
		"gcr.io/distroless/static:nonroot": {},
	} {
		image, err := all.Ensure(t.Context(), ref, testWriter{t})
		if err != nil {
			t.Fatal(err)
		}
		if says.program == nil {
			user, err := exec.Command("docker", "image", "inspect", "--format", "{{.Config.User}}", image).Output()
			if err != nil || strings.TrimSpace(string(user)) != "65532" {
				t.Errorf("%s runs as %q (%v)", ref, user, err)
			}
			continue
		}
		out, err := exec.Command("docker", append([]string{"run", "--rm", "--network", "none", image}, says.program...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), says.version) {
			t.Errorf("%s says %q (%v), want %s", ref, out, err, says.version)
		}
	}
}
