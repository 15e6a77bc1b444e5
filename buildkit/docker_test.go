//go:build docker

package buildkit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/buildkit"
	docker "github.com/moby/moby/client"
)

// These tests build on berth/base:trixie and berth/node:22, which the tests of package images make.
const (
	socket   = "unix:///var/run/docker.sock"
	bundle   = "/etc/ssl/certs/ca-certificates.crt"
	baseTag  = "berth/base:trixie"
	nodeTag  = "berth/node:22"
	testFrom = "FROM " + baseTag + "\n"
)

func newBuilder(t *testing.T, change func(*buildkit.Config)) *buildkit.Builder {
	t.Helper()
	c := buildkit.Config{
		Socket: socket,
		CAFile: bundle,
		Env:    map[string]string{"NODE_EXTRA_CA_CERTS": "/.berth/ca.crt", "npm_config_cafile": "/.berth/ca.crt"},
		Substitute: func(_ context.Context, ref string, _ io.Writer) (string, bool, error) {
			switch {
			case strings.HasPrefix(ref, "node:22"):
				return nodeTag, true, nil
			case strings.HasPrefix(ref, "berth/"):
				return "", false, nil
			}
			return "", false, berth.Errorf(berth.EUnavailable, "no registry answered for it, and no recipe can stand in")
		},
	}
	if change != nil {
		change(&c)
	}
	b, err := buildkit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func newDocker(t *testing.T) *docker.Client {
	t.Helper()
	client, err := docker.New(docker.WithHost(socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if _, err := client.ImageInspect(t.Context(), nodeTag); err != nil {
		t.Fatalf("%s is not there, which make test makes first: %v", nodeTag, err)
	}
	return client
}

// attempt is one build of a test.
type attempt struct {
	build.Request
	files map[string]string
	log   bytes.Buffer
}

func try(dockerfile string, files map[string]string) *attempt {
	id := berth.NewID()
	a := &attempt{files: files}
	a.Request = build.Request{
		ID:         id,
		Project:    id, // no two tests share a cache mount
		Element:    "web",
		Dockerfile: []byte(dockerfile),
		Name:       "web/Dockerfile",
		Labels:     map[string]string{"berth.test": "buildkit"},
		NoCache:    true, // what a step prints is what tests look at
		Timeout:    2 * time.Minute,
	}
	return a
}

func (a *attempt) run(ctx context.Context, t *testing.T, b *buildkit.Builder) (build.Result, error) {
	t.Helper()
	a.ContextDir = t.TempDir()
	for name, content := range a.files {
		file := filepath.Join(a.ContextDir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result, err := b.Build(ctx, a.Request, &a.log)
	if result.Image != "" {
		client := newDocker(t)
		t.Cleanup(func() {
			_, _ = client.ImageRemove(context.Background(), result.Image, docker.ImageRemoveOptions{PruneChildren: true})
		})
	}
	return result, err
}

func (a *attempt) must(t *testing.T, b *buildkit.Builder) build.Result {
	t.Helper()
	result, err := a.run(t.Context(), t, b)
	if err != nil {
		t.Fatalf("%v\n%s", err, a.log.String())
	}
	return result
}

func (a *attempt) mustFail(t *testing.T, b *buildkit.Builder) *build.Failure {
	t.Helper()
	_, err := a.run(t.Context(), t, b)
	var failure *build.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("error %v (%T), want a *build.Failure\n%s", err, err, a.log.String())
	}
	return failure
}

func (a *attempt) wantLog(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.log.String(), text) {
			t.Errorf("the log has no %q:\n%s", text, a.log.String())
		}
	}
}

func TestModernDockerfileBuildsOnOldEngine(t *testing.T) {
	newDocker(t)
	a := try(`# syntax=docker/dockerfile:1.7
ARG VERSION=22
FROM node:${VERSION}-slim AS build
WORKDIR /app
COPY --link web/ ./
RUN <<EOT
set -e
node -e 'console.log("heredoc", require("./package.json").name)'
test ! -e ignored.txt
echo kept > made.txt
EOT
FROM node:22-slim
COPY --link --from=build /app/made.txt /made.txt
COPY --from=node:22-bookworm /etc/debian_version /debian_version
COPY <<EOT /inline.txt
inline
EOT
RUN cat /made.txt /inline.txt
EXPOSE 8080/tcp 53/udp 3000
`, map[string]string{"web/package.json": `{"name":"guestbook"}`, "web/ignored.txt": "x", "README": "x"})
	a.Ignore = []byte("**/ignored.txt\n")
	result := a.must(t, newBuilder(t, nil))
	a.wantLog(t, "heredoc guestbook", "using berth/node:22 in place of node:22-slim", "using berth/node:22 in place of node:22-bookworm", "] RUN cat /made.txt /inline.txt", "kept", "inline", "DONE")
	if !strings.HasPrefix(result.Image, "sha256:") {
		t.Errorf("image %q, want an id", result.Image)
	}
	if got, want := fmt.Sprint(result.Exposed), "[3000 8080]"; got != want {
		t.Errorf("exposed %s, want %s", got, want)
	}
}

func TestTagAndLabels(t *testing.T) {
	client := newDocker(t)
	a := try(testFrom+"RUN echo $WHO\n", nil)
	a.Tag = "berth/test-" + string(a.ID) + ":1"
	a.Labels["berth.element"] = "web"
	result := a.must(t, newBuilder(t, nil))
	image, err := client.ImageInspect(t.Context(), a.Tag)
	if err != nil {
		t.Fatal(err)
	}
	if image.ID != result.Image {
		t.Errorf("the tag is image %s, the result %s", image.ID, result.Image)
	}
	if got := image.Config.Labels["berth.element"]; got != "web" {
		t.Errorf("label berth.element = %q", got)
	}
	_, _ = client.ImageRemove(context.Background(), a.Tag, docker.ImageRemoveOptions{})
}

func TestSecretsAndTrustLeaveNoTrace(t *testing.T) {
	client := newDocker(t)
	const secret = "correct-horse-battery"
	a := try(testFrom+`RUN --mount=type=secret,id=token grep -c horse /run/secrets/token
RUN <<EOT
grep -c 'BEGIN CERTIFICATE' "$NODE_EXTRA_CA_CERTS"
echo "proxy $https_proxy $HTTPS_PROXY"
apt-config dump Acquire::https::CaInfo
EOT
ENV npm_config_cafile=/mine
RUN echo "cafile is $npm_config_cafile"
USER 1000:1000
RUN test -r /.berth/ca.crt && echo readable
`, nil)
	a.Secrets = map[string]berth.Secret{"token": berth.NewSecret(secret)}
	result := a.must(t, newBuilder(t, func(c *buildkit.Config) {
		c.Env["HTTPS_PROXY"] = "http://proxy.invalid:3128"
	}))
	a.wantLog(t, "proxy http://proxy.invalid:3128 http://proxy.invalid:3128", `Acquire::https::CaInfo "/.berth/ca.crt"`, "cafile is /mine", "readable")

	image, err := client.ImageInspect(t.Context(), result.Image)
	if err != nil {
		t.Fatal(err)
	}
	history, err := client.ImageHistory(t.Context(), result.Image)
	if err != nil {
		t.Fatal(err)
	}
	about := fmt.Sprintf("%+v %+v", image.Config, history.Items)
	for _, trace := range []string{secret, "proxy.invalid", "/.berth", "NODE_EXTRA_CA_CERTS", "APT_CONFIG"} {
		if strings.Contains(strings.ReplaceAll(about, `"$NODE_EXTRA_CA_CERTS"`, ""), trace) && !strings.Contains(string(a.Dockerfile), trace) {
			t.Errorf("the image's config or history has %q: %s", trace, about)
		}
	}
	if strings.Contains(fmt.Sprint(image.Config.Env), "berth") {
		t.Errorf("the image's environment has ours: %v", image.Config.Env)
	}
	tag := "berth/subject-" + string(a.ID) + ":latest"
	if _, err := client.ImageTag(t.Context(), docker.ImageTagOptions{Source: result.Image, Target: tag}); err != nil {
		t.Fatal(err)
	}
	defer client.ImageRemove(context.Background(), tag, docker.ImageRemoveOptions{})
	look := try(testFrom+"RUN --mount=type=bind,from="+tag+",target=/subject find /subject/.berth /subject/run/secrets -type f | sed 's/^/left: /'\n", nil)
	look.must(t, newBuilder(t, nil))
	if strings.Contains(look.log.String(), " left: ") {
		t.Errorf("the image holds a file of ours:\n%s", look.log.String())
	}
}

func TestFailuresSayWhatAndWhere(t *testing.T) {
	newDocker(t)
	b := newBuilder(t, nil)
	for name, test := range map[string]struct {
		dockerfile string
		files      map[string]string
		command    string
		line       int
		exit       int
		last       string // of the tail
		remedy     string
		message    string
	}{
		"failing command": {
			dockerfile: testFrom + "RUN true\nRUN for i in $(seq 1 40); do echo line $i; done; echo 'exit code: 9'; exit 7\n",
			command:    "RUN for i in", line: 3, exit: 7, last: "exit code: 9", message: "exit code 7",
		},
		"heredoc": {
			dockerfile: testFrom + "RUN <<EOT\necho in heredoc\nno-such-command\nEOT\n",
			command:    "RUN <<EOT", line: 2, exit: 127, remedy: "not installed",
		},
		"npm ci without lock": {
			dockerfile: "FROM node:22-slim\nWORKDIR /app\nCOPY package.json .\nRUN npm ci\n",
			files:      map[string]string{"package.json": `{"name":"x","dependencies":{"left-pad":"1"}}`},
			command:    "RUN npm ci", line: 4, exit: 1, remedy: "package-lock.json",
		},
		"missing file": {
			dockerfile: testFrom + "\nCOPY nothing.txt /\n",
			command:    "COPY nothing.txt", line: 3, remedy: "not in the build context",
		},
		"not permitted": {
			dockerfile: testFrom + "USER 1000\nRUN touch /etc/mine\n",
			command:    "RUN touch", line: 3, exit: 1, remedy: "USER",
		},
		"unknown instruction": {
			dockerfile: testFrom + "RUN true\nRUNN false\n",
			line:       3, remedy: "does not exist", message: "line 3",
		},
		"unknown base": {
			dockerfile: "FROM no-such-image:1\nRUN true\n",
			command:    "FROM no-such-image:1", message: "no recipe can stand in",
		},
		"base that is nowhere": {
			dockerfile: "FROM berth/no-such-image:1\nRUN true\n",
			command:    "FROM berth/no-such-image:1", message: "base image berth/no-such-image:1",
		},
		"unknown stage": {
			dockerfile: testFrom + "COPY --from=99 /x /x\n",
			message:    "99",
		},
		"killed, but not for memory": {
			dockerfile: testFrom + "RUN sh -c 'kill -9 $$'\n",
			line:       2, exit: 137, remedy: "SIGKILL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := try(test.dockerfile, test.files)
			f := a.mustFail(t, b)
			t.Logf("%+v", *f)
			if !strings.HasPrefix(f.Command, test.command) {
				t.Errorf("command %q, want %q", f.Command, test.command)
			}
			if f.File != "web/Dockerfile" || test.line != 0 && f.Line != test.line {
				t.Errorf("at %s:%d, want line %d", f.File, f.Line, test.line)
			}
			if f.ExitCode != test.exit || f.OutOfMemory || f.TimedOut {
				t.Errorf("exit %d, out of memory %v, timed out %v", f.ExitCode, f.OutOfMemory, f.TimedOut)
			}
			if len(f.Tail) > 20 || test.last != "" && (len(f.Tail) != 20 || f.Tail[19] != test.last) {
				t.Errorf("tail %q", f.Tail)
			}
			if !strings.Contains(f.Remedy, test.remedy) || !strings.Contains(f.Error(), test.message) {
				t.Errorf("says %q, remedy %q", f.Error(), f.Remedy)
			}
		})
	}
}

// sleeper is a Dockerfile whose step would run for ever, and the mark by which its process is known.
func sleeper() (dockerfile, mark string) {
	mark = string(berth.NewID())
	return testFrom + "RUN echo started " + mark + "; sleep 86400\n", mark
}

// stepRuns reports whether a process of the machine belongs to the step.
func stepRuns(t *testing.T, mark string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte("started "+mark)) {
			return true
		}
	}
	return false
}

