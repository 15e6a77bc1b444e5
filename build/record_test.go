package build_test

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

func TestRecordKeepsTheLogAndHowItEnded(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		last string
	}{
		"good": {nil, "built sha256:web in "},
		"bad":  {&build.Failure{Command: "RUN npm ci", ExitCode: 1}, "RUN npm ci failed with exit code 1"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := build.NewLogs(filepath.Join(t.TempDir(), "builds"))
			s := newStub()
			b := build.Record(s, logs.Create)
			id := berth.NewID()
			var passed strings.Builder
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := b.Build(t.Context(), build.Request{ID: id, Element: "web"}, &passed)
				if !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
			})
			<-s.started
			follower, err := logs.Open(id, true)
			if err != nil {
				t.Fatal(err)
			}
			defer follower.Close()
			first := make([]byte, 64)
			if n, err := follower.Read(first); err != nil || string(first[:n]) != "building web\n" {
				t.Fatalf("read %q, %v", first[:n], err)
			}
			s.finish <- test.err
			rest, err := io.ReadAll(follower) // ends with the build
			if err != nil || !strings.Contains(string(rest), test.last) {
				t.Errorf("read %q, %v; want %q", rest, err, test.last)
			}
			wg.Wait()
			if want := "building web\n" + string(rest); passed.String() != want {
				t.Errorf("the caller's log has %q, want %q", passed.String(), want)
			}
		})
	}
}

func TestRecordNeedsALog(t *testing.T) {
	full := errors.New("disk full")
	b := build.Record(newStub(), func(berth.ID) (io.WriteCloser, error) { return nil, full })
	if _, err := b.Build(t.Context(), build.Request{}, io.Discard); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
}

func TestFollowerEndsWhenClosed(t *testing.T) {
	logs := build.NewLogs(t.TempDir())
	id := berth.NewID()
	w, err := logs.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := logs.Open(id, true)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.ReadAll(r)
	}()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}

func TestReaderThatDoesNotFollow(t *testing.T) {
	logs := build.NewLogs(t.TempDir())
	id := berth.NewID()
	if _, err := logs.OpenBuildLog(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v before there is a log, want fs.ErrNotExist", err)
	}
	w, err := logs.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := logs.OpenBuildLog(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, text := range []string{"", "one\n", "two\n"} {
		_, _ = io.WriteString(w, text)
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("read %q, %v; want %q", got, err, text)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestBuildThatRunsAgainGoesOnInItsLog(t *testing.T) {
	logs := build.NewLogs(t.TempDir())
	id := berth.NewID()
	for _, text := range []string{"first\n", "second\n"} {
		w, err := logs.Create(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := logs.Create(id); err == nil {
			t.Error("two writers of one log")
		}
		_, _ = io.WriteString(w, text)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	r, err := logs.Open(id, true)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "first\nsecond\n" {
		t.Errorf("read %q, %v", got, err)
	}
	for range 2 {
		if err := logs.Remove(id); err != nil {
			t.Error(err)
		}
	}
	if _, err := logs.Open(id, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v after removal, want fs.ErrNotExist", err)
	}
}

func TestLogsStayInTheirDirectory(t *testing.T) {
	logs := build.NewLogs(filepath.Join(t.TempDir(), "builds"))
	if w, err := logs.Create("../../outside"); err == nil {
		_ = w.Close()
		t.Error("a log was created outside the directory")
	}
	if _, err := logs.Open("../../outside", false); err == nil {
		t.Error("a log was opened outside the directory")
	}
}
