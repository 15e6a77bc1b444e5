package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// The labels of Berth's containers that say what the rival has to run.
const (
	labelServer     = "sh.berth.server"
	labelDeployment = "sh.berth.deployment"
	labelRole       = "sh.berth.role"
	labelElement    = "sh.berth.element"
	labelWorkload   = "sh.berth.workload"
	labelIndex      = "sh.berth.index"
	labelInstance   = "sh.berth.instance"
	labelPod        = "sh.berth.pod"

	labelRival = "sh.berth.bench" // of all that the rival makes
)

// readiness is how the engine's record of a pod says that it is ready.
type readiness struct {
	HTTP *struct {
		Port int    `json:"port"`
		Path string `json:"path"`
	} `json:"http"`
	TCP  int      `json:"tcp"`
	Exec []string `json:"exec"`
}

// pod is containers that belong together, init containers first.
type pod struct {
	element, workload string
	containers        []inspected
	inits             int
	checks            []readiness
	waits             bool // for add-ons to be ready, as Berth has components wait
}

// rival starts the containers of one of Berth's deployments again, by plain calls to Docker.
type rival struct {
	docker rawDocker
	code   string // the working tree that a run gets a copy of
	origin string // the repository that a run may clone instead
	pods   []pod
	cgroup string // Berth's, whose limits count for the rival too
}

// newRival reads what Berth runs.
func newRival(ctx context.Context, d rawDocker, deployment, code, origin string) (*rival, error) {
	ids, err := d.containers(ctx, labelDeployment+"="+deployment, labelInstance)
	if err != nil {
		return nil, err
	}
	r := &rival{docker: d, code: code, origin: origin}
	byInstance := map[string]*pod{}
	for _, id := range ids {
		c, err := d.inspect(ctx, id)
		if err != nil {
			return nil, err
		}
		p := byInstance[c.label(labelInstance)]
		if p == nil {
			p = &pod{element: c.label(labelElement), workload: c.label(labelWorkload)}
			byInstance[c.label(labelInstance)] = p
		}
		p.containers = append(p.containers, c)
		r.cgroup, _ = c.Host["CgroupParent"].(string)
	}
	for _, instance := range slices.Sorted(maps.Keys(byInstance)) {
		p := byInstance[instance]
		if err := p.complete(); err != nil {
			return nil, err
		}
		r.pods = append(r.pods, *p)
	}
	if len(r.pods) == 0 {
		return nil, errors.New("the deployment runs nothing that the rival could run")
	}
	return r, nil
}

func (c inspected) label(name string) string {
	labels, _ := c.Config["Labels"].(map[string]any)
	value, _ := labels[name].(string)
	return value
}

// complete sorts the containers and reads what the engine noted about the pod.
func (p *pod) complete() error {
	index := func(c inspected) int { n, _ := strconv.Atoi(c.label(labelIndex)); return n }
	slices.SortFunc(p.containers, func(a, b inspected) int { return cmp.Compare(index(a), index(b)) })
	var record struct {
		Inits  int         `json:"inits"`
		Checks []readiness `json:"checks"`
	}
	if err := json.Unmarshal([]byte(p.containers[0].label(labelPod)), &record); err != nil {
		return fmt.Errorf("read what %s is: %w", p.element, err)
	}
	p.inits, p.checks = record.Inits, record.Checks
	p.waits = slices.ContainsFunc(p.containers, func(c inspected) bool { return mountOf(c, "/app") != nil })
	return nil
}

func mountOf(c inspected, target string) map[string]any {
	mounts, _ := c.Host["Mounts"].([]any)
	for _, m := range mounts {
		if mount, ok := m.(map[string]any); ok && mount["Target"] == target {
			return mount
		}
	}
	return nil
}

// heat is one run of the rival.
type heat struct {
	*rival
	way
	name    string
	dir     string
	network string
	cgroup  string

	mu   sync.Mutex
	made []string
}

// way is what a run does and does not do.
type way struct {
	clones bool // the working tree within its time, beside the add-ons, as Berth does; else it is there before
	rushes bool // nothing waits for the add-ons
}

