package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	proxyRounds  = 7
	proxyTime    = 1500 * time.Millisecond // of one workload on one contender in one round
	proxyClients = 16                      // connections, each with one request at a time
	clockTick    = 10 * time.Millisecond   // of /proc/PID/stat
)

// rig is what (f) has running: a target and the proxies before it, a process each.
type rig struct {
	dir       string
	addresses map[string]string
	processes map[string]*exec.Cmd
}

var contenders = []string{"plain", "berth", "caddy", "nginx"}

// workload asks on a connection of its own until the time is over, and notes how long each answer took.
type workload struct {
	name, path string
	ask        func(net.Conn, *bufio.Reader, string) error
}

var workloads = []workload{
	{"1 KB bodies", "/1k", askBody}, {"1 MB bodies", "/1m", askBody}, {"WebSocket echo of 100 bytes", "/ws", askEcho},
}

// result is one workload on one contender in one round.
type result struct {
	requests int
	elapsed  time.Duration
	cpu      time.Duration // of the contender alone
	p99      time.Duration
}

func (r result) perRequest() time.Duration { return r.cpu / time.Duration(max(r.requests, 1)) }
func (r result) throughput() float64       { return float64(r.requests) / r.elapsed.Seconds() }

// proxying is (f): CPU per request of Berth's proxy with its access log, against Go's plain ReverseProxy
// and, where Debian's packages can be had, Caddy and nginx with theirs.
func (b *bench) proxying(ctx context.Context) (rows []row, err error) {
	r, err := b.newRig(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	results := map[string][]result{}
	for round := range proxyRounds {
		for _, w := range workloads {
			for i := range contenders {
				name := contenders[(i+round)%len(contenders)] // nobody is always the first
				if r.processes[name] == nil {
					continue
				}
				got, err := r.measure(name, w)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", name, w.name, err)
				}
				results[name+w.name] = append(results[name+w.name], got)
			}
		}
		say("    round %d of %d", round+1, proxyRounds)
	}
	for _, w := range workloads {
		berth := results["berth"+w.name]
		for _, rival := range contenders {
			other := results[rival+w.name]
			if rival == "berth" || len(other) == 0 {
				continue
			}
			rows = append(rows, compare(w.name, berth, rival, other))
		}
	}
	return rows, nil
}

// compare is about CPU against the plain proxy, and about throughput against the others.
func compare(what string, berth []result, rival string, other []result) row {
	cpu, otherCPU := medianOf(berth, func(r result) float64 { return float64(r.perRequest()) }), medianOf(other, func(r result) float64 { return float64(r.perRequest()) })
	speed, otherSpeed := medianOf(berth, result.throughput), medianOf(other, result.throughput)
	late := func(list []result) float64 {
		return medianOf(list, func(r result) float64 { return r.p99.Seconds() * 1000 })
	}
	out := row{
		what:  what + " over TLS with keep-alive, median of " + strconv.Itoa(len(berth)),
		value: fmt.Sprintf("%.1f µs of CPU, %.0f/s, p99 %.1f ms", cpu/1000, speed, late(berth)),
		rival: fmt.Sprintf("%s %.1f µs of CPU, %.0f/s, p99 %.1f ms", rival, otherCPU/1000, otherSpeed, late(other)),
	}
	switch rival {
	case "plain":
		out.goal, out.met, out.ratio = "CPU ≤ 1.1×", cpu <= 1.1*otherCPU, fmt.Sprintf("%.2f×", cpu/otherCPU)
	case "caddy":
		out.goal, out.met, out.ratio = "≥ 0.9× its throughput", speed >= 0.9*otherSpeed, fmt.Sprintf("%.2f×", speed/otherSpeed)
	default:
		out.ratio = fmt.Sprintf("%.2f×", speed/otherSpeed)
	}
	return out
}

