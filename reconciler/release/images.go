package release

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/params"
)

// image is what one element runs: an image that exists, or one to be built first.
type image struct {
	ref     string // runnable on this machine; empty: see build
	exposed []int
	build   *berth.Build
	since   string // the earlier commit whose build is used again; empty: it is this release's own
}

// imageOf decides what an element's image is made from, and finds or asks for it.
func (l *Loop) imageOf(ctx context.Context, j *job, e element, all []element, values []params.Value, tree source) (image, error) {
	fixed, err := e.fixedImage()
	if err != nil {
		return image{}, err
	}
	if fixed != "" {
		ref, err := l.Images.Ensure(ctx, fixed, newSteps(ctx, l, j))
		if err != nil {
			return image{}, err
		}
		return l.present(ctx, ref)
	}
	spec, err := l.buildSpec(ctx, j, e, tree)
	if err != nil {
		return image{}, err
	}
	content, err := l.content(ctx, j, e, all, spec)
	if err != nil {
		return image{}, err
	}
	spec.Secrets = buildSecrets(values)
	key := buildKey(spec, content)
	spec.NoCache = j.release.Cause == berth.CauseRebuild // not part of the key: what it makes is for later releases, too
	if img, found, err := l.built(ctx, j, key); err != nil || found {
		return img, err
	}
	encoded, err := json.Marshal(spec)
	if err != nil {
		return image{}, fmt.Errorf("encode build: %w", err)
	}
	return image{build: &berth.Build{ID: berth.NewID(), Project: j.project.ID, Deployment: j.deployment.ID,
		Release: j.release.ID, Element: e.Identifier, Commit: j.release.Commit, Key: key,
		State: berth.BuildQueued, CreatedAt: l.Now(), Spec: encoded}}, nil
}

func (l *Loop) present(ctx context.Context, ref string) (image, error) {
	exposed, ok, err := l.Images.Present(ctx, ref)
	if err != nil {
		return image{}, err
	}
	if !ok {
		return image{}, berth.Errorf(berth.EUnavailable, "the image %s vanished from the engine", ref)
	}
	return image{ref: ref, exposed: exposed}, nil
}

// built finds an image that an earlier build of the same content made and the engine still has.
func (l *Loop) built(ctx context.Context, j *job, key string) (img image, found bool, err error) {
	var b berth.Build
	err = l.Store.View(ctx, func(tx Tx) error {
		if j.release.Cause == berth.CauseRebuild {
			b, found, err = ownBuild(tx, j.release.ID, key)
			return err
		}
		b, found, err = tx.SucceededBuild(j.project.ID, key)
		return err
	})
	if err != nil || !found {
		return image{}, false, err
	}
	exposed, ok, err := l.Images.Present(ctx, b.Image)
	img = image{ref: b.Image, exposed: exposed}
	if b.Commit != j.release.Commit {
		img.since = b.Commit
	}
	return img, ok, err
}

// ownBuild finds an image that a build of this release made.
func ownBuild(tx Tx, release berth.ID, key string) (own berth.Build, found bool, err error) {
	all, err := tx.BuildsOfRelease(release)
	for _, b := range all {
		if b.Key == key && b.State == berth.BuildSucceeded {
			own, found = b, true // oldest first
		}
	}
	return own, found, err
}

// dockerfile is a Dockerfile and where it stands.
type dockerfile struct {
	name    string // for messages
	content []byte
	context bool // its build context is the repository; else it needs none
	own     bool // the element's, not its package's
}

// buildSpec is everything that goes into an element's image.
func (l *Loop) buildSpec(ctx context.Context, j *job, e element, tree source) (build.Spec, error) {
	d, err := l.dockerfileOf(j, e, tree)
	if err != nil {
		return build.Spec{}, err
	}
	spec := build.Spec{Name: d.name, Dockerfile: d.content, Args: e.buildArgs(),
		Labels: map[string]string{labelProject: string(j.project.ID)}}
	if !d.context {
		return spec, nil
	}
	committed := l.committed(ctx, j)
	spec.Context = j.release.Commit
	if d.own && e.Context != "" {
		return l.inFolder(ctx, j, e, spec)
	}
	root, err := committed.optional(".dockerignore")
	if err != nil {
		return build.Spec{}, err
	}
	own, err := committed.optional(in(e.Folder, ".dockerignore"))
	if err != nil {
		return build.Spec{}, err
	}
	spec.Ignore = ignoreFor(root, own, e.Folder)
	return spec, nil
}