// run prepares storage, then measures from the first call to the first 200 of element.
func (r *rival) run(ctx context.Context, dir, element string, how way) (took time.Duration, err error) {
	h := &heat{rival: r, way: how, name: "berth-bench-" + filepath.Base(dir), dir: dir}
	if err := h.prepare(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.clean()) }()
	began := time.Now()
	var network struct{ ID string }
	if err := r.docker.call(ctx, "POST", "/networks/create", map[string]any{
		"Name": h.name, "Driver": "bridge", "Labels": map[string]string{labelRival: h.name},
	}, &network); err != nil {
		return 0, err
	}
	h.network = network.ID
	before := make(chan struct{}) // components start: add-ons are ready, and the working tree is there
	var waiting sync.WaitGroup
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range r.pods {
		if !p.waits {
			waiting.Add(1)
		}
	}
	if h.clones {
		waiting.Add(1)
		group.Go(func() error { defer waiting.Done(); return h.clone(ctx) })
	}
	go func() { waiting.Wait(); close(before) }()
	for _, p := range r.pods {
		group.Go(func() error {
			if !p.waits {
				defer waiting.Done()
			} else if !h.rushes {
				select {
				case <-before:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			main, err := h.start(ctx, p)
			if err == nil {
				err = h.ready(ctx, p, main)
			}
			if err == nil && p.element == element {
				took, err = h.first200(ctx, p, main, began)
			}
			if err != nil {
				return fmt.Errorf("rival %s: %w", p.element, err)
			}
			return nil
		})
	}
	return took, group.Wait()
}

// prepare copies the working tree and makes the limits, which is none of what is measured.
func (h *heat) prepare() error {
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return err
	}
	if !h.clones {
		if err := copyTree(h.code, filepath.Join(h.dir, "code")); err != nil {
			return err
		}
	}
	h.cgroup = "/" + h.name
	return copyLimits(h.rival.cgroup, h.cgroup)
}

// clone is what a person would write who has a repository and Docker. The tree is the one that the bench has made.
func (h *heat) clone(ctx context.Context) error {
	code := filepath.Join(h.dir, "code")
	for _, args := range [][]string{{"git", "clone", "--quiet", "--", "file://" + h.origin, code}, {"chown", "-R", "1000:1000", "--", code}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// limitFiles are those that the engine writes for a deployment's size, of either version of cgroups.
var limitFiles = []string{"memory/*/memory.limit_in_bytes", "cpu/*/cpu.cfs_period_us", "cpu/*/cpu.cfs_quota_us", "pids/*/pids.max",
	"*/memory.max", "*/cpu.max", "*/pids.max"}

func copyLimits(from, to string) error {
	for _, pattern := range limitFiles {
		path := func(group string) string {
			return filepath.Join("/sys/fs/cgroup", strings.Replace(pattern, "*", strings.Trim(group, "/"), 1))
		}
		value, err := os.ReadFile(path(from))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path(to)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path(to), value, 0)
		}
		if err != nil {
			return fmt.Errorf("copy limit: %w", err)
		}
	}
	return nil
}

// start runs a pod's init containers to their end and starts the others, and returns the first of those.
func (h *heat) start(ctx context.Context, p pod) (main string, err error) {
	ids := make([]string, len(p.containers))
	for i := range p.containers {
		joined := ""
		if i > p.inits {
			joined = ids[p.inits]
		}
		if ids[i], err = h.create(ctx, p, i, joined); err != nil {
			return "", err
		}
	}
	for i, id := range ids {
		if err := h.docker.call(ctx, "POST", "/containers/"+id+"/start", nil, nil); err != nil {
			return "", err
		}
		if i >= p.inits {
			continue
		}
		if code, err := h.docker.wait(ctx, id); err != nil || code != 0 {
			return "", errors.Join(err, fmt.Errorf("init container ended with code %d", code))
		}
	}
	return ids[p.inits], nil
}

func (h *heat) create(ctx context.Context, p pod, i int, joined string) (string, error) {
	c := p.containers[i]
	config, host := maps.Clone(c.Config), maps.Clone(c.Host)
	config["Image"], config["Labels"] = c.Image, map[string]string{labelRival: h.name}
	mounts, err := h.mounts(p, c)
	if err != nil {
		return "", err
	}
	host["Mounts"], host["CgroupParent"], host["Dns"], host["NetworkMode"] = mounts, h.cgroup, nil, h.name
	config["HostConfig"] = host
	config["NetworkingConfig"] = map[string]any{"EndpointsConfig": map[string]any{h.name: map[string]any{}}}
	switch {
	case joined != "":
		host["NetworkMode"] = "container:" + joined
		delete(config, "NetworkingConfig")
		delete(config, "Hostname")
	case i == p.inits:
		config["NetworkingConfig"] = map[string]any{"EndpointsConfig": map[string]any{h.name: map[string]any{
			"Aliases": []string{p.workload + "." + p.element, p.element},
		}}}
	}
	var made struct{ ID string }
	err = h.docker.call(ctx, "POST", fmt.Sprintf("/containers/create?name=%s-%s-%d", h.name, p.element, i), config, &made)
	if err == nil {
		h.mu.Lock()
		h.made = append(h.made, made.ID)
		h.mu.Unlock()
	}
	return made.ID, err
}

