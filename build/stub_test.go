package build_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/berth-dev/berth/build"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub is a Builder whose builds end when the test says.
type stub struct {
	started chan string // elements, as their builds start
	finish  chan error
}

func newStub() *stub {
	return &stub{started: make(chan string), finish: make(chan error)}
}

func (s *stub) Build(ctx context.Context, r build.Request, log io.Writer) (build.Result, error) {
	_, _ = fmt.Fprintf(log, "building %s\n", r.Element)
	s.started <- r.Element
	select {
	case err := <-s.finish:
		return build.Result{Image: "sha256:" + r.Element}, err
	case <-ctx.Done():
		return build.Result{}, context.Cause(ctx)
	}
}
