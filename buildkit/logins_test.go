//go:build docker

package buildkit_test

import (
	"context"
	"io"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/buildkit"
	"github.com/berth-dev/berth/engine/enginetest"
	docker "github.com/moby/moby/client"
)

func TestABuildBeginsWithAPrivateImage(t *testing.T) {
	const username, password = "ada", "correct-horse-battery"
	registry, err := enginetest.StartRegistry(t.TempDir(), username, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Stop(); err != nil {
			t.Error(err)
		}
	})
	// Content of its own, or BuildKit would find the layers of an image that it has.
	mine := try("FROM scratch\nCOPY id /id\n", map[string]string{"id": string(berth.NewID())})
	image := mine.must(t, newBuilder(t, nil)).Image
	ref, err := registry.Push(image, "team/base:1", username, password)
	if err != nil {
		t.Fatal(err)
	}
	client := newDocker(t)
	t.Cleanup(func() {
		_, _ = client.ImageRemove(context.Background(), ref, docker.ImageRemoveOptions{PruneChildren: true})
	})
	login := ""
	b := newBuilder(t, func(c *buildkit.Config) {
		c.Substitute = func(context.Context, string, io.Writer) (string, bool, error) { return "", false, nil } // BuildKit fetches it itself
		c.Registry = func(_ context.Context, host string) (string, berth.Secret, bool, error) {
			return username, berth.NewSecret(login), host == registry.Host, nil
		}
	})
	if result, err := try("FROM "+ref+"\nCOPY --from="+ref+" /id /again\n", nil).run(t.Context(), t, b); err == nil {
		t.Errorf("built %s without a login", result.Image)
	}
	login = password
	try("FROM "+ref+"\nCOPY --from="+ref+" /id /again\n", nil).must(t, b)
}
