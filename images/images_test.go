package images

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

func TestEnsurePrefersWhatIsHereThenTheRegistryThenTheTable(t *testing.T) {
	for name, test := range map[string]struct {
		local    []string
		registry map[string]bool
		ref      string
		want     string
		pulls    int
		made     int
	}{
		"here":                      {local: []string{"node:22-slim"}, ref: "node:22-slim", want: "node:22-slim"},
		"here, written in full":     {local: []string{"node:22-slim"}, ref: "docker.io/library/node:22-slim", want: "docker.io/library/node:22-slim"},
		"registry":                  {registry: map[string]bool{"node:22-slim": true}, ref: "node:22-slim", want: "node:22-slim", pulls: 1},
		"table":                     {ref: "node:22-slim", want: node, pulls: 2, made: 2},
		"ours":                      {ref: Tools, want: Tools, pulls: 1, made: 2},
		"ours, base in a registry":  {registry: map[string]bool{"debian:trixie-slim": true}, ref: Tools, want: Tools, pulls: 1, made: 2},
		"base of the table is here": {local: []string{"debian:trixie-slim"}, ref: node, want: node, made: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.registry = test.registry
			for _, ref := range test.local {
				w.images[ref] = "sha256:local"
			}
			got, err := w.open(t).Ensure(t.Context(), test.ref, io.Discard)
			if err != nil || got != test.want {
				t.Fatalf("got %s, %v; want %s", got, err, test.want)
			}
			// The base asks the registry too, unless it was silent a moment ago.
			if len(w.pulls) > test.pulls || w.made != test.made {
				t.Errorf("pulled %v, made %d; want at most %d and exactly %d", w.pulls, w.made, test.pulls, test.made)
			}
			if _, faked := w.images["node:22-slim"]; faked && !slices.Contains(test.local, "node:22-slim") && !test.registry["node:22-slim"] {
				t.Error("node:22-slim was given to an image of ours")
			}
		})
	}
}

func TestNobodyHasIt(t *testing.T) {
	for name, test := range map[string]struct {
		registry map[string]bool
		says     string
	}{
		"silent registry":          {nil, "no registry answered"},
		"registry without it":      {map[string]bool{}, "its registry has no such image"},
		"neither has a recipe for": {nil, "no recipe"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.registry = test.registry
			_, err := w.open(t).Ensure(t.Context(), "redis:7", io.Discard)
			if berth.CodeOf(err) != berth.EUnavailable || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func TestTagOfAnAnsweringRegistryIsNotReplaced(t *testing.T) {
	w := newWorld()
	w.registry = map[string]bool{}
	if got, err := w.open(t).Ensure(t.Context(), "node:22-slim", io.Discard); err == nil {
		t.Errorf("got %s although the registry says that there is no such image", got)
	}
}

func TestBadReference(t *testing.T) {
	_, err := newWorld().open(t).Ensure(t.Context(), "Not A Reference", io.Discard)
	if berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("error %v, want invalid", err)
	}
}

func TestSilentRegistryIsNotAskedForAMinute(t *testing.T) {
	w := newWorld()
	i := w.open(t)
	for _, step := range []struct {
		after time.Duration
		pulls int
	}{{0, 1}, {30 * time.Second, 1}, {31 * time.Second, 2}} {
		w.now = w.now.Add(step.after)
		_, _ = i.Ensure(t.Context(), "redis:7", io.Discard)
		if len(w.pulls) != step.pulls {
			t.Errorf("pulled %d times, want %d", len(w.pulls), step.pulls)
		}
	}
}

func TestPrepareMakesEachImageOnce(t *testing.T) {
	w := newWorld()
	i := w.open(t)
	var progress bytes.Buffer
	refs := []string{Tools, node, "node:22", "node:22-slim", "postgres:17", Tools}
	if err := i.Prepare(t.Context(), refs, &progress); err != nil {
		t.Fatal(err)
	}
	var built []string
	for _, r := range w.builds {
		built = append(built, r.Tag)
	}
	slices.Sort(built)
	if want := []string{node, postgres, Tools}; w.trees != 1 || !slices.Equal(built, want) {
		t.Errorf("made %d trees and %v; want one and %v", w.trees, built, want)
	}
	for _, line := range []string{base + ": ready after", node + ": ready after", "using berth/postgres:17 in place of postgres:17"} {
		if !strings.Contains(progress.String(), line) {
			t.Errorf("progress lacks %q:\n%s", line, &progress)
		}
	}
	if err := w.open(t).Prepare(t.Context(), refs, io.Discard); err != nil || w.trees != 1 || len(w.builds) != 3 {
		t.Errorf("the second time made something: %v", err)
	}
}

func TestTheVersionOfGoIsTheSameEverywhere(t *testing.T) {
	archives, err := recipeFiles.ReadFile("recipes/go/archives")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(archives)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || len(fields[2]) != 64 {
			t.Fatalf("%q is not an architecture, a version and a sum", line)
		}
		if s, ok := substitution("golang:" + fields[1]); !ok || !makes(s.Image, fields[1]) {
			t.Errorf("version %s for %s is not what table and recipe say", fields[1], fields[0])
		}
	}
}

// makes reports whether the recipe of an image is of a version.
func makes(image, version string) bool {
	return slices.ContainsFunc(recipes(), func(r recipe) bool { return r.ref == image && r.args["VERSION"] == version })
}

func TestChangedRecipeRebuildsAndForgetsTheOlderImage(t *testing.T) {
	for name, inUse := range map[string]bool{"unused": false, "in use": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.images[node], w.images["berth/recipe:node-of-before"] = "sha256:older", "sha256:older"
			w.inUse["sha256:older"] = inUse
			if _, err := w.open(t).Ensure(t.Context(), node, io.Discard); err != nil {
				t.Fatal(err)
			}
			if w.images[node] == "sha256:older" {
				t.Error("the image of the earlier recipe is still used")
			}
			if forgot := slices.Contains(w.removed, "sha256:older"); forgot == inUse {
				t.Errorf("removed %v", w.removed)
			}
		})
	}
}

