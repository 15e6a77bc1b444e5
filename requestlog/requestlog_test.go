package requestlog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop, blog berth.ID = "shop", "blog"

func newLog(t *testing.T, file int64) *Log {
	t.Helper()
	l := New(Config{Dir: t.TempDir(), File: file, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func request(n int) berth.Request {
	return berth.Request{Time: time.Now(), Element: "web", Path: fmt.Sprintf("/%d", n), Status: 200}
}

func paths(t *testing.T, l *Log, deployment berth.ID, q berth.LogQuery) (all []string) {
	t.Helper()
	for r, err := range l.Read(t.Context(), deployment, q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Path)
	}
	return all
}

func TestRequestsAreKeptByDeployment(t *testing.T) {
	l := newLog(t, 0)
	old := request(0)
	old.Time = old.Time.Add(-time.Hour)
	l.Add(shop, old)
	for n := 1; n < 4; n++ {
		l.Add(shop, request(n))
	}
	api := request(9)
	api.Element = "api"
	l.Add(shop, api)
	l.Add(blog, request(7))
	for _, c := range []struct {
		q    berth.LogQuery
		want []string
	}{
		{berth.LogQuery{}, []string{"/0", "/1", "/2", "/3", "/9"}},
		{berth.LogQuery{Tail: 2}, []string{"/3", "/9"}},
		{berth.LogQuery{Tail: 20}, []string{"/0", "/1", "/2", "/3", "/9"}},
		{berth.LogQuery{Since: time.Minute}, []string{"/1", "/2", "/3", "/9"}},
		{berth.LogQuery{Element: "api"}, []string{"/9"}},
		{berth.LogQuery{Element: "web", Tail: 1}, []string{"/3"}},
	} {
		if got := paths(t, l, shop, c.q); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
	if err := l.Forget(shop); err != nil {
		t.Fatal(err)
	}
	if got := paths(t, l, shop, berth.LogQuery{}); got != nil {
		t.Errorf("after Forget: %v", got)
	}
	if got := paths(t, l, blog, berth.LogQuery{}); !slices.Equal(got, []string{"/7"}) {
		t.Errorf("another deployment's: %v", got)
	}
}

func TestTheFilesStaySmallAndTheNewestStay(t *testing.T) {
	l := newLog(t, 2000)
	for n := range 100 {
		l.Add(shop, request(n))
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	entries, err := os.ReadDir(l.dir(shop))
	if err != nil || len(entries) > 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 5000 {
		t.Errorf("%d bytes", total)
	}
	got := paths(t, l, shop, berth.LogQuery{})
	if len(got) < 5 || got[len(got)-1] != "/99" {
		t.Fatalf("%v", got)
	}
	for i, path := range got {
		if want := fmt.Sprintf("/%d", 100-len(got)+i); path != want {
			t.Errorf("%s in the place of %s", path, want)
		}
	}
}

// TestFollowLosesNothingAtATurn follows while files turn every few lines.
func TestFollowLosesNothingAtATurn(t *testing.T) {
	l := newLog(t, 1500)
	l.Add(shop, request(0))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r, err := range l.Read(ctx, shop, berth.LogQuery{Follow: true, Tail: 1}) {
			if err != nil {
				t.Error(err)
				return
			}
			got <- r.Path
		}
	}()
	for n := range 25 {
		if path := <-got; path != fmt.Sprintf("/%d", n) {
			t.Fatalf("%s in the place of /%d", path, n)
		}
		l.Add(shop, request(n+1))
	}
	cancel()
	go func() {
		for range got {
		}
	}()
	<-done
	close(got)
}

func TestWhatIsNotWholeIsLeftOut(t *testing.T) {
	l := newLog(t, 0)
	l.Add(shop, request(1))
	if got := paths(t, l, shop, berth.LogQuery{}); len(got) != 1 {
		t.Fatal(got)
	}
	file, err := os.OpenFile(filepath.Join(l.dir(shop), newest), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.WriteString(`{"path":"/half` + "\n")
	file.Close()
	l.Add(shop, request(2))
	if got := paths(t, l, shop, berth.LogQuery{}); !slices.Equal(got, []string{"/1", "/2"}) {
		t.Error(got)
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	dir := t.TempDir()
	l := New(Config{Dir: dir})
	l.Add(shop, request(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := paths(t, newLogIn(t, dir), shop, berth.LogQuery{}); len(got) != 1 {
		t.Error(got)
	}
}

func newLogIn(t *testing.T, dir string) *Log {
	l := New(Config{Dir: dir})
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestADiskThatDoesNotTakeItCostsNothingElse(t *testing.T) {
	l := newLog(t, 0)
	line := request(1)
	line.Path = strings.Repeat("x", 1<<20)
	l.files.Lock() // as a disk that hangs does
	l.config.Dir = "/proc/nowhere"
	for range 20 {
		l.Add(shop, line)
	}
	l.mu.Lock()
	lost, size := l.lost, l.size
	l.mu.Unlock()
	l.files.Unlock()
	if lost == 0 || size > maxWaiting {
		t.Errorf("%d lost, %d wait", lost, size)
	}
	// What waits may have been tried already, by the log itself.
	told := false
	for range 100 {
		l.Add(shop, line)
		if told = l.flush() != nil; told {
			break
		}
	}
	if !told {
		t.Error("nobody is told")
	}
	l.files.Lock()
	l.config.Dir = t.TempDir()
	l.files.Unlock()
}