// inFolder narrows a build's context to the folder that the element names, with its .dockerignore alone.
func (l *Loop) inFolder(ctx context.Context, j *job, e element, spec build.Spec) (build.Spec, error) {
	spec.Folder = strings.Trim(e.Context, "/")
	if _, err := l.Git.List(ctx, j.project.ID, j.release.Commit, spec.Folder); missing(err) {
		return spec, berth.Errorf(berth.EInvalid, "the build context %s is no folder of the repository at %.12s; correct berth.context in %s", e.Context, j.release.Commit, stackFileName)
	} else if err != nil {
		return spec, err
	}
	var err error
	spec.Ignore, err = l.committed(ctx, j).optional(in(e.Context, ".dockerignore"))
	return spec, err
}

// labelProject marks images that builds made.
const labelProject = "sh.berth.project"

// dockerfileOf prefers the element's own file to its package's. In development the environment's
// Dockerfile.dev comes first; its context is the commit that was cloned, not the working tree, which
// the machine does not walk.
func (l *Loop) dockerfileOf(j *job, e element, tree source) (dockerfile, error) {
	names := []string{"Dockerfile"}
	if j.deployment.Kind == berth.KindDevelopment {
		names = []string{"Dockerfile.dev", "Dockerfile"}
	}
	for _, name := range names {
		own, err := tree.optional(in(e.Folder, name))
		if err != nil {
			return dockerfile{}, err
		}
		if own != nil {
			return dockerfile{name: in(e.Folder, name), content: own, context: true, own: true}, nil
		}
		if shared := e.files.named[name]; shared != nil {
			return dockerfile{name: e.files.from + "/" + name, content: shared, context: name == "Dockerfile"}, nil
		}
	}
	return dockerfile{}, berth.Errorf(berth.ENotFound, "%s has no %s, and its package brings none; add one to the folder %s",
		e.Identifier, strings.Join(names, " or "), e.folderName())
}

// optional reads a file that need not be there.
func (s source) optional(name string) ([]byte, error) {
	data, err := s.read(name)
	if missing(err) {
		return nil, nil
	}
	return data, err
}

// buildArgs are those of the public format: the element's static values and FOLDER.
func (e element) buildArgs() map[string]string {
	args := map[string]string{"FOLDER": path.Join("/app", e.Folder)}
	if strings.Trim(e.Folder, "/") == "" {
		args["FOLDER"] = "/app/."
	}
	for _, static := range e.Statics {
		if !strings.Contains(static.Value, "${generate-") { // a generated value is a secret, and arguments stay in image history
			args[static.Name] = static.Value
		}
	}
	return args
}

// buildSecrets offers an element's secret parameters to its build, as mounts under their names.
func buildSecrets(values []params.Value) map[string]string {
	secrets := map[string]string{}
	for _, v := range values {
		if v.Secret {
			secrets[v.Name] = v.Value
		}
	}
	return secrets
}