func await(t *testing.T, what string, limit time.Duration, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("%s did not happen within %s", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

func TestCancelEndsTheStep(t *testing.T) {
	newDocker(t)
	dockerfile, mark := sleeper()
	a := try(dockerfile, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody pressed the button")
	ended := make(chan error, 1)
	b := newBuilder(t, nil)
	go func() {
		_, err := a.run(ctx, t, b)
		ended <- err
	}()
	await(t, "the step's start", 30*time.Second, func() bool { return stepRuns(t, mark) })
	cancel(why)
	took := await(t, "the step's end", 2*time.Second, func() bool { return !stepRuns(t, mark) })
	t.Logf("the step ended %s after cancel", took)
	select {
	case err := <-ended:
		if !errors.Is(err, why) {
			t.Errorf("error %v, want the cause", err)
		}
	case <-time.After(2 * time.Second):
		t.Error("Build did not return within 2 s")
	}
}

func TestTimeoutNamesTheStep(t *testing.T) {
	newDocker(t)
	dockerfile, mark := sleeper()
	a := try(dockerfile, nil)
	a.Timeout = 3 * time.Second
	f := a.mustFail(t, newBuilder(t, nil))
	if !f.TimedOut || f.Line != 2 || !strings.HasPrefix(f.Command, "RUN echo started") {
		t.Errorf("failure %+v", *f)
	}
	await(t, "the step's end", 2*time.Second, func() bool { return !stepRuns(t, mark) })
}

func TestOutOfMemoryNamesTheCeiling(t *testing.T) {
	newDocker(t)
	const ceiling = 256 << 20
	a := try(testFrom+"RUN perl -e 'my @all; push @all, \"x\" x (8 << 20) while 1'\n", nil)
	f := a.mustFail(t, newBuilder(t, func(c *buildkit.Config) { c.Ceiling = ceiling }))
	// The next builder sets the ceiling anew, for everybody.
	try(testFrom+"RUN echo restored\n", nil).must(t, newBuilder(t, nil))
	if !f.OutOfMemory || f.Ceiling != ceiling || f.ExitCode != 137 {
		t.Errorf("failure %+v\n%s", *f, a.log.String())
	}
	if !strings.Contains(f.Error(), "256 MiB") {
		t.Errorf("says %q", f.Error())
	}
}

// TestCacheMountsBelongToOneElement of one project: the same id is another cache elsewhere.
func TestCacheMountsBelongToOneElement(t *testing.T) {
	newDocker(t)
	const dockerfile = testFrom + "ARG RUN_ID\nRUN --mount=type=cache,id=shared,target=/cache echo run $RUN_ID found $(ls /cache | wc -l); touch /cache/$RUN_ID\n"
	b := newBuilder(t, nil)
	first := try(dockerfile, nil)
	for i, test := range []struct {
		project berth.ID
		element string
		found   string
	}{{first.Project, "web", "found 0"}, {first.Project, "web", "found 1"}, {first.Project, "api", "found 0"}, {berth.NewID(), "web", "found 0"}} {
		a := try(dockerfile, nil)
		a.NoCache = false // it would empty cache mounts
		a.Project, a.Element = test.project, test.element
		a.Args = map[string]string{"RUN_ID": fmt.Sprintf("%s-%d", first.ID, i)}
		a.must(t, b)
		a.wantLog(t, test.found)
	}
}

func TestUnreachableEngineIsNotTheDockerfilesFault(t *testing.T) {
	b := newBuilder(t, func(c *buildkit.Config) { c.Socket = "unix://" + filepath.Join(t.TempDir(), "none.sock") })
	_, err := try(testFrom, nil).run(t.Context(), t, b)
	var failure *build.Failure
	if err == nil || errors.As(err, &failure) {
		t.Errorf("error %v, want one that is worth another try", err)
	}
}

func TestInstallsThroughTheMachinesTrust(t *testing.T) {
	newDocker(t)
	a := try("FROM node:22-slim\nWORKDIR /app\nCOPY package.json .\nRUN npm install --no-audit --no-fund\nRUN npm ci --no-audit --no-fund && ls node_modules\n",
		map[string]string{"package.json": `{"name":"x","dependencies":{"is-number":"7.0.0"}}`})
	a.must(t, newBuilder(t, nil))
	a.wantLog(t, "is-number")
}

// TestTheBuildCacheIsTrimmedByLeastRecentUse: one build's part of the engine's cache, which belongs to others too.
func TestTheBuildCacheIsTrimmedByLeastRecentUse(t *testing.T) {
	newDocker(t)
	b := newBuilder(t, nil)
	dockerfile := strings.TrimSpace(testFrom) + " AS big\nARG RUN_ID\nRUN head -c 8000000 /dev/urandom >/big && echo ran $RUN_ID | tee /said\n" +
		"FROM scratch\nCOPY --from=big /said /said\n" // an image's layers are no cache
	a := try(dockerfile, nil)
	a.Args = map[string]string{"RUN_ID": string(a.ID)}
	a.must(t, b)
	before, err := b.CacheSize(t.Context())
	if err != nil || before <= 8000000 {
		t.Fatalf("the cache has %d bytes, %v", before, err)
	}
	freed, err := b.TrimCache(t.Context(), before-4000000)
	if err != nil || freed < 2000000 { // meanwhile others may use what was there
		t.Errorf("freed %d bytes, %v", freed, err)
	}
	again := try(dockerfile, nil)
	again.Project, again.Args, again.NoCache = a.Project, a.Args, false
	again.must(t, b)
	if !strings.Contains(again.log.String(), "CACHED") {
		t.Errorf("what was used last went first:\n%s", again.log.String())
	}
	if _, err := b.TrimCache(t.Context(), 0); err == nil {
		t.Error("the cache may be emptied")
	}
}