// mounts gives the container the run's own storage in place of the deployment's.
func (h *heat) mounts(p pod, c inspected) ([]any, error) {
	all, _ := c.Host["Mounts"].([]any)
	var out []any
	for _, m := range all {
		mount := maps.Clone(m.(map[string]any))
		source, _ := mount["Source"].(string)
		switch {
		case mount["ReadOnly"] == true:
		case mount["Target"] == "/app":
			mount["Source"] = filepath.Join(h.dir, "code")
		default:
			mount["Source"] = filepath.Join(h.dir, p.element+"-"+filepath.Base(source))
			if err := makeLike(mount["Source"].(string), source); err != nil {
				return nil, err
			}
		}
		out = append(out, mount)
	}
	return out, nil
}

// makeLike makes an empty directory with another's owner and mode.
func makeLike(path, like string) error {
	var info syscall.Stat_t
	if err := syscall.Stat(like, &info); err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(path, 0o755), os.Chown(path, int(info.Uid), int(info.Gid)), os.Chmod(path, os.FileMode(info.Mode&0o777)))
}

// Berth asks as often while people wait.
const (
	askEvery     = 100 * time.Millisecond
	askExecEvery = 400 * time.Millisecond
)

// ready asks until every check of the pod succeeds.
func (h *heat) ready(ctx context.Context, p pod, main string) error {
	for _, k := range p.checks {
		pause := askEvery
		if len(k.Exec) > 0 {
			pause = askExecEvery
		}
		if err := until(ctx, pause, func() (bool, error) { return h.try(ctx, k, main) }); err != nil {
			return err
		}
	}
	return nil
}

func (h *heat) try(ctx context.Context, k readiness, main string) (bool, error) {
	if len(k.Exec) > 0 {
		code, err := h.docker.exec(ctx, main, k.Exec)
		return code == 0, err
	}
	port, path := k.TCP, "/"
	if k.HTTP != nil {
		port, path = k.HTTP.Port, k.HTTP.Path
	}
	status, err := h.get(ctx, main, port, path)
	if err != nil {
		return false, err
	}
	return status > 0 && (k.HTTP == nil || status < 400), nil
}

// get returns the status of an answer, 0 while nobody answers.
func (h *heat) get(ctx context.Context, main string, port int, path string) (status int, err error) {
	c, err := h.docker.inspect(ctx, main)
	if err != nil {
		return 0, err
	}
	if !c.State.Running {
		return 0, fmt.Errorf("%s ended with code %d", c.Name, c.State.ExitCode)
	}
	address := c.NetworkSettings.Networks[h.name].IPAddress
	r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s:%d/%s", address, port, strings.TrimPrefix(path, "/")), nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ctx.Err()
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, bufio.NewReader(response.Body))
	return response.StatusCode, nil
}

func (h *heat) first200(ctx context.Context, p pod, main string, began time.Time) (time.Duration, error) {
	port := 0
	for _, k := range p.checks {
		if port = k.TCP; k.HTTP != nil {
			port = k.HTTP.Port
		}
	}
	err := until(ctx, lookEvery, func() (bool, error) {
		status, err := h.get(ctx, main, port, "/")
		return status == http.StatusOK, err
	})
	return time.Since(began), err
}

// until repeats fn until it says so.
func until(ctx context.Context, pause time.Duration, fn func() (bool, error)) error {
	for {
		done, err := fn()
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clean removes all that a run made.
func (h *heat) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var failures []error
	for _, id := range slices.Backward(h.made) {
		failures = append(failures, h.docker.remove(ctx, id))
	}
	if h.network != "" {
		failures = append(failures, h.docker.call(ctx, "DELETE", "/networks/"+h.network, nil, nil))
	}
	failures = append(failures, removeCgroup(h.cgroup))
	return errors.Join(append(failures, os.RemoveAll(h.dir))...)
}

// removeCgroup removes a group from all of the trees that Docker made it in.
func removeCgroup(group string) error {
	if group == "" {
		return nil
	}
	var failures []error
	for _, place := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		found, err := filepath.Glob(filepath.Join(place, group))
		failures = append(failures, err)
		for _, path := range found {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failures = append(failures, err)
			}
		}
	}
	return errors.Join(failures...)
}
