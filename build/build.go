// Package build is the seam to builders: what goes in, what comes out, how it fails.
// Its decorators (limit, record) wrap any Builder. It must not know Docker, BuildKit,
// Git or the store.
package build

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/berth-dev/berth"
)

// Request is one image to build.
type Request struct {
	ID         berth.ID
	Project    berth.ID // cache mounts are namespaced by project and element
	Element    string
	ContextDir string            // absolute; the checked-out tree, read only to the builder
	Dockerfile []byte            // its content, which need not lie in the context
	Name       string            // what to call the Dockerfile in messages: "web/Dockerfile"
	Ignore     []byte            // the effective .dockerignore; may be empty
	Args       map[string]string // build arguments; never secrets: they stay in image history
	Secrets    map[string]berth.Secret
	Files      map[string][]byte // extra secret mounts that recipes need, like the CA bundle
	Target     string
	Tag        string // name given to the image; empty: none
	Labels     map[string]string
	NoCache    bool
	Timeout    time.Duration // zero: the builder's default
}

// Result is a built image.
type Result struct {
	Image   string // image id, sha256:…
	Exposed []int  // ports of EXPOSE, ascending
}

// Builder builds images. Build blocks until the image exists or the build failed; cancelling
// ctx ends its steps within two seconds. A build that fails by its own fault returns a *Failure;
// anything else is the builder's fault and worth trying again. log gets plain text lines.
type Builder interface {
	Build(ctx context.Context, r Request, log io.Writer) (Result, error)
}

// Failure is a build that failed by its own fault.
type Failure struct {
	Command     string   // the Dockerfile instruction that failed
	File        string   // Request.Name
	Line        int      // in the Dockerfile; 0: unknown
	ExitCode    int      // 0: it did not run
	Tail        []string // its last lines, at most 20
	OutOfMemory bool
	TimedOut    bool
	Ceiling     int64  // bytes all builds may share, with OutOfMemory
	Remedy      string // what likely helps; may be empty
	Cause       error
}

func (f *Failure) Error() string {
	switch {
	case f.OutOfMemory:
		return fmt.Sprintf("%s ran out of memory: all builds together may use %d MiB", f.Command, f.Ceiling>>20)
	case f.TimedOut:
		return fmt.Sprintf("%s took too long", f.Command)
	case f.ExitCode != 0:
		return fmt.Sprintf("%s failed with exit code %d", f.Command, f.ExitCode)
	case f.Cause != nil:
		return f.Cause.Error()
	}
	return "the build failed"
}

func (f *Failure) Unwrap() error { return f.Cause }
