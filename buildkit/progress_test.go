package buildkit

import (
	"strings"
	"testing"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(seconds float64) *time.Time {
	t := time.Unix(0, int64(seconds*1e9))
	return &t
}

// report feeds what an engine would say, one status each.
func report(p *progress, statuses ...*bk.SolveStatus) {
	ch := make(chan *bk.SolveStatus, len(statuses))
	for _, s := range statuses {
		ch <- s
	}
	close(ch)
	p.follow(ch)
}

func vertexes(v ...*bk.Vertex) *bk.SolveStatus { return &bk.SolveStatus{Vertexes: v} }

func output(step digest.Digest, text string) *bk.SolveStatus {
	return &bk.SolveStatus{Logs: []*bk.VertexLog{{Vertex: step, Data: []byte(text)}}}
}

func TestProgressPrintsStepsAndOutput(t *testing.T) {
	var log strings.Builder
	p := newProgress(&lineWriter{w: &log})
	p.learn(&pb.Definition{
		Metadata: map[string]*pb.OpMetadata{"sha256:ci": {Description: map[string]string{"llb.customname": "[build 2/4] RUN npm ci"}}},
		Source: &pb.Source{Locations: map[string]*pb.Locations{"sha256:ci": {Locations: []*pb.Location{
			{Ranges: []*pb.Range{{Start: &pb.Position{Line: 7}}}}}}}},
	})
	ci := &bk.Vertex{Digest: "sha256:ci", Name: "as another build called it", Started: at(1)}
	report(p,
		vertexes(&bk.Vertex{Digest: "sha256:from", Name: "[build 1/4] FROM node"}, &bk.Vertex{Digest: "sha256:ci", Name: ci.Name}),
		vertexes(ci),
		output("sha256:ci", "added 1\nwaiting 1%\rwait"),
		vertexes(&bk.Vertex{Digest: "sha256:from", Name: "[build 1/4] FROM node", Started: at(1), Completed: at(1), Cached: true}),
		&bk.SolveStatus{
			Vertexes: []*bk.Vertex{{Digest: "sha256:ci", Started: at(1), Completed: at(3.5), Error: "exit code: 1"}},
			Logs:     []*bk.VertexLog{{Vertex: "sha256:ci", Data: []byte("ing 2%\rnpm error\r\nlast, without newline")}},
		},
	)
	const want = `#1 [build 2/4] RUN npm ci
#1 added 1
#2 [build 1/4] FROM node
#2 CACHED
#1 npm error
#1 last, without newline
#1 ERROR: exit code: 1
`
	if log.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &log, want)
	}
	failed := p.failed()
	if failed == nil || failed.line != 7 || failed.instruction() != "RUN npm ci" || failed.err != "exit code: 1" {
		t.Errorf("failed step %+v", failed)
	}
}

func TestFailedIsTheFirstThatWasNotCancelled(t *testing.T) {
	p := newProgress(&lineWriter{w: new(strings.Builder)})
	report(p, vertexes(
		&bk.Vertex{Digest: "sha256:a", Name: "cut off", Started: at(1), Completed: at(2), Error: "context canceled"},
		&bk.Vertex{Digest: "sha256:b", Name: "later", Started: at(1), Completed: at(4), Error: "exit code: 2"},
		&bk.Vertex{Digest: "sha256:c", Name: "first", Started: at(2), Completed: at(3), Error: "exit code: 1"},
		&bk.Vertex{Digest: "sha256:d", Name: "good", Started: at(1), Completed: at(1)},
	))
	if got := p.failed(); got == nil || got.name != "first" {
		t.Errorf("failed step %+v", got)
	}
}

// However the engine cuts the output, lines come out whole, in order, and none twice.
func TestOutputIsCutAnywhere(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-z ]{0,9}`), 1, 300).Draw(r, "lines")
		text := strings.Join(lines, "\n")
		var log strings.Builder
		p := newProgress(&lineWriter{w: &log})
		statuses := []*bk.SolveStatus{vertexes(&bk.Vertex{Digest: "sha256:x", Name: "RUN x", Started: at(1)})}
		for len(text) > 0 {
			n := rapid.IntRange(1, len(text)).Draw(r, "cut")
			statuses = append(statuses, output("sha256:x", text[:n]))
			text = text[n:]
		}
		statuses = append(statuses, vertexes(&bk.Vertex{Digest: "sha256:x", Started: at(1), Completed: at(2), Error: "exit code: 1"}))
		report(p, statuses...)
		if lines[len(lines)-1] == "" { // nothing behind the last newline is no line
			lines = lines[:len(lines)-1]
		}
		want := "#1 RUN x\n"
		for _, line := range lines {
			want += "#1 " + line + "\n"
		}
		if want += "#1 ERROR: exit code: 1\n"; log.String() != want {
			r.Fatalf("printed %q, want %q", log.String(), want)
		}
		tail := p.failed().tail()
		if expect := lines[max(0, len(lines)-20):]; strings.Join(tail, "\n") != strings.Join(expect, "\n") {
			r.Fatalf("tail %q, want %q", tail, expect)
		}
	})
}

// The engine reads standard output and standard error side by side, so that which comes first is luck.
func TestTailEndsWithTheLastWordsOnStandardError(t *testing.T) {
	const step = "sha256:x"
	say := func(stream int, seconds float64, text string) *bk.SolveStatus {
		return &bk.SolveStatus{Logs: []*bk.VertexLog{{Vertex: step, Stream: stream, Timestamp: *at(seconds), Data: []byte(text)}}}
	}
	p := newProgress(&lineWriter{w: new(strings.Builder)})
	report(p,
		vertexes(&bk.Vertex{Digest: step, Name: "RUN x", Started: at(1)}),
		say(2, 2, "an early warning\n"),
		say(1, 9.9, "half a "),
		say(2, 9.9, "frobnicate: not found\n"),
		say(1, 9.9, "line\n"+strings.Repeat("printed\n", 300)),
		vertexes(&bk.Vertex{Digest: step, Started: at(1), Completed: at(10), Error: "exit code: 127"}),
	)
	tail := p.failed().tail()
	if len(tail) != tailLines || tail[tailLines-1] != "frobnicate: not found" || tail[0] != "printed" {
		t.Errorf("tail %q", tail)
	}
	if all := texts(p.failed().output); len(all) != outputLines+2 || all[0] != "an early warning" {
		t.Errorf("%d lines are kept to look for the reason, the first is %q", len(all), all[0])
	}
}
