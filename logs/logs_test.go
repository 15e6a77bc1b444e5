package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deployment berth.ID = "abcdefghij"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// machine is an engine's containers, as far as logs are concerned.
type machine struct {
	t     testing.TB
	dir   string
	logs  *Logs
	mu    sync.Mutex
	files []engine.LogFile
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	m.logs = New(Config{Dir: filepath.Join(m.dir, "kept[*]"), Files: func(context.Context, berth.ID) ([]engine.LogFile, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Clone(m.files), nil
	}})
	m.logs.now = func() time.Time { return noon.Add(time.Hour) }
	return m
}

// start makes a container's log, as Docker would.
func (m *machine) start(i engine.Instance) *docker {
	m.t.Helper()
	dir, err := os.MkdirTemp(m.dir, "container-") // never named by an id: tests have hostile ones
	must(m.t, err)
	d := &docker{t: m.t, base: filepath.Join(dir, "container-json.log"), limit: 1 << 40, now: i.StartedAt}
	d.open()
	if i.State == "" {
		i.State = berth.InstanceRunning
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files = append(m.files, engine.LogFile{Deployment: deployment, Instance: i, Container: "app", Paths: []string{d.base}})
	return d
}

// remove keeps a container's log and removes it, as the engine does.
func (m *machine) remove(d *docker) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.files, func(f engine.LogFile) bool { return f.Paths[0] == d.base })
	must(m.t, m.logs.Keep(context.Background(), m.files[i:i+1]))
	must(m.t, d.file.Close())
	root, err := os.OpenRoot(m.dir) // what is removed cannot lie outside
	must(m.t, err)
	must(m.t, root.RemoveAll(filepath.Base(filepath.Dir(d.base))))
	must(m.t, root.Close())
	m.files = slices.Delete(m.files, i, i+1)
}

func (m *machine) read(q berth.LogQuery) []berth.LogLine {
	m.t.Helper()
	var lines []berth.LogLine
	for line, err := range m.logs.Read(m.t.Context(), deployment, q) {
		must(m.t, err)
		lines = append(lines, line)
	}
	return lines
}

// texts is the lines' text only.
func texts(lines []berth.LogLine) []string {
	list := make([]string, len(lines))
	for i, l := range lines {
		list[i] = l.Text
	}
	return list
}

func (m *machine) want(q berth.LogQuery, want ...string) {
	m.t.Helper()
	if got := texts(m.read(q)); !slices.Equal(got, want) {
		m.t.Errorf("%+v yields %q, want %q", q, got, want)
	}
}

func instance(id, element string, run int) engine.Instance {
	return engine.Instance{ID: id, Element: element, Workload: "app", Run: run, StartedAt: noon.Add(time.Duration(run) * time.Minute)}
}

// docker writes a json-file and rotates it the way that Docker's driver does.
type docker struct {
	t     testing.TB
	base  string
	file  *os.File
	size  int64
	limit int64
	now   time.Time
}

func (d *docker) open() {
	var err error
	d.file, err = os.OpenFile(d.base, os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_TRUNC, 0o640)
	must(d.t, err)
	d.size = 0
}

func (d *docker) rotate() {
	const files = 4
	must(d.t, d.file.Close())
	for age := files - 1; age > 1; age-- {
		_ = os.Rename(d.base+"."+strconv.Itoa(age-1), d.base+"."+strconv.Itoa(age))
	}
	must(d.t, os.Rename(d.base, d.base+".1"))
	d.open()
}

func (d *docker) record(stream, text string) {
	d.now = d.now.Add(time.Second)
	line, err := json.Marshal(map[string]any{"log": text, "stream": stream, "time": d.now})
	must(d.t, err)
	d.raw(string(line) + "\n")
}

func (d *docker) raw(text string) {
	if d.size >= d.limit {
		d.rotate()
	}
	n, err := d.file.WriteString(text)
	must(d.t, err)
	d.size += int64(n)
}

