package release

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

// content is a digest of all that an element's build may read of its commit: equal digests give the same
// image. A build that names its context has that folder alone. Others get the whole repository, as the
// public format says; theirs is all but the folders of other components and what only people read, where
// nothing shows that the element reaches outside its folder.
func (l *Loop) content(ctx context.Context, j *job, e element, others []element, spec build.Spec) (string, error) {
	if spec.Context == "" {
		return "", nil
	}
	without, err := l.outside(ctx, j, e, others, spec)
	if err != nil {
		return "", err
	}
	digest, err := l.Git.Digest(ctx, j.project.ID, j.release.Commit, spec.Folder, without)
	if err != nil {
		return "", fmt.Errorf("read what %s is built from: %w", e.Identifier, err)
	}
	return digest, nil
}

// outside lists the paths of the commit that do not go into an element's image.
func (l *Loop) outside(ctx context.Context, j *job, e element, others []element, spec build.Spec) ([]string, error) {
	own := cleanFolder(e.Folder)
	if spec.Folder != "" || own == "" {
		return nil, nil
	}
	foreign := foreignFolders(own, others)
	reached, err := l.reaches(ctx, j, own, foreign, spec.Dockerfile)
	if err != nil || reached {
		return nil, err
	}
	top, err := l.Git.List(ctx, j.project.ID, j.release.Commit, "")
	if err != nil && !missing(err) {
		return nil, err
	}
	for _, name := range top {
		if forPeople.MatchString(name) {
			foreign = append(foreign, strings.TrimSuffix(name, "/"))
		}
	}
	return foreign, nil
}

// forPeople are names at the repository's top that no build of a folder below reads. The project file is
// among them: what it says of a build goes into the key by itself.
var forPeople = regexp.MustCompile(`^(diploi\.yaml|(README|LICENSE|LICENCE|CHANGELOG|CONTRIBUTING|SECURITY|CODE_OF_CONDUCT)(\.(md|txt|rst))?|\.gitignore|\.github/|\.gitlab-ci\.yml)$`)

func cleanFolder(folder string) string { return strings.Trim(path.Clean("/"+folder), "/") }

// foreignFolders are the folders of other components that neither are nor hold an element's own.
func foreignFolders(own string, others []element) (foreign []string) {
	for _, o := range others {
		folder := cleanFolder(o.Folder)
		if o.Kind != berth.KindComponent || folder == "" || strings.HasPrefix(own+"/", folder+"/") || strings.HasPrefix(folder+"/", own+"/") {
			continue
		}
		foreign = append(foreign, folder)
	}
	slices.Sort(foreign)
	return slices.Compact(foreign)
}

// reaches reports whether something shows that an element uses more than its folder and what all share: a
// folder above that is a project itself (a workspace), a path from its files to a foreign folder, a
// Dockerfile that names one. In doubt it does: a build too many costs time, one too few serves old code.
func (l *Loop) reaches(ctx context.Context, j *job, own string, foreign []string, dockerfile []byte) (bool, error) {
	if len(foreign) == 0 {
		return false, nil
	}
	for above := path.Dir(own); ; above = path.Dir(above) {
		names, err := l.Git.List(ctx, j.project.ID, j.release.Commit, strings.TrimPrefix(above, "."))
		if err != nil && !missing(err) {
			return false, err
		}
		if slices.ContainsFunc(names, manifests.MatchString) {
			return true, nil
		}
		if above == "." {
			break
		}
	}
	if regexp.MustCompile(namedIn(foreign)).Match(dockerfile) {
		return true, nil
	}
	same, err := l.Git.Digest(ctx, j.project.ID, j.release.Commit, own, nil)
	if missing(err) {
		return false, nil // the folder is not there: nothing in it leads anywhere
	}
	if err != nil {
		return false, err
	}
	path := pathTo(foreign)
	return l.mentions.of(string(j.project.ID)+" "+same+" "+path, func() (bool, error) { // seconds, in a large folder
		return l.Git.Mentions(ctx, j.project.ID, j.release.Commit, own, path)
	})
}

// manifests make a folder a project, of which the folders below may be parts.
var manifests = regexp.MustCompile(`^(package\.json|pnpm-workspace\.yaml|deno\.jsonc?|go\.(mod|work)|Cargo\.toml|pyproject\.toml|setup\.(py|cfg)|composer\.json|Gemfile|mix\.exs|pom\.xml|(build|settings)\.gradle(\.kts)?|build\.sbt|CMakeLists\.txt|Package\.swift|MODULE\.bazel|WORKSPACE|Directory\.Build\.(props|targets)|.*\.sln)$`)

// namedIn matches a folder's name as a word of a Dockerfile.
func namedIn(folders []string) string {
	return `(^|[^A-Za-z0-9_-])(` + alternatives(folders) + `)([^A-Za-z0-9_-]|$)`
}

// pathTo matches a relative path to one of the folders, written at once or in parts ("..", "api"), and the
// absolute one below the build's /app. A path that leaves a folder ends in some of the last names of the other.
func pathTo(folders []string) string {
	var ends []string
	for _, folder := range folders {
		for rest := folder; ; {
			ends = append(ends, rest)
			_, after, deeper := strings.Cut(rest, "/")
			if !deeper {
				break
			}
			rest = after
		}
	}
	slices.Sort(ends)
	return `(\.\.["'` + "`" + `, )/\\]+|/app/)(` + alternatives(slices.Compact(ends)) + `)([^A-Za-z0-9_-]|$)`
}

func alternatives(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return strings.Join(quoted, "|")
}
