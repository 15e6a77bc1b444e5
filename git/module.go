package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// Sources checks trees out together with their submodules, which are kept in a repository of their own.
type Sources struct {
	Git     *Git
	Modules *Git // by project, as packages
	// Origin is where a project's commits come from, "" where it is nowhere else: relative submodules
	// start there.
	Origin func(ctx context.Context, project berth.ID) (string, error)
}

const (
	maxModules    = 100
	maxModuleNest = 5
)

const modulesFile = ".gitmodules"

// Checkout is Git.Checkout with submodules. Notes say for people what of the tree is not as it should be.
func (s Sources) Checkout(ctx context.Context, project berth.ID, commit, dest string) (notes []string, err error) {
	left := budget{allowance: s.Git.allowance(), modules: maxModules}
	found, err := s.Git.checkout(ctx, project, commit, dest, left.allowance)
	if err != nil {
		return nil, err
	}
	if note := found.note(); note != "" {
		notes = append(notes, note)
	}
	origin, err := s.Origin(ctx, project)
	if err != nil {
		return nil, err
	}
	return notes, s.modules(ctx, moduleTree{s.Git, project, commit, dest, origin, 0}, &left)
}

// budget is what a repository may still take together with all its submodules: each may be small, and name the
// same one again.
type budget struct {
	*allowance
	modules int
}

// moduleTree is a tree that was checked out and may have submodules.
type moduleTree struct {
	git     *Git
	project berth.ID
	commit  string
	dest    string
	origin  string
	nested  int
}

// modules fetches and checks out what a tree names as submodules, and what these name.
func (s Sources) modules(ctx context.Context, t moduleTree, left *budget) error {
	modules, err := t.git.modules(ctx, t.project, t.commit)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if left.modules--; left.modules < 0 || t.nested >= maxModuleNest {
			return berth.Errorf(berth.EInvalid, "the repository has more than %d submodules, or they are nested more than %d deep", maxModules, maxModuleNest)
		}
		if err := s.module(ctx, t, m, left); err != nil {
			return err
		}
	}
	return nil
}

func (s Sources) module(ctx context.Context, t moduleTree, m module, left *budget) error {
	address, err := m.address(t.origin)
	if err == nil {
		_, err = s.Modules.FetchCommit(ctx, t.project, berth.Upstream{URL: address}, m.commit)
	}
	if errors.Is(err, berth.ErrRefused) {
		err = berth.Errorf(berth.EInvalid, "it does not exist, or is private. Berth fetches submodules without a login: make it public, or bring its files into this repository (git subtree)")
	}
	if err != nil {
		coded := (*berth.Error)(nil)
		if !errors.As(err, &coded) {
			return err
		}
		return &berth.Error{Code: coded.Code, Err: err, Message: fmt.Sprintf("%s: submodule %s at %s: %s", modulesFile, m.path, m.url, coded.Message)}
	}
	dest := filepath.Join(t.dest, filepath.FromSlash(m.path)) // a folder of the tree, which was checked
	if _, err := s.Modules.checkout(ctx, t.project, m.commit, dest, left.allowance); err != nil {
		return fmt.Errorf("submodule %s: %w", m.path, err)
	}
	return s.modules(ctx, moduleTree{s.Modules, t.project, m.commit, dest, address, t.nested + 1}, left)
}

// module is a submodule of a commit.
type module struct{ path, url, commit string }

// modules lists the submodules that a commit has and names.
func (g *Git) modules(ctx context.Context, project berth.ID, commit string) ([]module, error) {
	top, err := g.tree(ctx, project, commit, modulesFile)
	if err != nil || len(top) == 0 {
		return nil, err
	}
	urls, err := g.moduleURLs(ctx, project, top[0])
	if err != nil {
		return nil, err
	}
	if len(urls) == 0 {
		return nil, nil
	}
	var paths []string
	for at := range urls {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	entries, err := g.tree(ctx, project, commit, paths...)
	if err != nil {
		return nil, err
	}
	var modules []module
	for _, e := range entries {
		if e.mode == modeModule && urls[e.path] != "" {
			modules = append(modules, module{path: e.path, url: urls[e.path], commit: e.object})
		}
	}
	return modules, nil
}

// moduleURLs reads .gitmodules as git does: URLs by path.
func (g *Git) moduleURLs(ctx context.Context, project berth.ID, file entry) (map[string]string, error) {
	if file.mode == modeLink || file.size > 1<<20 {
		return nil, berth.Errorf(berth.EInvalid, "%s is no file that can be read: a link, or larger than 1 MiB", modulesFile)
	}
	out, err := g.output(ctx, 4<<20, command{repository: g.Dir(project), args: []string{"config", "--no-includes", "--null", "--list", "--blob", file.object}})
	if f := (*failure)(nil); errors.As(err, &f) {
		return nil, berth.Errorf(berth.EInvalid, "%s cannot be read (git says: %s)", modulesFile, lastLine(f.said))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", modulesFile, err)
	}
	paths, urls := map[string]string{}, map[string]string{} // by the module's name
	for item := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		name, isModule := strings.CutPrefix(key, "submodule.")
		if at, isPath := strings.CutSuffix(name, ".path"); isModule && isPath && value != "" {
			paths[at] = path.Clean(value)
		}
		if at, isURL := strings.CutSuffix(name, ".url"); isModule && isURL {
			urls[at] = value
		}
	}
	byPath := map[string]string{}
	for name, at := range paths {
		byPath[at] = urls[name]
	}
	return byPath, nil
}

// publicForges serve over HTTPS, without a login, what they serve over SSH with one.
var publicForges = []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}

// address is where a submodule is fetched: over HTTPS only, since it is somebody else's word.
func (m module) address(origin string) (string, error) {
	text := m.url
	if strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		if origin == "" {
			return "", berth.Errorf(berth.EInvalid, "it is relative to where the repository comes from, which is this machine: write its whole https:// URL")
		}
		text = relativeTo(origin, text)
	}
	u, err := berth.ParseGitURL(text)
	if err != nil {
		return "", err
	}
	if u.SSH() && slices.Contains(publicForges, u.Host) {
		return "https://" + u.Host + "/" + strings.TrimLeft(u.Path, "/"), nil
	}
	if u.Scheme != "https" {
		return "", berth.Errorf(berth.EInvalid, "Berth fetches submodules over https:// only: write its https:// URL")
	}
	return text, nil
}

// relativeTo joins a relative URL with an origin's, git's way.
func relativeTo(origin, relative string) string {
	if u, err := url.Parse(origin); err == nil && u.Scheme != "" {
		u.Path = path.Join(u.Path, relative)
		return u.String()
	}
	host, repository, _ := strings.Cut(origin, ":") // git@host:owner/name
	return host + ":" + path.Join(repository, relative)
}
