package buildkit

import (
	"context"
	"fmt"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// frontend makes build steps of a Dockerfile and stands between that work and the engine.
//
// It is upstream's frontend/dockerfile/builder without what we never ask for (subrequests, attestations,
// a frontend named by a "# syntax=" line, which would have to be pulled), and without its cache of
// base images, which has a data race.
type frontend struct {
	gateway.Client
	run *run

	mu    sync.Mutex
	bases map[string]*base
}

func (f *frontend) build(ctx context.Context) (*gateway.Result, error) {
	client, err := dockerui.NewClient(f)
	if err != nil {
		return nil, err
	}
	source, err := client.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	results, err := client.Build(ctx, func(ctx context.Context, platform *ocispecs.Platform, _ int) (*dockerui.BuildResult, error) {
		return f.convert(ctx, client, source, platform)
	})
	if err != nil {
		return nil, err
	}
	return results.Finalize()
}

func (f *frontend) convert(ctx context.Context, client *dockerui.Client, source *dockerui.Source, platform *ocispecs.Platform) (*dockerui.BuildResult, error) {
	converted, err := dockerfile2llb.Dockerfile2LLB(ctx, source.Data, dockerfile2llb.ConvertOpt{
		Config:         client.Config,
		Client:         client,
		SourceMap:      source.SourceMap,
		MetaResolver:   f,
		TargetPlatform: platform,
		Warn:           f.warn,
	})
	if err != nil {
		return nil, err
	}
	definition, err := converted.State.Marshal(ctx)
	if err != nil {
		return nil, fmt.Errorf("marshal build steps: %w", err)
	}
	solved, err := f.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB()})
	if err != nil {
		return nil, err
	}
	ref, err := solved.SingleRef()
	if err != nil {
		return nil, err
	}
	return &dockerui.BuildResult{Reference: ref, Image: converted.Image, BaseImage: converted.BaseImage, Epoch: converted.Epoch}, nil
}

// warn prints what the frontend has to remark.
func (f *frontend) warn(_, _, _, message string, location []parser.Range) {
	if len(location) > 0 {
		f.run.log.Printf("warning: %s line %d: %s", f.run.request.Name, location[0].Start.Line, message)
		return
	}
	f.run.log.Printf("warning: %s", message)
}

// Solve gives every step of what the frontend made of the Dockerfile what steps need on this
// machine, and remembers which line it came from.
func (f *frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Definition != nil {
		definition, err := rewrite(req.Definition, f.run.outfit())
		if err != nil {
			return nil, fmt.Errorf("prepare build steps: %w", err)
		}
		req.Definition = definition
		f.run.progress.learn(definition)
	}
	return f.Client.Solve(ctx, req)
}

// base is a base image that was asked for. Stages ask at the same time, and often for the same one.
type base struct {
	mu     sync.Mutex
	known  bool
	ref    string
	digest digest.Digest
	config []byte
	err    error
}

// ResolveImageConfig is how the frontend asks for each base image, of FROM, COPY --from and
// RUN --mount alike, with arguments already expanded.
func (f *frontend) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	f.mu.Lock()
	b := f.bases[ref]
	if b == nil {
		b = new(base)
		f.bases[ref] = b
	}
	f.mu.Unlock()

	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.known {
		b.ref, b.digest, b.config, b.err = f.resolve(ctx, ref, opt)
		b.known = true
	}
	return b.ref, b.digest, b.config, b.err
}

func (f *frontend) resolve(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	name := familiar(ref)
	actual, err := f.substitute(ctx, name, ref)
	if err != nil {
		return "", "", nil, &baseImageError{ref: name, err: err}
	}
	resolved, dgst, config, err := f.Client.ResolveImageConfig(ctx, actual, opt)
	if err != nil {
		return "", "", nil, &baseImageError{ref: name, err: err}
	}
	return resolved, dgst, config, nil
}

// substitute returns what to use for a base image: what stands in for it, or ref itself.
func (f *frontend) substitute(ctx context.Context, name, ref string) (string, error) {
	if f.run.Builder.substitute == nil {
		return ref, nil
	}
	replacement, ok, err := f.run.Builder.substitute(ctx, name, f.run.log)
	if err != nil || !ok {
		return ref, err
	}
	f.run.log.Printf("using %s in place of %s", replacement, name)
	full, err := reference.ParseNormalizedNamed(replacement)
	if err != nil {
		return "", fmt.Errorf("parse replacement %s: %w", replacement, err)
	}
	return reference.TagNameOnly(full).String(), nil
}

// familiar returns a reference as people write it.
func familiar(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(named)
}

// baseImageError says that a base image cannot be had.
type baseImageError struct {
	ref string
	err error
}

func (e *baseImageError) Error() string { return fmt.Sprintf("base image %s: %v", e.ref, e.err) }
func (e *baseImageError) Unwrap() error { return e.err }
