package buildkit

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

const (
	tailLines   = 20  // of a failed step's output for its Failure
	outputLines = 200 // of either stream, to look for the reason in

	// The engine reads a step's two streams side by side, so that a step's last words on standard error may
	// come before much that it had printed earlier. What is this near the end is told last.
	lastWords = time.Second
)

const standardError = 2 // among the streams, as the engine numbers them

// lineWriter lets several writers share a log without mixing their lines. A log that cannot be
// written does not fail the build.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, format+"\n", args...)
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// progress prints what the engine reports about the steps, and remembers what a failure needs.
type progress struct {
	log *lineWriter

	mu     sync.Mutex
	origin map[digest.Digest]origin
	steps  map[digest.Digest]*step
	number int
}

// origin is where a step comes from, as the frontend said.
type origin struct {
	name string
	line int // in the Dockerfile
}

// step is one step of the build, as far as it was reported.
type step struct {
	number  int
	name    string
	line    int
	started *time.Time
	ended   *time.Time
	err     string
	partial map[int][]byte // by stream: output behind the last newline
	output  []line         // the last lines
}

// line is one line of a step's output.
type line struct {
	text   string
	stream int
	at     time.Time
}

// tail is what the step printed last, with its last words on standard error at the end.
func (s *step) tail() []string {
	var printed, words []line
	for _, l := range s.output {
		if l.stream == standardError && s.ended != nil && s.ended.Sub(l.at) < lastWords {
			words = append(words, l)
		} else {
			printed = append(printed, l)
		}
	}
	all := texts(append(printed, words...))
	return all[max(0, len(all)-tailLines):]
}

func texts(lines []line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.text
	}
	return out
}

func newProgress(log *lineWriter) *progress {
	return &progress{log: log, origin: make(map[digest.Digest]origin), steps: make(map[digest.Digest]*step)}
}

// learn remembers where each step of the definition comes from. The engine would tell names too, but
// builds that share a step share the name it got first.
func (p *progress) learn(def *pb.Definition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for dgst, metadata := range def.GetMetadata() {
		o := origin{name: metadata.GetDescription()["llb.customname"]}
		for _, location := range def.GetSource().GetLocations()[dgst].GetLocations() {
			if len(location.Ranges) > 0 {
				o.line = int(location.Ranges[0].Start.Line)
			}
		}
		p.origin[digest.Digest(dgst)] = o
	}
}

// follow prints until the engine has no more to report.
func (p *progress) follow(status <-chan *bk.SolveStatus) {
	for s := range status {
		p.mu.Lock()
		for _, v := range s.Vertexes {
			p.vertex(v)
		}
		for _, l := range s.Logs {
			p.output(l)
		}
		// A step's last output may come in one report with its end, which has to be printed behind it.
		for _, v := range s.Vertexes {
			p.end(v)
		}
		p.mu.Unlock()
	}
}

func (p *progress) vertex(v *bk.Vertex) {
	s := p.steps[v.Digest]
	if s == nil {
		from := p.origin[v.Digest]
		s = &step{name: v.Name, line: from.line, partial: make(map[int][]byte)}
		if from.name != "" {
			s.name = from.name
		}
		p.steps[v.Digest] = s
	}
	if v.Started == nil || s.number != 0 {
		return
	}
	p.number++
	s.number, s.started = p.number, v.Started
	p.log.Printf("#%d %s", s.number, s.name)
}

func (p *progress) output(l *bk.VertexLog) {
	s := p.steps[l.Vertex]
	if s == nil {
		return
	}
	s.partial[l.Stream] = append(s.partial[l.Stream], l.Data...)
	for {
		text, rest, found := bytes.Cut(s.partial[l.Stream], []byte("\n"))
		if !found {
			return
		}
		s.partial[l.Stream] = rest
		p.print(s, line{visible(string(text)), l.Stream, l.Timestamp})
	}
}

func (p *progress) print(s *step, l line) {
	p.log.Printf("#%d %s", s.number, l.text)
	s.output = append(s.output, l)
	kept := 0
	for _, o := range s.output {
		if o.stream == l.stream {
			kept++
		}
	}
	if kept > outputLines {
		oldest := slices.IndexFunc(s.output, func(o line) bool { return o.stream == l.stream })
		s.output = slices.Delete(s.output, oldest, oldest+1)
	}
}

// visible returns what a terminal would show of a line in the end: a carriage return starts it anew.
func visible(line string) string {
	line = strings.TrimRight(line, "\r")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	return line
}

func (p *progress) end(v *bk.Vertex) {
	s := p.steps[v.Digest]
	if v.Completed == nil || s.ended != nil {
		return
	}
	for _, stream := range slices.Sorted(maps.Keys(s.partial)) {
		if text := s.partial[stream]; len(text) > 0 {
			p.print(s, line{visible(string(text)), stream, *v.Completed})
		}
		delete(s.partial, stream)
	}
	s.ended, s.err = v.Completed, v.Error
	switch {
	case s.number == 0: // its result was there before it had to start
	case cancelled(v.Error):
		p.log.Printf("#%d cancelled", s.number)
	case v.Error != "":
		p.log.Printf("#%d ERROR: %s", s.number, v.Error)
	case v.Cached:
		p.log.Printf("#%d CACHED", s.number)
	default:
		p.log.Printf("#%d DONE %.1fs", s.number, v.Completed.Sub(*s.started).Seconds())
	}
}

func cancelled(err string) bool { return strings.HasSuffix(err, "context canceled") }

// failed returns the step that failed first, nil if none did.
func (p *progress) failed() *step {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first(func(s *step) bool { return s.err != "" && !cancelled(s.err) })
}

// running returns the step that was cut off, nil if none was.
func (p *progress) running() *step {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first(func(s *step) bool { return s.number != 0 && s.line != 0 && (s.ended == nil || cancelled(s.err)) })
}

func (p *progress) first(match func(*step) bool) *step {
	var found *step
	for _, s := range p.steps {
		if match(s) && (found == nil || s.before(found)) {
			found = s
		}
	}
	return found
}

func (s *step) before(t *step) bool {
	if s.ended != nil && t.ended != nil && !s.ended.Equal(*t.ended) {
		return s.ended.Before(*t.ended)
	}
	return s.number < t.number
}

// instruction is the step's name without the stage it belongs to.
func (s *step) instruction() string {
	if strings.HasPrefix(s.name, "[") {
		if _, after, found := strings.Cut(s.name, "] "); found {
			return after
		}
	}
	return s.name
}