// print writes what a container printed, cut as Docker cuts it.
func (d *docker) print(lines ...string) {
	for _, line := range lines {
		for line += "\n"; len(line) > split; line = line[split:] {
			d.record("stdout", line[:split])
		}
		d.record("stdout", line)
	}
}

func TestLinesAreWhatWasWritten(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	long := strings.Repeat("x", 3*split) + "end"
	d.print("first", "", "\x1b[31mred\x1b[0m", long)
	d.record("stdout", "over a terminal\r\n")
	d.raw("{\"log\":\"cut sho\n\x00\x00\x00\n\n")
	d.record("stderr", strings.Repeat("e", split))
	d.record("stdout", "between\n")
	d.record("stderr", "joined\n")
	d.raw(`{"log":"bad` + "\xff" + ` \u00fc\ud800\n","stream":"stderr","time":"2026-03-01T13:00:00.123456789Z"}` + "\n")
	d.record("stdout", "prompt> ")
	d.raw(`{"log":"half a rec`)
	m.want(berth.LogQuery{}, "first", "", "\x1b[31mred\x1b[0m", long, "over a terminal",
		"between", strings.Repeat("e", split)+"joined", "bad\ufffd ü\ufffd", "prompt> ")
	line := m.read(berth.LogQuery{Tail: 2})[1]
	want := berth.LogLine{Time: time.Date(2026, 3, 1, 13, 0, 0, 123456789, time.UTC), Element: "web", Instance: "a", Container: "app",
		Stream: "stderr", Text: "bad\ufffd ü\ufffd"}
	if line != want {
		t.Errorf("got %+v, want %+v", line, want)
	}
}

func TestContainersAreMergedByTime(t *testing.T) {
	m := newMachine(t)
	a, b := m.start(instance("a", "web", 1)), m.start(instance("b", "api", 1))
	b.now = b.now.Add(500 * time.Millisecond)
	for i := range 3 {
		a.print(fmt.Sprint("a", i))
		b.print(fmt.Sprint("b", i))
	}
	m.want(berth.LogQuery{}, "a0", "b0", "a1", "b1", "a2", "b2")
	m.want(berth.LogQuery{Element: "api"}, "b0", "b1", "b2")
	m.want(berth.LogQuery{Tail: 3}, "b1", "a2", "b2")
	m.want(berth.LogQuery{Tail: 2, Element: "web"}, "a1", "a2")
}

func TestRotatedFilesAreReadInOrder(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.limit = 1000
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("%02d %s", i, strings.Repeat("x", 60)))
	}
	d.print(want...)
	m.want(berth.LogQuery{}, want...)
	for _, n := range []int{1, 2, 7, 12, 29, 30, 31, 1000} {
		m.want(berth.LogQuery{Tail: n}, want[max(0, 30-n):]...)
	}
	// Lines began a minute after noon, one a second; it is one o'clock.
	for _, n := range []int{0, 1, 10, 29} {
		since := time.Hour - time.Minute - time.Duration(n+1)*time.Second
		m.want(berth.LogQuery{Since: since}, want[n:]...)
		m.want(berth.LogQuery{Since: since, Tail: 5}, want[max(n, 25):]...)
	}
}

func TestTailOfLongLines(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	var want []string
	for i := range 12 {
		want = append(want, strconv.Itoa(i)+strings.Repeat("x", 20*split))
	}
	d.print(want...)
	m.want(berth.LogQuery{Tail: 3}, want[9:]...)
}

func TestSinceFindsItsPlaceInALargeFile(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	for i := range 20_000 {
		d.now = noon.Add(time.Duration(i) * 100 * time.Millisecond).Add(-time.Second)
		d.record("stdout", strconv.Itoa(i)+strings.Repeat("x", 100)+"\n")
	}
	lines := m.read(berth.LogQuery{Since: time.Hour - 1500*time.Second})
	if len(lines) != 5000 || !strings.HasPrefix(lines[0].Text, "15000x") {
		t.Errorf("%d lines, the first is %.20s", len(lines), lines[0].Text)
	}
}

