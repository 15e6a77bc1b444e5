package proposal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"github.com/berth-dev/berth/stackfile/proposal"
	"pgregory.net/rapid"
)

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sound checks what holds for any repository: a project file that its reader takes without a warning and
// notes that point into it, or a reason that people can read; the same one each time.
func sound(t fataler, files proposal.Tree) {
	t.Helper()
	text, notes, err := proposal.Of(files)
	again, notesAgain, errAgain := proposal.Of(files)
	if text != again || !reflect.DeepEqual(notes, notesAgain) || (err == nil) != (errAgain == nil) {
		t.Fatalf("two answers for one repository:\n%s\n%s", text, again)
	}
	if err != nil {
		if berth.CodeOf(err) != berth.EInvalid || text != "" || !strings.Contains(err.Error(), "Berth found nothing in this repository") {
			t.Fatalf("not a named reason: %v", err)
		}
		return
	}
	if _, warnings, err := stackfile.ParseProject("diploi.yaml", []byte(text)); err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v in\n%s", err, warnings, text)
	}
	for _, n := range notes {
		if n.Line < 0 || n.Line > strings.Count(text, "\n") || n.Text == "" || n.Kind == "" || !utf8.ValidString(n.Text) || strings.ContainsAny(n.Text, "\n\x1b") {
			t.Fatalf("unsound note %+v", n)
		}
	}
}

// pieces are texts that files of the kinds that are read are made from.
var pieces = []string{
	"", "{", "}", "[", "]", ": ", "\n", "  ", "- ", "'", `"`, "*", "&a ", "<<: *a", "${X}", "${X:-y}", "$", "#", "=", "link:", "\x00", "\x1b[31m", "é", "\xff", "services:\n", "  web:\n", "    build: .\n", "    build: ../..\n",
	"    image: postgres:16\n", "    image: '${IMAGE}'\n", "    image: \"a\\x01b\"\n", "    command: [a, 'b c']\n", "    environment:\n", "      DATABASE_URL: postgres://web/x\n", "      - SECRET_KEY=\n", "    ports: ['1:2', 99999, 3000-3001]\n",
	"    volumes: ['a:/proc/x', 'b:/data', './c:/d']\n", `{"scripts": {"start": "nodemon --x a.js"}, `, `"dependencies": {"pg": "1", "next": "2"}}`, `"workspaces": ["../*", "apps/**", "-x"]}`, `"main": "../../x.js"}`,
	"FROM node\nEXPOSE 99999\n", "EXPOSE 80\n", "web: a: b\n", "worker-1_2: run 'x'\n", "SECRET=\n", "A=\"quoted\" # x\n", "export B='\n", "module m\n", "package main\n", "Django==5\n", "[tool.poetry]\n", "flask = \"1\"\n", "app.listen(8080, '127.0.0.1')\n", "process.env.DB_HOST\n",
}

var names = []string{
	"Dockerfile", "package.json", "requirements.txt", "pyproject.toml", "go.mod", "main.go", "index.html", "Procfile", "compose.yaml", "docker-compose.yml", ".env.example", "server.js", "index.ts", "manage.py", "vite.config.ts", "prisma/schema.prisma", "pnpm-workspace.yaml", "cmd/x/main.go",
}

var folders = []string{"", "", "api/", "web/", "apps/web/", "apps/api/", "core/", "1/", "ü/", "a b/", "--help/", "services/api/", "src/", ".git/", strings.Repeat("long/", 50)}

func TestAnyRepository(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := tree{}
		for range rapid.IntRange(0, 12).Draw(t, "files") {
			name := rapid.SampledFrom(folders).Draw(t, "folder") + rapid.SampledFrom(names).Draw(t, "name")
			files[name] = strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "text"), "")
		}
		sound(t, files)
	})
}

func FuzzOf(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files, name := tree{}, ""
		for line := range strings.Lines(string(data)) { // as txtar has it, but for any input
			if marked := strings.TrimSpace(line); strings.HasPrefix(marked, "-- ") && strings.HasSuffix(marked, " --") && len(marked) > 6 {
				name = strings.Trim(marked[3:len(marked)-3], "/ ")
			} else if name != "" {
				files[name] += line
			}
		}
		sound(t, files)
	})
}

// endless is a repository without an end: every folder has a hundred more, with a package.json in each.
type endless struct {
	names        []string
	lists, reads int
}

func (e *endless) List(string) ([]string, error) {
	e.lists++
	return e.names, nil
}

func (e *endless) Read(_ string, max int64) ([]byte, error) {
	e.reads++
	if max > 1<<20 {
		return nil, errors.New("it reads without a limit")
	}
	return []byte(`{"scripts": {"start": "node server.js"}}`), nil
}

func TestOnlySoMuchIsLookedAt(t *testing.T) {
	e := &endless{names: []string{"package.json", "compose.yaml", "main.go", "go.mod"}}
	for i := range 100_000 {
		e.names = append(e.names, fmt.Sprintf("a%d/", i))
	}
	if _, _, err := proposal.Of(e); err != nil {
		t.Error(err)
	}
	if e.lists > 250 || e.reads > 300 {
		t.Errorf("%d folders and %d files were read", e.lists, e.reads)
	}
}

// broken is a repository that cannot be read just now.
type broken struct{ tree }

func (broken) Read(string, int64) ([]byte, error) { return nil, errors.New("the disk is gone") }

func TestAFaultIsNoFinding(t *testing.T) {
	text, _, err := proposal.Of(broken{tree{"package.json": "{}", "index.html": ""}})
	if err == nil || err.Error() != "the disk is gone" || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}
