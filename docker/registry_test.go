//go:build docker

package docker

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine/enginetest"
)

func TestPrivateImagesArePulledByALogin(t *testing.T) {
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
	m := newMachine(t)
	login := ""
	m.config.Registry = func(_ context.Context, host string) (string, berth.Secret, bool, error) {
		return username, berth.NewSecret(login), host == registry.Host && login != "", nil
	}
	e := m.open(t)
	image := "berth-test/private:" + string(berth.NewID())
	if _, err := e.ImportImage(t.Context(), enginetest.RootFS(t), image, nil, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.removeImages(t, e) })
	ref, err := registry.Push(image, "team/app:1", username, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.Background(), ref) })

	for _, wrong := range []string{"", "wr0ng"} {
		login = wrong
		err := e.PullImage(t.Context(), ref, io.Discard)
		if said := berth.MessageOf(err); berth.CodeOf(err) != berth.EForbidden || !strings.Contains(said, "berth registry login "+registry.Host) {
			t.Errorf("with %q: %q", wrong, said)
		}
	}
	if err := e.CheckRegistry(t.Context(), registry.Host, username, berth.NewSecret("wr0ng")); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("a wrong login is %v", err)
	}
	if err := e.CheckRegistry(t.Context(), "127.0.0.1:1", username, berth.NewSecret(password)); berth.CodeOf(err) != berth.EUnavailable {
		t.Errorf("a registry that is not there: %v", err)
	}
	if err := e.CheckRegistry(t.Context(), registry.Host, username, berth.NewSecret(password)); err != nil {
		t.Error(err)
	}
	login = password
	if err := e.PullImage(t.Context(), ref, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, found, err := e.ImageID(t.Context(), ref); !found || err != nil {
		t.Errorf("after the pull: found %v, %v", found, err)
	}
	if err := e.PullImage(t.Context(), registry.Host+"/team/absent:1", io.Discard); berth.CodeOf(err) != berth.ENotFound {
		t.Errorf("an image that is not there: %v", err)
	}
}