func TestPrevious(t *testing.T) {
	m := newMachine(t)
	m.want(berth.LogQuery{Previous: true})
	first := m.start(instance("a", "web", 1))
	first.print("one")
	m.want(berth.LogQuery{Previous: true})
	other := m.start(instance("z", "api", 1))
	other.print("other")

	// It exits, and is not replaced yet: there is no present run.
	m.files[0].Instance.State = berth.InstanceExited
	m.want(berth.LogQuery{Previous: true}, "one")
	// Replaced, then removed.
	second := m.start(instance("b", "web", 2))
	second.print("two")
	m.want(berth.LogQuery{Previous: true}, "one")
	m.remove(first)
	m.want(berth.LogQuery{Previous: true}, "one")
	m.want(berth.LogQuery{}, "one", "other", "two")
	m.remove(second)
	m.want(berth.LogQuery{Previous: true, Element: "web"}, "two")
	m.start(instance("c", "web", 3)).print("three")
	m.want(berth.LogQuery{Previous: true}, "two")
	m.want(berth.LogQuery{Previous: true, Follow: true}, "two")
}

func TestKeptOutlivesTheContainerAndIsForgotten(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("../../escape", "we/b", 1))
	d.limit = 200
	d.print("one", "two", "three", "four", "five")
	must(t, m.logs.Keep(t.Context(), m.files))
	d.print("six")
	m.remove(d) // keeps again
	m.want(berth.LogQuery{}, "one", "two", "three", "four", "five", "six")
	m.want(berth.LogQuery{Tail: 2}, "five", "six")
	must(t, m.logs.Keep(t.Context(), []engine.LogFile{{Deployment: deployment, Instance: instance("../../escape", "we/b", 1), Container: "app", Paths: []string{d.base}}}))
	m.want(berth.LogQuery{Tail: 1}, "six")
	must(t, m.logs.Forget(deployment))
	must(t, m.logs.Forget(deployment))
	m.want(berth.LogQuery{})
	if left, _ := os.ReadDir(m.logs.config.Dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestKeptIsBounded(t *testing.T) {
	m := newMachine(t)
	for run := range 8 {
		d := m.start(instance(fmt.Sprint("web", run), "web", run))
		d.print(fmt.Sprint("web", run))
		m.remove(d)
	}
	m.want(berth.LogQuery{}, "web3", "web4", "web5", "web6", "web7")
	m.logs.config.Budget = 5000
	for run := range 3 {
		d := m.start(instance(fmt.Sprint("api", run), "api", run))
		d.print(fmt.Sprint("api", run) + strings.Repeat("x", 4000))
		m.remove(d)
	}
	if got := texts(m.read(berth.LogQuery{Element: "api"})); len(got) != 1 || !strings.HasPrefix(got[0], "api2") {
		t.Errorf("kept %.10q of a slot over the budget", got)
	}
	m.want(berth.LogQuery{Element: "web", Tail: 1}, "web7")
}

func TestKeptCopyIsReadLikeALink(t *testing.T) {
	m := newMachine(t)
	d := m.start(instance("a", "web", 1))
	d.print("one", "two")
	from := d.base
	to := filepath.Join(m.dir, "copy")
	must(t, copyFile(from, to))
	text, err := os.ReadFile(to)
	must(t, err)
	if want, _ := os.ReadFile(from); string(text) != string(want) {
		t.Error("the copy differs")
	}
	m.remove(d)
	// As if the kept file had been copied: the inode that Docker wrote is another one.
	kept, err := m.logs.keptContainers(deployment)
	must(t, err)
	file := filepath.Join(kept[0].kept, "0.log")
	must(t, os.Remove(file))
	must(t, os.Rename(to, file))
	m.want(berth.LogQuery{}, "one", "two")
}

func TestErrorOfTheEngineIsYielded(t *testing.T) {
	boom := errors.New("boom")
	l := New(Config{Dir: t.TempDir(), Files: func(context.Context, berth.ID) ([]engine.LogFile, error) { return nil, boom }})
	for _, err := range l.Read(t.Context(), deployment, berth.LogQuery{Follow: true}) {
		if !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("no error")
}