func medianOf(list []result, value func(result) float64) float64 {
	values := make([]float64, len(list))
	for i, r := range list {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (b *bench) newRig(ctx context.Context) (_ *rig, err error) {
	r := &rig{dir: filepath.Join(b.dir, "proxy"), addresses: map[string]string{}, processes: map[string]*exec.Cmd{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if err := errors.Join(os.Mkdir(r.dir, 0o755), writeCertificate(r.dir)); err != nil {
		return nil, err
	}
	ports := map[string]string{}
	for _, name := range append([]string{"target"}, contenders...) {
		if r.addresses[name], ports[name], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	if err := configure(r.dir, r.addresses["target"], ports["caddy"], ports["nginx"]); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"target", "plain", "berth"} {
		if err := r.start(kind, exec.Command(self, "-contender", kind, "-listen", r.addresses[kind], "-target", r.addresses["target"], "-dir", r.dir)); err != nil {
			return nil, err
		}
	}
	rivals, err := debianBinaries(ctx, r.dir)
	if err != nil {
		say("    Caddy and nginx are left out: %v", err)
		return r, nil
	}
	caddy := exec.Command(filepath.Join(rivals, "usr/bin/caddy"), "run", "--adapter", "caddyfile", "--config", filepath.Join(r.dir, "Caddyfile"))
	caddy.Env = append(os.Environ(), "HOME="+r.dir)
	nginx := exec.Command(filepath.Join(rivals, "usr/sbin/nginx"), "-p", r.dir, "-e", filepath.Join(r.dir, "nginx-error.log"), "-c", filepath.Join(r.dir, "nginx.conf"))
	return r, errors.Join(r.start("caddy", caddy), r.start("nginx", nginx))
}

// debianBinaries unpacks Debian's packages without installing anything.
func debianBinaries(ctx context.Context, dir string) (string, error) {
	root := filepath.Join(dir, "debian")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	download := exec.CommandContext(ctx, "apt-get", "download", "caddy", "nginx")
	download.Dir = root
	if out, err := download.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download Debian's packages: %w: %s", err, out)
	}
	packages, err := filepath.Glob(filepath.Join(root, "*.deb"))
	if err != nil {
		return "", err
	}
	for _, file := range packages {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", file, root).CombinedOutput(); err != nil {
			return "", fmt.Errorf("unpack %s: %w: %s", file, err, out)
		}
	}
	return root, nil
}

func freeAddress() (address, port string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer l.Close()
	_, port, err = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port, err
}

// start waits until the process takes connections.
func (r *rig) start(name string, cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(r.dir, name+".out"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	r.processes[name] = cmd
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", r.addresses[name]); err == nil {
			return conn.Close()
		}
	}
	said, _ := os.ReadFile(log.Name())
	return fmt.Errorf("%s does not listen: %s", name, said)
}

func (r *rig) close() (err error) {
	for _, cmd := range r.processes {
		err = errors.Join(err, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait() // what it says about being interrupted is of no interest
	}
	return err
}

// measure runs a workload on a contender.
func (r *rig) measure(name string, w workload) (result, error) {
	process := r.processes[name].Process.Pid
	before, err := contenderCPU(process)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	var mu sync.Mutex
	var all []time.Duration
	var failures []error
	var clients sync.WaitGroup
	for range proxyClients {
		clients.Go(func() {
			took, err := r.client(name, w, began.Add(proxyTime))
			mu.Lock()
			defer mu.Unlock()
			all, failures = append(all, took...), append(failures, err)
		})
	}
	clients.Wait()
	elapsed := time.Since(began)
	after, err := contenderCPU(process)
	return result{requests: len(all), elapsed: elapsed, cpu: after - before, p99: quantile(all, 0.99)}, errors.Join(append(failures, err)...)
}

func (r *rig) client(name string, w workload, until time.Time) (took []time.Duration, err error) {
	conn, err := tls.Dial("tcp", r.addresses[name], &tls.Config{ServerName: benchHost, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 64<<10)
	if w.path == "/ws" {
		if err := upgrade(conn, in); err != nil {
			return nil, err
		}
	}
	for now := time.Now(); now.Before(until); {
		if err := w.ask(conn, in, w.path); err != nil {
			return nil, err
		}
		done := time.Now()
		took, now = append(took, done.Sub(now)), done
	}
	return took, nil
}

func askBody(conn net.Conn, in *bufio.Reader, path string) error {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+benchHost+"\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != map[string]int64{"/1k": 1 << 10, "/1m": 1 << 20}[path]) {
		err = fmt.Errorf("status %d, %d bytes", response.StatusCode, n)
	}
	return err
}

func upgrade(conn net.Conn, in *bufio.Reader) error {
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: "+benchHost+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("status %d in the place of an upgrade", response.StatusCode)
	}
	return err
}

func askEcho(conn net.Conn, in *bufio.Reader, _ string) error {
	message := make([]byte, maskedEcho)
	message[0], message[1] = 0x82, 0x80|echoPayload
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(in, make([]byte, echoed))
	return err
}

// contenderCPU is what a process and its children have used, of which nginx has some.
func contenderCPU(pid int) (total time.Duration, err error) {
	pids := []int{pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err == nil {
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				pids = append(pids, n)
			}
		}
	}
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		for _, at := range []int{11, 12} { // utime and stime
			ticks, err := strconv.ParseInt(fields[at], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read CPU time: %w", err)
			}
			total += time.Duration(ticks) * clockTick
		}
	}
	return total, nil
}
