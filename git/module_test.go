package git

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// secureHost is host over HTTPS, trusted by the repositories that it returns.
func secureHost(t *testing.T, s source, token string) (url string, g *Git) {
	t.Helper()
	server := httptest.NewTLSServer(host(t, s, token).Config.Handler)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}) // the same of all test servers
	must(t, os.WriteFile(file, certificate, 0o600))
	g = repositories(t)
	g.config.Env = map[string]string{"GIT_SSL_CAINFO": file}
	return server.URL, g
}

// withModule adds a submodule by hand: git itself would fetch it.
func (s source) withModule(url, commit string) string {
	s.write(".gitmodules", "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = "+url+"\n")
	s.git("add", ".gitmodules")
	s.git("update-index", "--add", "--cacheinfo", "160000,"+commit+",vendor/lib")
	s.git("commit", "--quiet", "-m", "a module")
	return s.git("rev-parse", "HEAD")
}

func sources(g, modules *Git, origin string) Sources {
	return Sources{Git: g, Modules: modules, Origin: func(context.Context, berth.ID) (string, error) { return origin, nil }}
}

func TestSubmodulesAreCheckedOutWithWhatTheyNameThemselves(t *testing.T) {
	inner := newSource(t)
	inner.write("deep.txt", "deep")
	deep := inner.commit()
	innerURL, _ := secureHost(t, inner, "")
	lib := newSource(t)
	lib.write("lib.txt", "lib")
	lib.commit()
	libURL, modules := secureHost(t, lib, "")
	commit := lib.withModule(innerURL+"/.git", deep)

	for name, c := range map[string]struct{ url, origin string }{
		"whole":    {libURL + "/.git", ""},
		"relative": {"../.git", libURL + "/app"},
	} {
		t.Run(name, func(t *testing.T) {
			app := newSource(t)
			app.commit()
			head := app.withModule(c.url, commit)
			dest := t.TempDir()
			_, err := sources(imported(t, app), modules, c.origin).Checkout(t.Context(), project, head, dest)
			must(t, err)
			for file, want := range map[string]string{"vendor/lib/lib.txt": "lib", "vendor/lib/vendor/lib/deep.txt": "deep"} {
				if text, err := os.ReadFile(filepath.Join(dest, file)); string(text) != want {
					t.Errorf("%s is %q, %v", file, text, err)
				}
			}
		})
	}
}

func TestSubmodulesThatAreRefused(t *testing.T) {
	lib := newSource(t)
	commit := lib.commit()
	private, modules := secureHost(t, lib, "t0ken")
	modules.config.AllowFile = false
	for url, says := range map[string]string{
		lib.url():               "a Git URL starts with",
		"ext::sh -c id":         "not a URL",
		"/etc":                  "a Git URL starts with",
		"../lib.git":            "relative to where the repository comes from",
		"git@host.invalid:lib":  "over https:// only",
		"http://127.0.0.1:1/x":  "over https:// only",
		private + "/.git":       "is private",
		"https://host.invalid/": "cannot resolve host.invalid",
	} {
		app := newSource(t)
		app.commit()
		head := app.withModule(url, commit)
		_, err := sources(imported(t, app), modules, "").Checkout(t.Context(), project, head, t.TempDir())
		if said := berth.MessageOf(err); !strings.Contains(said, ".gitmodules: submodule vendor/lib at "+url) || !strings.Contains(said, says) {
			t.Errorf("%s: %q", url, said)
		}
	}
}

// TestSubmodulesCountTogether: a small repository that names another again and again fills no disk.
func TestSubmodulesCountTogether(t *testing.T) {
	lib := newSource(t)
	lib.write("big", strings.Repeat("x", 1000))
	commit := lib.commit()
	url, modules := secureHost(t, lib, "")
	app := newSource(t)
	app.write("big", strings.Repeat("x", 1000))
	app.commit()
	head := app.withModule(url+"/.git", commit)
	g := imported(t, app)
	for limit, fits := range map[int64]bool{1500: false, 5000: true} {
		g.config.MaxTree = limit
		_, err := sources(g, modules, "").Checkout(t.Context(), project, head, t.TempDir())
		if fits && err != nil {
			t.Errorf("at most %d bytes: %v", limit, err)
		}
		if !fits {
			wantCode(t, err, berth.EInvalid, "too large")
		}
	}
}

func TestLFSPointersAreNamed(t *testing.T) {
	s := newSource(t)
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
	s.write("logo.png", pointer)
	s.write("web/photo.png", pointer)
	s.write("notes.txt", "version https://git-lfs.github.com/spec/v1 is a line\n")
	g, commit := take(t, s)
	dest := t.TempDir()
	notes, err := sources(g, nil, "").Checkout(t.Context(), project, commit, dest)
	if err != nil || len(notes) != 1 || !strings.HasPrefix(notes[0], "logo.png (and 1 more) is a pointer of Git LFS") {
		t.Errorf("%q, %v", notes, err)
	}
	if text, err := os.ReadFile(filepath.Join(dest, "logo.png")); string(text) != pointer {
		t.Errorf("%q, %v", text, err)
	}
}

func TestWhereASubmoduleIsFetched(t *testing.T) {
	for _, c := range [][3]string{
		{"git@github.com:o/n.git", "", "https://github.com/o/n.git"},
		{"ssh://git@gitlab.com/o/n.git", "", "https://gitlab.com/o/n.git"},
		{"../lib.git", "git@github.com:o/app.git", "https://github.com/o/lib.git"},
		{"../../x/lib", "https://git.test/o/app", "https://git.test/x/lib"},
	} {
		if got, err := (module{url: c[0]}).address(c[1]); err != nil || got != c[2] {
			t.Errorf("%s from %s: %q, %v", c[0], c[1], got, err)
		}
	}
}