func TestImageThatLostItsNameGetsItBack(t *testing.T) {
	w := newWorld()
	i := w.open(t)
	if _, err := i.Ensure(t.Context(), node, io.Discard); err != nil {
		t.Fatal(err)
	}
	id := w.images[node]
	w.images[node] = "sha256:somebody-else's"
	if _, err := i.Ensure(t.Context(), node, io.Discard); err != nil || w.images[node] != id || len(w.builds) != 1 {
		t.Errorf("image %s after %d builds, %v; want %s after one", w.images[node], len(w.builds), err, id)
	}
}

func TestFailedRecipeIsTriedAgain(t *testing.T) {
	w := newWorld()
	broken := errors.New("mirror is down")
	w.building = func(build.Request) error { return broken }
	i := w.open(t)
	if _, err := i.Ensure(t.Context(), node, io.Discard); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	w.building = nil
	if _, err := i.Ensure(t.Context(), node, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestWaitingForAnImageCanBeCancelled(t *testing.T) {
	w := newWorld()
	started, finish := make(chan struct{}), make(chan struct{})
	w.building = func(build.Request) error {
		close(started)
		<-finish
		return nil
	}
	i := w.open(t)
	first := make(chan error, 1)
	go func() {
		_, err := i.Ensure(t.Context(), node, io.Discard)
		first <- err
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Ensure(ctx, node, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	close(finish)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestTableNamesRecipesAndNothingElse(t *testing.T) {
	i := newWorld().open(t)
	seen := make(map[string]bool)
	for _, s := range Table() {
		if _, ok := i.recipe(s.Image); !ok {
			t.Errorf("%s: no recipe makes %s", s.Reference, s.Image)
		}
		if s.Why == "" || seen[s.Reference] {
			t.Errorf("%s: no reason, or twice", s.Reference)
		}
		seen[s.Reference] = true
	}
	for _, ref := range []string{"node:lts", "node:16", "node:20-alpine", "golang:1-alpine", "golang:1.24", "gcr.io/distroless/base:latest", "node:22-alpine", "node:22.1.0", "node@sha256:" + strings.Repeat("0", 64), "debian:stable", "postgres:16", "someone/node:22", "ghcr.io/library/node:22"} {
		if s, ok := substitution(ref); ok {
			t.Errorf("%s is not what %s is", ref, s.Image)
		}
	}
}

// What the built-in packages start from can be had without a registry.
func TestEveryImageOfTheCatalogueCanBeMade(t *testing.T) {
	fixed := regexp.MustCompile(`(?m)^(?:FROM|\s+image:) (\S+)`)
	stages := regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)`)
	dockerfiles, err := filepath.Glob("../packages/*/Dockerfile*")
	if err != nil || len(dockerfiles) == 0 {
		t.Fatal(dockerfiles, err)
	}
	manifests, err := filepath.Glob("../packages/*/diploi.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, name := range append(dockerfiles, manifests...) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var own []string
		for _, stage := range stages.FindAllSubmatch(content, -1) {
			own = append(own, string(stage[1]))
		}
		for _, ref := range fixed.FindAllSubmatch(content, -1) {
			if _, ok := substitution(string(ref[1])); !ok && !slices.Contains(own, string(ref[1])) {
				t.Errorf("%s: nothing stands in for %s", name, ref[1])
			}
		}
	}
}

func TestVersionsInTableAndRecipeAgree(t *testing.T) {
	content, err := recipeFiles.ReadFile("recipes/node/packages")
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := recipeFiles.ReadFile("recipes/node/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		name, rest, _ := strings.Cut(line, " ")
		version, sum, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if len(sum) != 128 {
			t.Errorf("%s: the sum has %d digits, want 128", name, len(sum))
		}
		switch {
		case strings.HasPrefix(name, "node-"):
			if s, ok := substitution("node:" + version + "-slim"); !ok || !makes(s.Image, version) {
				t.Errorf("version %s of %s is not what table and recipe say", version, name)
			}
		case name == "npm" && !slices.ContainsFunc(recipes(), func(r recipe) bool { return r.args["NPM"] == version }):
			t.Errorf("version %s of npm is in no recipe", version)
		case name == "yarn" && !bytes.Contains(dockerfile, []byte("YARN_VERSION="+version)):
			t.Errorf("version %s of yarn is not what the Dockerfile says", version)
		}
	}
}
