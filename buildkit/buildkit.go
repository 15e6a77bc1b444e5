// Package buildkit is a build.Builder over the BuildKit inside Docker Engine. The Dockerfile
// frontend runs in our own process, so that heredocs, COPY --link and "# syntax=" lines work
// with an old engine and without a registry, and so that every step can be given the machine's
// certificate bundle and proxy settings without a trace of them in the image.
//
// It must not know projects' files, the store, or where images come from: whether a base image
// has a replacement is asked of a function.
package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	docker "github.com/moby/moby/client"
	"github.com/tonistiigi/fsutil"
)

// Config is what a Builder is made of.
type Config struct {
	Socket string // unix:///var/run/docker.sock
	// CAFile is the certificate bundle that every RUN step sees at /.berth/ca.crt; empty: none.
	CAFile string
	// Env is set for every RUN step that does not set the variable itself: where the bundle is, the
	// proxy. It never reaches the image.
	Env map[string]string
	// Ceiling is the memory in bytes that the steps of all builds share; zero: half of the machine.
	Ceiling int64
	// Substitute says what stands in for a base image that no registry serves. Not ok: nothing does,
	// the reference is used as it is. An error means that neither a registry nor a recipe can serve it.
	// It writes what it does to log. Nil: no base image is replaced.
	Substitute func(ctx context.Context, ref string, log io.Writer) (replacement string, ok bool, err error)
	// Registry gives the login to a registry of images. Nil: there are none.
	Registry func(ctx context.Context, host string) (username string, password berth.Secret, ok bool, err error)
	// Timeout bounds a build whose request does not; zero: 30 minutes.
	Timeout time.Duration
	Log     *slog.Logger
}

const defaultTimeout = 30 * time.Minute

// Builder builds images with the engine's BuildKit.
type Builder struct {
	docker     *docker.Client
	caFile     string
	env        map[string]string
	substitute func(ctx context.Context, ref string, log io.Writer) (string, bool, error)
	logins     logins
	ceiling    *ceiling
	timeout    time.Duration
	log        *slog.Logger
}

var _ build.Builder = (*Builder)(nil)

// New returns a Builder. It connects with the first build.
func New(c Config) (*Builder, error) {
	client, err := docker.New(docker.WithHost(c.Socket))
	if err != nil {
		return nil, fmt.Errorf("connect to Docker at %s: %w", c.Socket, err)
	}
	bytes := c.Ceiling
	if bytes == 0 {
		if bytes, err = halfOfMemory(); err != nil {
			return nil, err
		}
	}
	b := &Builder{
		docker:     client,
		caFile:     c.CAFile,
		env:        maps.Clone(c.Env),
		substitute: c.Substitute,
		logins:     logins{of: c.Registry},
		ceiling:    &ceiling{root: cgroupRoot, bytes: bytes},
		timeout:    c.Timeout,
		log:        c.Log,
	}
	if b.timeout == 0 {
		b.timeout = defaultTimeout
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b, nil
}

// Close lets go of the engine.
func (b *Builder) Close() error { return b.docker.Close() }

// Build implements build.Builder.
func (b *Builder) Build(ctx context.Context, r build.Request, log io.Writer) (build.Result, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = b.timeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()

	lines := &lineWriter{w: log}
	run := &run{Builder: b, request: r, log: lines, progress: newProgress(lines)}
	run.holdMemory(ctx)
	defer func() { _ = run.memory.Close() }()
	image, err := run.solve(ctx)
	if err != nil {
		return build.Result{}, run.explain(ctx, err)
	}
	return image, nil
}

// run is one build under way.
type run struct {
	*Builder
	request  build.Request
	log      *lineWriter
	progress *progress
	memory   *pressure // nil: the engine's build cgroup is out of reach

	config  []byte // of the image, as the frontend made it
	refusal error  // why the frontend gave up, before the wire took the types off
}

func (r *run) solve(ctx context.Context) (build.Result, error) {
	opt, release, err := r.options()
	if err != nil {
		return build.Result{}, err
	}
	defer release()
	client, err := r.connect(ctx)
	if err != nil {
		return build.Result{}, err
	}
	defer func() { _ = client.Close() }()

	status := make(chan *bk.SolveStatus)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		r.progress.follow(status)
	}()
	response, err := client.Build(ctx, opt, "berth", r.dockerfile, status)
	<-printed
	if err != nil {
		return build.Result{}, err
	}
	return r.result(response)
}

