package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// lookEvery is how often both sides are asked for their first page.
const lookEvery = 25 * time.Millisecond

const (
	measuredElement = "web"
	developmentGoal = 1.2
	deployTimeout   = 10 * time.Minute
)

// development is (a). There is no store of dependencies beside the working tree, so the two honest
// comparisons are: both sides install them, from nothing; and both sides find them in the repository.
func (b *bench) development(ctx context.Context) (rows []row, err error) {
	err = b.withServer(ctx, "development", func(s *server) error {
		plain, err := b.contest(ctx, s, "guestbook", filepath.Join("examples", "guestbook"), "web/node_modules", "api/node_modules")
		if err != nil {
			return err
		}
		rows = append(rows, plain.rows("both sides run npm ci")...)
		stored, err := b.storedRepository(plain.tree)
		if err != nil {
			return err
		}
		vendored, err := b.contest(ctx, s, "stored", stored)
		if err == nil {
			rows = append(rows, vendored.rows("node_modules stored in the repository")...)
		}
		return err
	})
	return rows, err
}

// contest is what the rounds of one project gave.
type contest struct {
	tree                      string // a working tree with dependencies
	berth, rival, ready, rush []time.Duration
}

func (c contest) rows(how string) []row {
	against := func(name string, rival []time.Duration, goal float64) row {
		r := row{what: fmt.Sprintf("development deployment to first 200, %s (%d rounds)", how, len(c.berth)),
			value: seconds(median(c.berth)), rival: seconds(median(rival)) + " " + name,
			ratio: fmt.Sprintf("%.2f×", float64(median(c.berth))/float64(median(rival)))}
		if goal > 0 {
			r.goal = fmt.Sprintf("≤ %.1f×", goal)
			r.met = float64(median(c.berth)) <= goal*float64(median(rival))
		}
		return r
	}
	return []row{
		against("Docker, with a clone beside the add-ons, for which components wait, as Berth's do", c.rival, developmentGoal),
		against("Docker, the same, but its working tree is there before", c.ready, 0),
		against("Docker, nothing waits for anything", c.rush, 0),
	}
}

// contest measures one project. installed is what a working tree has besides what is committed.
func (b *bench) contest(ctx context.Context, s *server, project, dir string, installed ...string) (c contest, err error) {
	if _, err := s.berth(ctx, "project", "create", project, "--dir", dir); err != nil {
		return c, err
	}
	// The first deployment warms the images on both sides, and shows the rival what to run.
	warm, _, err := b.deploy(ctx, s, project, "warm")
	if err != nil {
		return c, err
	}
	if _, err := s.berth(ctx, "wait", warm.Slug, "--for", "running", "--timeout", "5m"); err != nil {
		return c, err
	}
	tree := filepath.Join(s.data, "volumes", warm.ID, "_", "code")
	c.tree = filepath.Join(b.dir, project+"-tree")
	pristine := filepath.Join(b.dir, project+"-code")
	if err := errors.Join(copyTree(tree, c.tree), copyTree(tree, pristine)); err != nil {
		return c, err
	}
	for _, path := range installed {
		if err := os.RemoveAll(filepath.Join(pristine, path)); err != nil {
			return c, err
		}
	}
	origin, err := s.repository(ctx, project)
	if err != nil {
		return c, err
	}
	rival, err := newRival(ctx, b.docker, warm.ID, pristine, origin)
	if err != nil {
		return c, err
	}
	// Development servers watch files; the warm one must not use what is measured.
	if _, err := s.berth(ctx, "stop", warm.Slug); err != nil {
		return c, err
	}
	if _, err := s.berth(ctx, "wait", warm.Slug, "--for", "stopped", "--timeout", "2m"); err != nil {
		return c, err
	}
	for i := range b.rounds {
		if err := b.round(ctx, s, project, rival, i, &c); err != nil {
			return c, fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	return c, nil
}

// round takes one turn each.
func (b *bench) round(ctx context.Context, s *server, project string, rival *rival, i int, c *contest) error {
	name := project + "-" + strconv.Itoa(i)
	d, took, err := b.deploy(ctx, s, project, "round-"+strconv.Itoa(i))
	if err != nil {
		return err
	}
	if _, err := s.berth(ctx, "delete", d.Slug, "--yes", "--wait"); err != nil {
		return err
	}
	c.berth = append(c.berth, took)
	for _, one := range []struct {
		name  string
		how   way
		times *[]time.Duration
	}{{name, way{clones: true}, &c.rival}, {name + "-ready", way{}, &c.ready}, {name + "-rush", way{rushes: true}, &c.rush}} {
		took, err := rival.run(ctx, filepath.Join(b.dir, one.name), measuredElement, one.how)
		if err != nil {
			return err
		}
		*one.times = append(*one.times, took)
	}
	last := func(times []time.Duration) string { return seconds(times[len(times)-1]) }
	say("  %s: Berth %s, Docker %s, with its tree there before %s, without waiting %s", name, seconds(took), last(c.rival), last(c.ready), last(c.rush))
	return nil
}

// repository is where the server keeps a project's commits.
func (s *server) repository(ctx context.Context, project string) (string, error) {
	out, err := s.berth(ctx, "project", "show", project, "--json")
	if err != nil {
		return "", err
	}
	var p struct{ ID string }
	if err := json.Unmarshal(out, &p); err != nil {
		return "", fmt.Errorf("read project: %w", err)
	}
	return filepath.Join(s.data, "git", p.ID+".git"), nil
}

// deploy measures from berth create to the first 200 over HTTPS.
func (b *bench) deploy(ctx context.Context, s *server, project, name string) (d shown, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, deployTimeout)
	defer cancel()
	began := time.Now()
	if _, err := s.berth(ctx, "create", project, "--name", name, "--stage", "development"); err != nil {
		return d, 0, err
	}
	url := ""
	err = until(ctx, lookEvery, func() (bool, error) {
		if url == "" {
			if d, err = s.show(ctx, name+"-"+project); err != nil {
				return false, err
			}
			if d.Phase == "failed" {
				return false, fmt.Errorf("%s failed", d.Slug)
			}
			if host, err := d.host(measuredElement); err == nil {
				url = host.String()
			}
			return false, nil
		}
		return s.answers(ctx, url), nil
	})
	return d, time.Since(began), err
}

func (s *server) answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return false
	}
	response, err := s.browser.Do(r)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func copyTree(from, to string) error {
	if out, err := exec.Command("cp", "-a", "--", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

// storedRepository is the example with its dependencies committed.
func (b *bench) storedRepository(tree string) (dir string, err error) {
	dir = filepath.Join(b.dir, "stored-repository")
	if err := copyTree(tree, dir); err != nil {
		return "", err
	}
	if out, err := exec.Command("chown", "-R", "0:0", "--", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("own working tree: %w: %s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch", "main"}, {"add", "--all", "--force"},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "--message", "With dependencies"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return dir, nil
}
