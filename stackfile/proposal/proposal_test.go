package proposal_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
	"github.com/berth-dev/berth/stackfile/proposal"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is proposed into testdata")

// tree is a commit made of a map.
type tree map[string]string

func (t tree) List(dir string) ([]string, error) {
	found := map[string]bool{}
	for name := range t {
		rest, inside := strings.CutPrefix("/"+name, path.Clean("/" + dir + "/x")[:len(path.Clean("/"+dir+"/x"))-1])
		if !inside {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		if deeper {
			first += "/"
		}
		found[first] = true
	}
	if len(found) == 0 && dir != "" {
		return nil, fs.ErrNotExist
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (t tree) Read(name string, max int64) ([]byte, error) {
	text, ok := t[name]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case strings.HasPrefix(text, "link:"):
		return nil, berth.Errorf(berth.EInvalid, "%s is a link", name)
	case int64(len(text)) > max:
		return nil, berth.Errorf(berth.EInvalid, "%s is too large", name)
	}
	return []byte(text), nil
}

// TestRepositories compares what is proposed for repositories as people have them with the section "want".
func TestRepositories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d repositories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files, want := tree{}, ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
				} else {
					files[f.Name] = string(f.Data)
				}
			}
			got := annotated(t, files)
			if *update {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// annotated is a proposal with its notes behind the lines, or the reason why there is none.
func annotated(t *testing.T, files tree) string {
	t.Helper()
	text, notes, err := proposal.Of(files)
	if err != nil {
		if berth.CodeOf(err) != berth.EInvalid || text != "" {
			t.Errorf("%q and %v", text, err)
		}
		return "error: " + berth.MessageOf(err) + "\n"
	}
	if _, warnings, err := stackfile.ParseProject("diploi.yaml", []byte(text)); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v in\n%s", warnings, err, text)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var below strings.Builder
	for _, n := range notes {
		said := fmt.Sprintf("%s: %s", n.Kind, n.Text)
		if n.Source != "" {
			said += " (" + n.Source + ")"
		}
		if n.Line > 0 {
			lines[n.Line-1] += "  # " + said
		} else {
			fmt.Fprintf(&below, "%s: %s\n", n.Element, said)
		}
	}
	return strings.Join(lines, "\n") + "\n" + below.String()
}
