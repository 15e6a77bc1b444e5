//go:build docker

package docker

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest"
)

func TestConformance(t *testing.T) {
	m := newMachine(t)
	e := m.open(t)
	t.Cleanup(func() { m.removeImages(t, e) })
	image := "berth-test/program:" + string(berth.NewID())
	if _, err := e.ImportImage(t.Context(), enginetest.RootFS(t), image, nil, nil); err != nil {
		t.Fatal(err)
	}
	enginetest.Run(t, enginetest.Factory{
		Open:         func(t *testing.T) engine.Engine { return m.open(t) },
		Image:        image,
		MissingImage: "berth-test/nobody:1",
		Backoff:      backoff,
		Steady:       runLongEnough,
		Timeout:      waitFor,
		Kill: func(t *testing.T, i engine.Instance) {
			c, err := e.findInstance(t.Context(), i.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.docker.kill(t.Context(), c.owner().ID); err != nil {
				t.Fatal(err)
			}
		},
		Secret: func(_ *testing.T, value string) string {
			id := berth.NewID()
			m.secrets[id] = value
			return berth.SecretToken(id, 1)
		},
		Decoys: func(t *testing.T) func(*testing.T) { return decoys(t, image) },
	})
}

// decoys makes containers and a network of others: without labels, of another server, with names like ours.
func decoys(t *testing.T, image string) (intact func(*testing.T)) {
	id := berth.NewID()
	network := networkName(id) + "-decoy"
	mine := docker(t, "network", "create", "--label", labelServer+"=somebody-else", "--label", labelDeployment+"="+string(id), network)
	var containers []string
	for _, labels := range [][]string{
		{},
		{labelDeployment + "=" + string(id)},
		{labelServer + "=somebody-else", labelDeployment + "=" + string(id), labelRole + "=" + roleMain},
	} {
		args := []string{"run", "--detach", "--name", "brt-" + string(id) + "-web-app-0-1-" + string(berth.NewID()), "--network", "none"}
		for _, l := range labels {
			args = append(args, "--label", l)
		}
		containers = append(containers, docker(t, append(args, image, "/program", "serve")...))
	}
	t.Cleanup(func() {
		docker(t, append([]string{"rm", "--force"}, containers...)...)
		docker(t, "network", "rm", mine)
	})
	return func(t *testing.T) {
		for _, c := range containers {
			if state := docker(t, "inspect", "--format", "{{.State.Running}}", c); state != "true" {
				t.Errorf("decoy %s runs: %s", c, state)
			}
		}
		docker(t, "network", "inspect", mine)
	}
}

// docker runs Docker's own command line, which knows nothing of the engine under test.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
