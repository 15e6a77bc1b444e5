package fake_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/engine/enginetest"
	"github.com/berth-dev/berth/engine/enginetest/program"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/plan"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	image        = "berth.test/program:1"
	missingImage = "berth.test/nobody:1"
)

func TestConformance(t *testing.T) {
	machine := fake.NewMachine()
	logs := t.TempDir()
	secrets := map[berth.ID]string{}
	backoff := plan.Backoff{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond, Steady: 10 * time.Second}
	open := func(*testing.T) engine.Engine {
		return fake.New(fake.Config{
			Machine: machine, Backoff: backoff, Steady: 300 * time.Millisecond, LogDir: logs,
			Behave: behaveLikeProgram,
			Exec: func(ctx context.Context, x engine.ExecSpec) (int, error) {
				return program.Main(ctx, x.Command, x.Stdin, x.Stdout, x.Stderr), nil
			},
			Run: func(ctx context.Context, task engine.Task) (int, error) {
				return program.Main(ctx, task.Command, task.Stdin, task.Output, task.Output), nil
			},
			Secret: func(_ context.Context, id berth.ID, _ int) (berth.Secret, error) {
				return berth.NewSecret(secrets[id]), nil
			},
		})
	}
	enginetest.Run(t, enginetest.Factory{
		Open: open, Image: image, MissingImage: missingImage,
		Backoff: backoff, Steady: 300 * time.Millisecond, Timeout: 10 * time.Second,
		Kill: func(t *testing.T, i engine.Instance) {
			if err := machine.Exit(i.ID, 137, time.Now()); err != nil {
				t.Fatal(err)
			}
		},
		Secret: func(_ *testing.T, value string) string {
			id := berth.NewID()
			secrets[id] = value
			return berth.SecretToken(id, 1)
		},
		Decoys: func(t *testing.T) func(*testing.T) { return decoys(t, open(t)) },
	})
}

// decoys runs a deployment of somebody else on the machine.
func decoys(t *testing.T, e engine.Engine) (intact func(*testing.T)) {
	id := berth.NewID()
	t.Cleanup(func() {
		for gone := false; !gone; {
			var err error
			if gone, err = e.Remove(context.WithoutCancel(t.Context()), id); err != nil {
				t.Fatal(err)
			}
		}
	})
	w := engine.Workload{Deployment: id, Kind: berth.KindBuild}
	if _, err := e.Sync(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		all, err := e.Deployments(t.Context())
		if err != nil || !slices.Contains(all, id) {
			t.Errorf("the decoy is gone: %v, %v", all, err)
		}
	}
}

// behaveLikeProgram scripts a container to do what the suite's program would.
func behaveLikeProgram(c fake.Container) fake.Behaviour {
	if c.Image == missingImage {
		return fake.Behaviour{Missing: true}
	}
	s, err := program.ParseServe(c.Command)
	if err != nil {
		b := fake.Behaviour{Exits: true}
		if len(c.Command) == 3 && c.Command[1] == "exit" {
			_, _ = fmt.Sscan(c.Command[2], &b.ExitCode)
		}
		return b
	}
	b := fake.Behaviour{
		ReadyAfter: s.After, Ports: s.Ports, Exits: s.ExitAfter > 0, ExitAfter: s.ExitAfter, ExitCode: s.Code,
		Dial: fake.HTTP(s.Handler(func(name string) string { return c.Env[name] })),
	}
	if s.Print != "" {
		b.Output = []string{s.Print}
	}
	return b
}
