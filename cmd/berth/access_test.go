package main

import (
	"context"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

// waitingService is a service whose project waits, look after look.
type waitingService struct {
	*fakeService
	looks []berth.Access
}

func (w *waitingService) CreateProject(_ context.Context, p berth.NewProject) (berth.Project, error) {
	return w.Project(context.Background(), p.Name)
}

func (w *waitingService) Project(_ context.Context, name string) (berth.Project, error) {
	p := berth.Project{Name: name, GitURL: "git@git.test:o/n.git", Access: w.looks[0]}
	if len(w.looks) > 1 {
		w.looks = w.looks[1:]
	}
	return p, nil
}

func TestAPersonIsToldWhatAProjectWaitsForAndThatItGoesOn(t *testing.T) {
	private := berth.Access{Waiting: "it is private", Obstacle: berth.ObstacleRefused, DeployKey: "ssh-ed25519 AAAA berth-shop", KeyPage: "https://git.test/keys"}
	changed := berth.Access{Waiting: "the host key has changed", Obstacle: berth.ObstacleHostKey}
	for name, c := range map[string]struct {
		looks []berth.Access
		args  []string
		code  int
		says  []string
	}{
		"accepted":       {[]berth.Access{private, private, {}}, nil, 0, []string{"ssh-ed25519 AAAA berth-shop", "https://git.test/keys", "it is private", "lets Berth in"}},
		"never":          {[]berth.Access{private}, []string{"--timeout", "20ms"}, exitTimeout, []string{"goes on by itself", "project show shop"}},
		"not waited for": {[]berth.Access{private}, []string{"--no-wait"}, 0, []string{"https://git.test/keys"}},
		"another host":   {[]berth.Access{private, changed}, nil, exitFailed, []string{"the host key has changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			cli := newCLI(t)
			service := &waitingService{cli.service, c.looks}
			cli.connect = func() (berth.Service, error) { return service, nil }
			code := cli.do(t, append([]string{"project", "create", "shop", "--git", "https://git.test/o/n"}, c.args...)...)
			if code != c.code {
				t.Errorf("exit %d, want %d: %s", code, c.code, cli.err)
			}
			for _, part := range c.says {
				if !strings.Contains(cli.err.String(), part) {
					t.Errorf("nothing says %q:\n%s", part, cli.err)
				}
			}
		})
	}
	c := newCLI(t)
	c.mustFail(t, exitFailed, "--token - and give the token on stdin", "project", "create", "shop", "--git", "https://git.test/x", "--token", "s3cret")
}
