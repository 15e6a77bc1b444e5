package proposal

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Tree is what a commit holds. Links are not followed: to read one is EInvalid.
type Tree interface {
	// List names what is in a folder ("" is the top), folders with a slash behind.
	List(dir string) ([]string, error)
	// Read returns a regular file of at most max bytes, fs.ErrNotExist where there is none.
	Read(name string, max int64) ([]byte, error)
}

// What is looked at of a repository at the most. Real ones need a tenth of it.
const (
	maxLists   = 250
	maxReads   = 300
	maxBytes   = 256 << 10
	maxEntries = 2000 // of one folder
	maxFolders = 60   // that may be a component's
)

// repository reads a tree once, up to the limits. The first error that is the tree's own fault ends it;
// a file that is missing, a link or too large is simply not there.
type repository struct {
	tree    Tree
	folders map[string]*folder
	texts   map[string]*string
	lists   int
	reads   int
	env     map[string]string // of the committed .env; nil: not read yet
	err     error
}

// folder is what lies in one.
type folder struct {
	files, folders []string
}

func (f *folder) has(name string) bool { return slices.Contains(f.files, name) }

// first returns the first of the names that is a file of the folder.
func (f *folder) first(names ...string) string {
	for _, name := range names {
		if f.has(name) {
			return name
		}
	}
	return ""
}

// list returns what lies in a folder, nothing where there is none.
func (r *repository) list(dir string) *folder {
	if known, ok := r.folders[dir]; ok {
		return known
	}
	f := &folder{}
	if r.err != nil || r.lists >= maxLists {
		return f
	}
	r.lists++
	names, err := r.tree.List(dir)
	if r.failed(err) {
		return f
	}
	for _, name := range names[:min(len(names), maxEntries)] {
		if below, isFolder := strings.CutSuffix(name, "/"); isFolder {
			f.folders = append(f.folders, below)
		} else {
			f.files = append(f.files, name)
		}
	}
	r.folders[dir] = f
	return f
}

// read returns a file's text; ok is false where there is none to read.
func (r *repository) read(dir, name string) (text string, ok bool) {
	full := path.Join(dir, name)
	if known, read := r.texts[full]; read {
		if known == nil {
			return "", false
		}
		return *known, true
	}
	if r.err != nil || r.reads >= maxReads {
		return "", false
	}
	r.reads++
	r.texts[full] = nil
	data, err := r.tree.Read(full, maxBytes)
	if r.failed(err) {
		return "", false
	}
	text = string(data)
	r.texts[full] = &text
	return text, true
}

// failed notes an error unless it only says that there is nothing to read.
func (r *repository) failed(err error) bool {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && berth.CodeOf(err) != berth.EInvalid && r.err == nil {
		r.err = err
	}
	return err != nil
}

// passedOver are folders that hold no application of their own.
var passedOver = []string{
	"node_modules", "vendor", "third_party", "dist", "build", "out", "target", "coverage", "test", "tests", "testdata", "__tests__",
	"e2e", "docs", "doc", "examples", "example", "fixtures", "venv", "env", "__pycache__", "migrations", "infra", "terraform", "k8s", "helm", "charts", "scripts",
}

// gathering are folders whose folders are the applications.
var gathering = []string{"apps", "packages", "services", "projects", "servers", "applications"}

// candidates are the folders that may be a component's: the top, those below it, those that a
// workspace names, and one level deeper where applications gather or nothing else is known.
func (r *repository) candidates() []string {
	dirs := []string{""}
	add := func(dir string) {
		if len(dirs) < maxFolders && !slices.Contains(dirs, dir) && folderFits(dir) {
			dirs = append(dirs, dir)
		}
	}
	below := func(dir string) {
		for _, name := range r.list(dir).folders {
			if !strings.HasPrefix(name, ".") && !slices.Contains(passedOver, name) {
				add(path.Join(dir, name))
			}
		}
	}
	below("")
	top := slices.Clone(dirs[1:])
	for _, dir := range top {
		if slices.Contains(gathering, dir) {
			below(dir)
		}
	}
	for _, pattern := range r.workspaces() {
		if parent, all := strings.CutSuffix(pattern, "/*"); all {
			below(parent)
		} else {
			add(pattern)
		}
	}
	if r.err == nil && !slices.ContainsFunc(dirs, r.marked) {
		for _, dir := range top {
			below(dir)
		}
	}
	return dirs
}

// marked reports whether something in the folder says that there is an application.
func (r *repository) marked(dir string) bool {
	return r.list(dir).first("Dockerfile", "package.json", "requirements.txt", "pyproject.toml", "Pipfile", "manage.py", "go.mod", "Procfile", "index.html") != ""
}

// folderFits holds the rules that project files have for folders.
func folderFits(dir string) bool {
	return len(dir) < 190 && !strings.ContainsFunc(dir, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._/@+-", c))
	}) && fs.ValidPath(dir) && !slices.ContainsFunc(strings.Split(dir, "/"), func(part string) bool { return strings.EqualFold(part, ".git") })
}
