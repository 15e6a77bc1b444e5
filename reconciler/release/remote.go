package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

// Packages keeps the packages that projects name by Git URL, one repository per project.
type Packages interface {
	// FetchCommit brings the commit that a ref names into the project's repository of packages. One that is
	// there already is not fetched.
	FetchCommit(ctx context.Context, project berth.ID, origin berth.Upstream, ref string) (commit string, err error)
	ReadFile(ctx context.Context, project berth.ID, commit, path string, max int64) ([]byte, error)
	List(ctx context.Context, project berth.ID, commit, dir string) ([]string, error)
}

// remote reads a package from a Git repository of its own, at the commit that the release is fixed to.
func (l *Loop) remote(ctx context.Context, j *job, ref stackfile.PackageRef) (files, error) {
	commit, err := l.packageCommit(ctx, j, ref)
	if err != nil {
		return files{}, err
	}
	named := map[string][]byte{}
	names, err := l.filesOf(ctx, j, commit)
	if err != nil {
		return files{}, err
	}
	for _, name := range names {
		data, err := l.Packages.ReadFile(ctx, j.project.ID, commit, name, maxPackageFile)
		if missing(err) {
			continue
		}
		if err != nil {
			return files{}, err
		}
		named[name] = data
	}
	if named["diploi.yaml"] == nil {
		return files{}, berth.Errorf(berth.EInvalid, "its commit %.12s has no diploi.yaml, which every package needs", commit)
	}
	return newFiles("package "+ref.String(), named), nil
}

// filesOf names what counts of a package's repository: the rest is code to start from.
func (l *Loop) filesOf(ctx context.Context, j *job, commit string) ([]string, error) {
	names := []string{"diploi.yaml", "Dockerfile", "Dockerfile.dev"}
	templates, err := l.Packages.List(ctx, j.project.ID, commit, chartFolder)
	if err != nil && !missing(err) {
		return nil, err
	}
	for _, name := range templates {
		if !strings.HasSuffix(name, "/") {
			names = append(names, chartFolder+name)
		}
	}
	if len(names) > maxPackageFiles {
		return nil, berth.Errorf(berth.EInvalid, "it has more than %d files in %s", maxPackageFiles, chartFolder)
	}
	return names, nil
}

// packageCommit finds the commit of a release's package, or fixes it now.
func (l *Loop) packageCommit(ctx context.Context, j *job, ref stackfile.PackageRef) (string, error) {
	known, fixed, err := l.knownCommit(ctx, j, ref.String())
	if err != nil {
		return "", err
	}
	wanted := known
	if known == "" {
		wanted = ref.Ref
		if err := l.step(ctx, j, "fetching package "+ref.String()); err != nil {
			return "", err
		}
	}
	commit, err := l.Packages.FetchCommit(ctx, j.project.ID, berth.Upstream{URL: ref.URL}, wanted)
	if err != nil || fixed {
		return commit, err
	}
	return commit, l.Store.Update(ctx, func(tx Tx) error {
		if err := tx.PutPackageCommit(j.release.ID, ref.String(), commit); err != nil || known != "" {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: j.project.ID, Deployment: j.deployment.ID, Slug: j.deployment.Slug, Kind: "release.package",
			Message: fmt.Sprintf("release %d takes package %s at %.12s", j.release.Revision, ref, commit)})
	})
}

// knownCommit is what this release is fixed to or, where it deploys nothing new, what the one before was: a
// restart is no time to change a package, nor is a save, which promises that what runs goes on.
func (l *Loop) knownCommit(ctx context.Context, j *job, pkg string) (commit string, fixed bool, err error) {
	err = l.Store.View(ctx, func(tx Tx) (err error) {
		if commit, fixed, err = tx.PackageCommit(j.release.ID, pkg); err != nil || fixed || fetchesPackages(j.release) {
			return err
		}
		releases, err := tx.Releases(j.deployment.ID, 50)
		for _, r := range releases {
			if r.State == berth.ReleaseFailed || commit != "" {
				continue // the package may be why it failed
			}
			if commit, _, err = tx.PackageCommit(r.ID, pkg); err != nil {
				return err
			}
		}
		return err
	})
	return commit, fixed, err
}

// fetchesPackages reports whether a release is one that looks for new commits: a person asked for what is new.
func fetchesPackages(r berth.Release) bool { return r.Cause == "deploy" }

// aboutPackage says where in the project file the package stands that err is about.
func aboutPackage(e stackfile.Element, err error) error {
	coded := (*berth.Error)(nil)
	if e.Package.Kind != stackfile.PackageGit || !errors.As(err, &coded) {
		return err
	}
	message := coded.Message
	if errors.Is(err, berth.ErrRefused) {
		message = "it does not exist, or is private. Berth fetches packages without a login: check the URL, or bring the package into this repository and name it ./path"
	}
	return &berth.Error{Code: coded.Code, Err: err, Message: fmt.Sprintf("%s:%d: package %s: %s", stackFileName, e.Pos.Line, e.Package, message)}
}