// dockerfile runs the frontend here, with every request of its to the engine passing through us.
func (r *run) dockerfile(ctx context.Context, client gateway.Client) (*gateway.Result, error) {
	result, err := (&frontend{Client: client, run: r, bases: make(map[string]*base)}).build(ctx)
	if err != nil {
		r.refusal = err
		return nil, err
	}
	r.config = result.Metadata[exptypes.ExporterImageConfigKey]
	return result, nil
}

func (r *run) result(response *bk.SolveResponse) (build.Result, error) {
	image := response.ExporterResponse[exptypes.ExporterImageDigestKey]
	if config := response.ExporterResponse[exptypes.ExporterImageConfigDigestKey]; config != "" {
		image = config
	}
	if image == "" {
		return build.Result{}, errors.New("read build result: the engine named no image")
	}
	exposed, err := exposedPorts(r.config)
	if err != nil {
		return build.Result{}, fmt.Errorf("read config of image %s: %w", image, err)
	}
	return build.Result{Image: image, Exposed: exposed}, nil
}

func exposedPorts(config []byte) ([]int, error) {
	var image struct {
		Config struct {
			ExposedPorts map[string]struct{}
		} `json:"config"`
	}
	if err := json.Unmarshal(config, &image); err != nil {
		return nil, err
	}
	var ports []int
	for spec := range image.Config.ExposedPorts {
		number, protocol, _ := strings.Cut(spec, "/")
		port, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("parse port %q: %w", spec, err)
		}
		if protocol == "" || protocol == "tcp" {
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	return ports, nil
}

// options says what to build from and into what. release closes the context directory.
func (r *run) options() (opt bk.SolveOpt, release func(), err error) {
	secrets, err := r.secrets()
	if err != nil {
		return bk.SolveOpt{}, nil, err
	}
	root, err := os.OpenRoot(r.request.ContextDir)
	if err != nil {
		return bk.SolveOpt{}, nil, fmt.Errorf("open build context: %w", err)
	}
	export := map[string]string{}
	if r.request.Tag != "" {
		export["name"] = r.request.Tag
	}
	return bk.SolveOpt{
		Exports: []bk.ExportEntry{{Type: "moby", Attrs: export}},
		LocalMounts: map[string]fsutil.FS{
			"context":    fsutil.NewRootFS(fsutil.NewRoot(root)),
			"dockerfile": dockerfileFS(r.request),
		},
		SharedKey:     r.namespace(),
		FrontendAttrs: r.attributes(),
		Session:       []session.Attachable{secretsprovider.FromMap(secrets), r.logins},
	}, func() { _ = root.Close() }, nil
}

// attributes are the frontend's options.
func (r *run) attributes() map[string]string {
	attrs := map[string]string{"filename": dockerfileName}
	for k, v := range r.request.Args {
		attrs["build-arg:"+k] = v
	}
	attrs["build-arg:BUILDKIT_CACHE_MOUNT_NS"] = r.namespace()
	for k, v := range r.request.Labels {
		attrs["label:"+k] = v
	}
	if r.request.Target != "" {
		attrs["target"] = r.request.Target
	}
	if r.request.NoCache {
		attrs["no-cache"] = ""
	}
	return attrs
}

// namespace keeps cache mounts and transferred files of different elements apart.
func (r *run) namespace() string {
	return "berth/" + string(r.request.Project) + "/" + r.request.Element
}
