package buildkit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/berth-dev/berth/build"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

var errTimeout = errors.New("the build's time is up")

const killed = 137 // 128 + SIGKILL

// explain makes of the engine's error what people and callers need: the caller's own cancellation, a
// *build.Failure, or the builder's fault.
func (r *run) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if errors.Is(context.Cause(ctx), errTimeout) {
			return r.timedOut()
		}
		return fmt.Errorf("build %s: %w", r.request.Name, context.Cause(ctx))
	}
	if r.refusal != nil && !connectionLost(r.refusal) {
		return r.refused(r.refusal)
	}
	if s := r.progress.failed(); s != nil && !brokeDown(s.err) {
		return r.stepFailed(s)
	}
	return fmt.Errorf("build %s: %w", r.request.Name, err)
}

func (r *run) timedOut() *build.Failure {
	f := &build.Failure{Command: "the build", File: r.request.Name, TimedOut: true, Cause: errTimeout}
	if s := r.progress.running(); s != nil {
		f.Command, f.Line, f.Tail = s.instruction(), s.line, s.tail()
	}
	return f
}

func (r *run) stepFailed(s *step) *build.Failure {
	f := &build.Failure{
		Command:  s.instruction(),
		File:     r.request.Name,
		Line:     s.line,
		ExitCode: exitCode(s.err),
		Tail:     s.tail(),
		Cause:    errors.New(s.err),
	}
	if f.ExitCode == killed && r.memory.ranOut() {
		f.OutOfMemory, f.Ceiling = true, r.ceiling.bytes
	}
	f.Remedy = remedy(f, texts(s.output))
	return f
}

// refused is what the frontend itself says is wrong: syntax, an unknown stage, a base image.
func (r *run) refused(err error) *build.Failure {
	f := &build.Failure{Command: "the Dockerfile", File: r.request.Name, Cause: err}
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		f.Line = located.Locations[0][0].Start.Line
	}
	var base *baseImageError
	switch {
	case errors.As(err, &base):
		f.Command, f.Cause = "FROM "+base.ref, base
	case f.Line > 0:
		f.Cause = fmt.Errorf("%s line %d: %s", r.request.Name, f.Line, parseErrorPattern.ReplaceAllString(err.Error(), ""))
	}
	f.Remedy = remedy(f, nil)
	return f
}

// parseErrorPattern is what the parser says before the error; the line is said by us.
var parseErrorPattern = regexp.MustCompile(`^dockerfile parse error on line \d+: `)

var exitCodePattern = regexp.MustCompile(`exit code: (\d+)`)

// exitCode reads the code behind the command, which may hold the same words itself.
func exitCode(message string) int {
	all := exitCodePattern.FindAllStringSubmatch(message, -1)
	if len(all) == 0 {
		return 0
	}
	code, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil {
		return 0
	}
	return code
}

// connectionLost reports whether the engine, not the Dockerfile, is the reason.
func connectionLost(err error) bool {
	switch grpcerrors.Code(err) {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded:
		return true
	}
	return false
}

var breakdownPattern = regexp.MustCompile(`no space left on device|transport is closing|error reading from server|no active session|failed to create (shim|runc)|OCI runtime create failed.*cgroup`)

// brokeDown reports whether a step's error is the machine's fault and worth another try. Only the
// engine's own words count, never a command's output, which is not part of them.
func brokeDown(message string) bool {
	return exitCode(message) == 0 && breakdownPattern.MatchString(message)
}
