package release

import (
	"bytes"
	"context"
)

// steps shows the last line of a long preparation (images from recipes) as the release's step.
type steps struct {
	ctx  context.Context
	loop *Loop
	job  *job
	line []byte
}

func newSteps(ctx context.Context, l *Loop, j *job) *steps { return &steps{ctx: ctx, loop: l, job: j} }

// Write never fails: progress that cannot be shown is no reason to stop the work.
func (s *steps) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		end := bytes.IndexByte(s.line, '\n')
		if end < 0 {
			return len(p), nil
		}
		if text := string(bytes.TrimSpace(s.line[:end])); text != "" {
			if err := s.loop.step(s.ctx, s.job, text); err != nil {
				s.loop.Log.Debug("show step", "error", err)
			}
		}
		s.line = s.line[end+1:]
	}
}
