package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// labelledImage is a local image found by its labels.
type labelledImage struct {
	ID     string
	Tags   []string
	Labels map[string]string
}

// imageConfig is what a container inherits.
type imageConfig struct {
	ID         string
	Exposed    []int
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	StopSignal string
}

// ImageID returns the id behind a reference, of a local image only.
func (e *Engine) ImageID(ctx context.Context, ref string) (id string, found bool, err error) {
	c, found, err := e.image(ctx, ref)
	return c.ID, found, err
}

// ImageConfig returns what a local image says of itself.
func (e *Engine) ImageConfig(ctx context.Context, ref string) (exposed []int, user string, entrypoint, cmd []string, err error) {
	c, found, err := e.image(ctx, ref)
	if err == nil && !found {
		err = berth.Errorf(berth.ENotFound, "the image %s is not on this machine", ref)
	}
	return c.Exposed, c.User, c.Entrypoint, c.Cmd, err
}

func (e *Engine) image(ctx context.Context, ref string) (_ imageConfig, found bool, err error) {
	r, err := e.docker.client.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return imageConfig{}, false, nil
	}
	if err != nil {
		return imageConfig{}, false, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	c := imageConfig{ID: r.ID}
	if r.Config != nil {
		c.User, c.Env, c.Entrypoint, c.Cmd, c.StopSignal = r.Config.User, r.Config.Env, r.Config.Entrypoint, r.Config.Cmd, r.Config.StopSignal
		c.Exposed = exposedPorts(r.Config.ExposedPorts)
	}
	return c, true, nil
}

func exposedPorts(ports map[string]struct{}) (out []int) {
	for p := range ports {
		number, protocol, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(number); err == nil && (protocol == "tcp" || protocol == "") {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// PullImage fetches an image from its registry. progress gets lines of text.
func (e *Engine) PullImage(ctx context.Context, ref string, progress io.Writer) error {
	login, err := e.registryAuth(ctx, ref)
	if err != nil {
		return err
	}
	r, err := e.docker.client.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: login})
	if err != nil {
		return pullError(ref, err)
	}
	defer func() { _ = r.Close() }()
	say := func(line string) {
		if progress != nil {
			_, _ = fmt.Fprintln(progress, line)
		}
	}
	if err := readJSONMessages(r, say); err != nil {
		return pullError(ref, err)
	}
	return nil
}

// ImportImage makes an image of one layer from a tar stream. changes are Dockerfile instructions (CMD,
// ENV, …); labels are added to them, this server's own always.
func (e *Engine) ImportImage(ctx context.Context, rootfs io.Reader, ref string, labels map[string]string, changes []string) (id string, err error) {
	changes = slices.Clone(changes)
	changes = append(changes, labelInstruction(labelServer, e.config.ServerID))
	for _, name := range sortedKeys(labels) {
		changes = append(changes, labelInstruction(name, labels[name]))
	}
	r, err := e.docker.client.ImageImport(ctx, client.ImageImportSource{Source: rootfs, SourceName: "-"}, ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return "", fmt.Errorf("import image %s: %w", ref, err)
	}
	defer func() { _ = r.Close() }()
	if err := readJSONMessages(r, func(status string) { id = status }); err != nil {
		return "", fmt.Errorf("import image %s: %w", ref, err)
	}
	if !strings.HasPrefix(id, "sha256:") {
		return "", fmt.Errorf("import image %s: Docker gave no id", ref)
	}
	return id, nil
}

// labelInstruction quotes for a Dockerfile, where $ would begin a variable.
func labelInstruction(name, value string) string {
	return "LABEL " + name + "=" + strings.ReplaceAll(strconv.Quote(value), "$", `\$`)
}

// TagImage gives an image another name.
func (e *Engine) TagImage(ctx context.Context, id, ref string) error {
	if _, err := e.docker.client.ImageTag(ctx, client.ImageTagOptions{Source: id, Target: ref}); err != nil {
		return fmt.Errorf("tag image %s: %w", ref, err)
	}
	return nil
}

// RemoveImage removes an image or a name of it; gone is success.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := e.docker.client.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove image %s: %w", ref, err)
	}
	return nil
}

// ListImages returns the ids of the images that have the label, "name" or "name=value", whoever made them.
func (e *Engine) ListImages(ctx context.Context, label string) (ids []string, err error) {
	images, err := e.labelledImages(ctx, client.Filters{}.Add("label", label))
	for _, i := range images {
		ids = append(ids, i.ID)
	}
	return ids, err
}

func (e *Engine) labelledImages(ctx context.Context, f client.Filters) ([]labelledImage, error) {
	r, err := e.docker.client.ImageList(ctx, client.ImageListOptions{Filters: f})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	out := make([]labelledImage, 0, len(r.Items))
	for _, i := range r.Items {
		out = append(out, labelledImage{ID: i.ID, Tags: slices.DeleteFunc(i.RepoTags, func(t string) bool { return t == "<none>:<none>" }), Labels: i.Labels})
	}
	return out, nil
}

// removeImagesOf removes the images made for a deployment, under all their names.
func (e *Engine) removeImagesOf(ctx context.Context, id berth.ID) error {
	images, err := e.labelledImages(ctx, e.docker.labelled(labelDeployment, string(id)))
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range images {
		_, err := e.docker.client.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove image %s: %w", i.ID, err))
		}
	}
	return errors.Join(errs...)
}
