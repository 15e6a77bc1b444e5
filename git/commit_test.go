package git

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func TestOneCommitComesWithoutItsHistory(t *testing.T) {
	s := newSource(t)
	first := s.commit()
	s.write("diploi.yaml", "type: component\n")
	second := s.commit()
	s.git("tag", "-a", "-m", "a tag", "v1.0", second)
	s.git("switch", "--quiet", "-c", "next")
	third := s.commit()
	server := host(t, s, "")
	g := repositories(t)
	origin := berth.Upstream{URL: server.URL + "/.git"}
	for ref, want := range map[string]string{"v1.0": second, "next": third, "": third, first: first, "main": second} {
		got, err := g.FetchCommit(t.Context(), project, origin, ref)
		if err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", ref, got, err, want)
		}
	}
	text, err := g.ReadFile(t.Context(), project, second, "diploi.yaml", 100)
	if err != nil || string(text) != "type: component\n" {
		t.Errorf("%q, %v", text, err)
	}
	server.Close() // what is here needs no origin
	if got, err := g.FetchCommit(t.Context(), project, origin, first); err != nil || got != first {
		t.Errorf("%s, %v", got, err)
	}
	g = repositories(t)
	server = host(t, s, "")
	origin.URL = server.URL + "/.git"
	if _, err := g.FetchCommit(t.Context(), project, origin, "v1.0"); err != nil {
		t.Fatal(err)
	}
	if there, _ := g.Exists(t.Context(), project, first); there {
		t.Error("history came along")
	}
	for ref, code := range map[string]berth.Code{
		"v9": berth.ENotFound, "refs/heads/main": berth.ENotFound, strings.Repeat("0", 40): berth.EUnavailable,
		"--upload-pack=x": berth.EInvalid, "a..b": berth.EInvalid, "*": berth.EInvalid, "main:evil": berth.EInvalid,
	} {
		_, err := g.FetchCommit(t.Context(), project, origin, ref)
		wantCode(t, err, code)
	}
}

func TestAFetchTakesNoMoreThanItsLimit(t *testing.T) {
	s := newSource(t)
	noise := make([]byte, 3<<20)
	_, _ = rand.Read(noise)
	s.write("noise", string(noise))
	s.commit()
	server := host(t, s, "")
	g := repositories(t)
	g.config.MaxFetch = 1 << 20
	origin := berth.Upstream{URL: server.URL + "/.git"}
	_, err := g.Fetch(t.Context(), project, origin)
	wantCode(t, err, berth.EInvalid, "larger than 1 MiB", server.URL)
	_, err = g.FetchCommit(t.Context(), project, origin, "main")
	wantCode(t, err, berth.EInvalid, "larger than 1 MiB")
	left, err := filepath.Glob(filepath.Join(g.Dir(project), "objects", "*", "*"))
	must(t, err)
	for _, file := range left {
		if info, err := os.Stat(file); err != nil || info.Size() > 1<<10 {
			t.Errorf("left behind: %s, %v", file, err)
		}
	}
	g.config.MaxFetch = 8 << 20
	_, err = g.Fetch(t.Context(), project, origin)
	must(t, err)
}