// buildKey is equal for builds that give the same image. Of the commit it has what the build may read, not
// its name; of secrets the names that the Dockerfile asks for: what a step read of them is not in the image.
func buildKey(s build.Spec, content string) string {
	s.Context = content
	offered := s.Secrets
	s.Secrets = map[string]string{}
	for name := range offered {
		if bytes.Contains(s.Dockerfile, []byte(name)) {
			s.Secrets[name] = ""
		}
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		panic("release: a build spec is plain data: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// images finds or asks for every element's image. While builds are on their way it returns errWaiting.
func (l *Loop) images(ctx context.Context, j *job, elements []element, values resolved, tree source) (map[string]image, error) {
	images := map[string]image{}
	var wanted []berth.Build
	for _, e := range elements {
		img, err := l.imageOf(ctx, j, e, elements, values[e.Identifier], tree)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Identifier, err)
		}
		if img.build != nil {
			wanted = append(wanted, *img.build)
		}
		images[e.Identifier] = img
	}
	kept := keptIn(elements, images)
	if len(wanted) > 0 {
		return nil, l.awaitBuilds(ctx, j, wanted, kept)
	}
	j.kept = kept
	return images, l.skipOthers(ctx, j.release)
}

// keptIn says which elements run an image that was built from an earlier commit; empty: none does.
func keptIn(elements []element, images map[string]image) string {
	var said []string
	for _, e := range elements {
		if since := images[e.Identifier].since; since != "" {
			said = append(said, fmt.Sprintf("%s kept: unchanged since %.8s", e.Identifier, since))
		}
	}
	return strings.Join(said, ", ")
}

// awaitBuilds queues what is not queued yet, and fails the release when one of its builds failed.
func (l *Loop) awaitBuilds(ctx context.Context, j *job, wanted []berth.Build, kept string) error {
	var failed, pending []berth.Build
	err := l.Store.Update(ctx, func(tx Tx) error {
		failed, pending = nil, nil
		if err := l.takeOver(tx, j.release, wanted); err != nil {
			return err
		}
		known, err := tx.BuildsOfRelease(j.release.ID)
		if err != nil {
			return err
		}
		latest := map[string]berth.Build{}
		for _, b := range known {
			latest[b.Element] = b // oldest first
		}
		for _, w := range wanted {
			b, ok := latest[w.Element]
			switch {
			case !ok || b.Key != w.Key || b.State == berth.BuildSucceeded: // succeeded, and its image is gone
				if err := tx.CreateBuild(w); err != nil {
					return err
				}
				pending = append(pending, w)
			case b.State.Done():
				failed = append(failed, b)
			default:
				pending = append(pending, b)
			}
		}
		if len(failed) > 0 {
			return nil
		}
		step := "building " + elementsIn(pending)
		if kept != "" {
			step += "; " + kept
		}
		if j.release.State == berth.ReleaseBuilding && j.release.Step == step && j.release.Message == "" {
			return nil
		}
		j.release.State, j.release.Step, j.release.Message = berth.ReleaseBuilding, step, ""
		return tx.UpdateRelease(j.release)
	})
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return buildError(failed)
	}
	return errWaiting
}

// stillBuilding reports whether builds of the release are on their way: until they end there is
// nothing to find out anew. One that did not succeed ends the waiting, whatever the others do.
func (l *Loop) stillBuilding(ctx context.Context, j *job) (bool, error) {
	if j.release.State != berth.ReleaseBuilding {
		return false, nil
	}
	var pending []berth.Build
	failed := false
	err := l.Store.View(ctx, func(tx Tx) error {
		known, err := tx.BuildsOfRelease(j.release.ID)
		for _, b := range known {
			switch {
			case !b.State.Done():
				pending = append(pending, b)
			case b.State != berth.BuildSucceeded:
				failed = true
			}
		}
		return err
	})
	if err != nil || failed || len(pending) == 0 {
		return false, err
	}
	text := "building " + elementsIn(pending)
	if _, kept, some := strings.Cut(j.release.Step, "; "); some {
		text += "; " + kept
	}
	if j.release.Step != text {
		j.release.Step = text
		return true, l.save(ctx, j)
	}
	return true, nil
}

func elementsIn(builds []berth.Build) string {
	var names []string
	for _, b := range builds {
		names = append(names, b.Element)
	}
	return strings.Join(names, ", ")
}

func buildError(failed []berth.Build) error {
	var all []error
	for _, b := range failed {
		all = append(all, fmt.Errorf("building %s: %s", b.Element, cmp.Or(b.Message, string(b.State))))
	}
	return &berth.Error{Code: berth.EInvalid, Message: errors.Join(all...).Error()}
}
