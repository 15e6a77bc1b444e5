package logs

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

// follower collects what a follower sees.
type follower struct {
	lines chan berth.LogLine
	stop  context.CancelFunc
	ended chan struct{}
}

func (m *machine) follow(q berth.LogQuery) *follower {
	ctx, cancel := context.WithCancel(m.t.Context())
	f := &follower{lines: make(chan berth.LogLine, 100_000), stop: cancel, ended: make(chan struct{})}
	q.Follow = true
	go func() {
		defer close(f.ended)
		for line, err := range m.logs.Read(ctx, deployment, q) {
			if err != nil {
				m.t.Error(err)
				return
			}
			f.lines <- line
		}
	}()
	m.t.Cleanup(func() { cancel(); <-f.ended })
	return f
}

func (f *follower) next(t testing.TB) string {
	t.Helper()
	select {
	case line := <-f.lines:
		return line.Text
	case <-time.After(20 * time.Second):
		t.Fatal("no line came")
		return ""
	}
}

func (f *follower) want(t testing.TB, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := f.next(t); got != w {
			t.Fatalf("got %.40q, want %.40q", got, w)
		}
	}
}

// nothing checks, at the follower's end, that no line is left.
func (f *follower) nothing(t testing.TB) {
	t.Helper()
	f.stop()
	<-f.ended
	if len(f.lines) != 0 {
		t.Errorf("%d lines too many, the first is %.40q", len(f.lines), (<-f.lines).Text)
	}
}

// TestFollowThroughRotations: whatever the sizes, every line comes once and in order, as long as
// the reader is not more than the kept rotations behind.
func TestFollowThroughRotations(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.limit = 20_000
	f := m.follow(berth.LogQuery{})
	const lines = 3000
	var written []string
	for i := range lines {
		text := fmt.Sprint(i, " ", strings.Repeat("x", i%7*10))
		if i%997 == 0 {
			text += strings.Repeat("y", split)
		}
		d.print(text)
		written = append(written, text)
		if i%100 == 99 { // a reader may be a rotation behind, not four
			for range 100 {
				f.want(t, written[0])
				written = written[1:]
			}
		}
	}
	f.nothing(t)
}

func TestFollowSeesContainersComeAndGo(t *testing.T) {
	m := newMachine(t)
	first := m.start(instance("a", "web", 1))
	first.print("old")
	f := m.follow(berth.LogQuery{})
	f.want(t, "old")
	first.print("one")
	f.want(t, "one")
	first.print("last words")
	m.remove(first)
	f.want(t, "last words")
	second := m.start(instance("b", "web", 2))
	second.print("two")
	f.want(t, "two")
	short := m.start(instance("c", "api", 1)) // is gone before anybody looks
	short.print("short")
	m.remove(short)
	f.want(t, "short")
	second.print("three")
	f.want(t, "three")
	f.nothing(t)
}

func TestFollowAfterTail(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.print("one", "two", "three")
	f := m.follow(berth.LogQuery{Tail: 1})
	f.want(t, "three")
	d.print("four")
	f.want(t, "four")
	f.nothing(t)
}

func TestFollowWaitsForTheFile(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	must(t, os.Remove(d.base))
	f := m.follow(berth.LogQuery{})
	d.open()
	d.print("one")
	f.want(t, "one")
	f.nothing(t)
}

func TestFollowThroughRemovalDuringRotation(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.limit = 100
	d.print("0")
	f := m.follow(berth.LogQuery{})
	f.want(t, "0")
	d.print("1", "2", "3") // two rotations that the follower has not seen
	m.remove(d)
	f.want(t, "1", "2", "3")
	f.nothing(t)
}

func TestEmptiedFileIsReadAnew(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.print("one", "two")
	f := m.follow(berth.LogQuery{})
	f.want(t, "one", "two")
	d.open() // max-file=1
	d.print("three")
	f.want(t, "three")
	f.nothing(t)
}

// TestReadProperty: any mixture of lengths, streams and rotations comes back, by any tail.
func TestReadProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMachine(t)
		d := m.start(instance("a", "web", 1))
		d.limit = 50_000
		var want []string
		for i := range rapid.IntRange(0, 30).Draw(r, "lines") {
			line := fmt.Sprint(i) + strings.Repeat("ü", rapid.SampledFrom([]int{0, 1, 100, split / 2, split, 3 * split / 2}).Draw(r, "length"))
			d.print(line)
			want = append(want, strings.ToValidUTF8(line, "\ufffd"))
		}
		got := texts(m.read(berth.LogQuery{}))
		if len(got) > len(want) {
			r.Fatalf("%d lines of %d", len(got), len(want))
		}
		for i := range got { // the oldest may be rotated away
			if w := want[len(want)-len(got)+i]; i > 0 && len(got[i]) < len(w) {
				r.Fatalf("line %d is %.20q… of %d bytes, want %d", i, got[i], len(got[i]), len(w))
			}
		}
		tail := rapid.IntRange(1, 40).Draw(r, "tail")
		newest := texts(m.read(berth.LogQuery{Tail: tail}))
		if fmt.Sprint(newest) != fmt.Sprint(got[max(0, len(got)-tail):]) {
			r.Fatalf("tail %d yields %d lines of %d", tail, len(newest), len(got))
		}
	})
}
