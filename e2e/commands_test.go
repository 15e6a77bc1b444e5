//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long what must come true may take on a busy machine.
const patience = 60 * time.Second

// await repeats a program until it succeeds (or, negated, fails): await 60s PROGRAM ARGS…
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await DURATION PROGRAM ARGS…")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not come true within %s: %v", strings.Join(args[1:], " "), limit, err)
		}
	}
}

// fetch gets a page of an element's host with curl, verified by Berth's CA, into stdout:
// fetch DEPLOYMENT ELEMENT PATH [CURL OPTIONS…]. It repeats for 60 s until curl succeeds.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: fetch DEPLOYMENT ELEMENT PATH [CURL OPTIONS…]")
	}
	address := urlOf(ts, args[0], args[1])
	host := strings.TrimPrefix(address, "https://")
	curl := append([]string{"--silent", "--show-error", "--fail", "--cacert", ts.Getenv("CA"),
		"--resolve", host + ":127.0.0.1", "--max-time", "20"}, args[3:]...)
	if neg {
		if ts.Exec("curl", append(curl, "--", address+args[2])...) == nil {
			ts.Fatalf("%s answered", address+args[2])
		}
		return
	}
	await(ts, false, append([]string{"60s", "curl"}, append(curl, "--", address+args[2])...))
}

// shows waits until a page of an element's host matches: shows DEPLOYMENT ELEMENT PATH REGEXP.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: shows DEPLOYMENT ELEMENT PATH REGEXP")
	}
	address := urlOf(ts, args[0], args[1])
	want, err := regexp.Compile("(?m)" + args[3])
	ts.Check(err)
	var page []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		curl := exec.Command("curl", "--silent", "--show-error", "--fail", "--cacert", ts.Getenv("CA"), "--max-time", "20",
			"--resolve", strings.TrimPrefix(address, "https://")+":127.0.0.1", "--", address+args[2])
		page, err = curl.CombinedOutput()
		if (err == nil && want.Match(page)) != neg {
			return
		}
	}
	ts.Fatalf("%s%s says within %s (negated: %v):\n%s(%v)", address, args[2], patience, neg, page, err)
}

func urlOf(ts *testscript.TestScript, deployment, element string) string {
	var d struct {
		Hosts []struct{ Element, URL string }
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		out, err := serverOf(ts).command("show", deployment, "--json").Output()
		ts.Check(err)
		ts.Check(unmarshal(out, &d))
		for _, h := range d.Hosts {
			if h.Element == element {
				return h.URL
			}
		}
	}
	ts.Fatalf("%s has no host of %s", deployment, element)
	return ""
}

// serverCommand gives a scenario a server of its own, which it may kill without hurting others:
// server new [volumes=KIND] [NAME=VALUE…], then server kill|term|start.
func serverCommand(ts *testscript.TestScript, _ bool, args []string) {
	own := serverOf(ts)
	verb := strings.Join(args, " ")
	if len(args) > 1 && args[0] == "new" {
		own.startPrivate(ts, args[1:]...)
		return
	}
	if verb != "new" && own == shared {
		ts.Fatalf("the server is shared: say \"server new\" first")
	}
	switch verb {
	case "new":
		own.startPrivate(ts)
	case "kill":
		ts.Check(own.stop(syscall.SIGKILL))
	case "term":
		ts.Check(own.stop(syscall.SIGTERM))
	case "start":
		ts.Check(own.start())
	default:
		ts.Fatalf("usage: server new [volumes=KIND] [NAME=VALUE…]|kill|term|start")
	}
}

func serverOf(ts *testscript.TestScript) *server { return *ts.Value(serverKey{}).(**server) }

// startPrivate puts a new server in the place of the shared one for the rest of the scenario.
func (s *server) startPrivate(ts *testscript.TestScript, wishes ...string) {
	data, err := os.MkdirTemp("", "berth-own-")
	ts.Check(err)
	own, err := newServer(s.bin, data)
	ts.Check(err)
	for _, wish := range wishes {
		if kind, ok := strings.CutPrefix(wish, "volumes="); ok {
			own.volumes = kind
		} else {
			own.env = append(own.env, wish)
		}
	}
	ts.Defer(func() {
		ts.Check(errors.Join(own.ensure(), own.deleteEverything(), own.stop(syscall.SIGTERM)))
		ts.Check(errors.Join(unmountBelow(data), os.RemoveAll(data)))
	})
	ts.Check(own.start())
	*ts.Value(serverKey{}).(**server) = own
	settings, err := own.environment(ts.MkAbs("own.pem"))
	ts.Check(err)
	for name, value := range settings {
		ts.Setenv(name, value)
	}
}

// unmountBelow unmounts what a server leaves mounted for its containers, as scripts/clean.sh does.
func unmountBelow(dir string) error {
	targets, err := mountsBelow(dir)
	failures := []error{err}
	for _, target := range slices.Backward(targets) {
		failures = append(failures, syscall.Unmount(target, 0))
	}
	return errors.Join(failures...)
}

func mountsBelow(dir string) (targets []string, err error) {
	out, err := exec.Command("findmnt", "--raw", "--noheadings", "--output", "TARGET").Output()
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	for _, target := range slices.Sorted(strings.Lines(string(out))) {
		if target = strings.TrimSpace(target); strings.HasPrefix(target, dir+"/") {
			targets = append(targets, target)
		}
	}
	return targets, nil
}

// docker runs the real client; with "ours DEPLOYMENT" it counts what the engine holds for one:
// docker ours DEPLOYMENT ID COUNT.
func docker(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 3 && args[0] == "ours" {
		want, err := strconv.Atoi(args[2])
		ts.Check(err)
		got, err := owned(args[1])
		ts.Check(err)
		if (got == want) == neg {
			ts.Fatalf("the engine holds %d things of %s, not %d", got, args[1], want)
		}
		return
	}
	err := ts.Exec("docker", args...)
	if (err == nil) == neg {
		ts.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
}

// owned counts containers and networks that carry the deployment's label.
func owned(deployment string) (n int, err error) {
	filter := "label=sh.berth.deployment=" + deployment
	for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}} {
		out, err := exec.Command("docker", append(list, "--filter", filter)...).Output()
		if err != nil {
			return 0, fmt.Errorf("docker %s: %w", list[0], err)
		}
		n += len(strings.Fields(string(out)))
	}
	return n, nil
}

// end kills an element's containers as an operator's docker kill does: end DEPLOYMENT-ID ELEMENT.
func end(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: end DEPLOYMENT-ID ELEMENT")
	}
	list := exec.Command("docker", "ps", "--quiet", "--filter", "label=sh.berth.deployment="+args[0], "--filter", "label=sh.berth.element="+args[1])
	out, err := list.Output()
	ts.Check(err)
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		ts.Fatalf("%s has no containers", args[1])
	}
	ts.Check(ts.Exec("docker", append([]string{"kill"}, ids...)...))
}

// field puts one top-level field of the JSON in stdout into an environment variable: field NAME VAR.
func field(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: field NAME VARIABLE")
	}
	var object map[string]any
	ts.Check(unmarshal([]byte(ts.ReadFile("stdout")), &object))
	value, ok := object[args[0]]
	if !ok {
		ts.Fatalf("stdout has no field %q", args[0])
	}
	ts.Setenv(args[1], fmt.Sprint(value))
}

// url puts an element's public URL into an environment variable: url DEPLOYMENT ELEMENT VARIABLE.
func url(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: url DEPLOYMENT ELEMENT VARIABLE")
	}
	ts.Setenv(args[2], urlOf(ts, args[0], args[1]))
}

// output puts what the last program said, without the newline, into an environment variable: output VARIABLE.
func output(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: output VARIABLE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// trap listens on addresses of the machine and counts who connects:
//
//	trap listen ADDRESS VARIABLE   puts the port into the variable
//	trap metadata VARIABLE         the same on 169.254.169.254, as clouds have it
//	[!] trap empty                 nobody has connected since the last look
func trap(ts *testscript.TestScript, neg bool, args []string) {
	caught := ts.Value(trapKey{}).(*visitors)
	switch {
	case len(args) == 3 && args[0] == "listen":
		ts.Setenv(args[2], listen(ts, args[1], caught))
	case len(args) == 2 && args[0] == "metadata":
		const link = "e2e-metadata" // a bridge, since not every kernel has dummies
		ts.Check(ts.Exec("ip", "link", "add", link, "type", "bridge"))
		ts.Defer(func() { _ = exec.Command("ip", "link", "del", link).Run() })
		ts.Check(ts.Exec("ip", "address", "add", "169.254.169.254/32", "dev", link))
		ts.Check(ts.Exec("ip", "link", "set", link, "up"))
		ts.Setenv(args[1], listen(ts, "169.254.169.254:0", caught))
	case len(args) == 1 && args[0] == "empty":
		if from := caught.forget(); (len(from) == 0) == neg {
			ts.Fatalf("the traps have caught %d connections, from %v", len(from), from)
		}
	default:
		ts.Fatalf("usage: trap listen ADDRESS VARIABLE | trap metadata VARIABLE | trap empty")
	}
}

// visitors are the addresses that came to the traps of a scenario.
type visitors struct {
	mu   sync.Mutex
	from []string
}

// came leaves out the neighbour of another scenario, which tries every port of this machine.
func (v *visitors) came(from net.Addr) {
	if host, _, _ := net.SplitHostPort(from.String()); strings.TrimPrefix(host, "::ffff:") == cableThere {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.from = append(v.from, from.String())
}

func (v *visitors) forget() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	from := v.from
	v.from = nil
	return from
}

// listen notes connections until the scenario ends, and returns the port.
func listen(ts *testscript.TestScript, address string, caught *visitors) string {
	l, err := net.Listen("tcp", address)
	ts.Check(err)
	var accepting sync.WaitGroup
	ts.Defer(func() { _ = l.Close(); accepting.Wait() })
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			caught.came(c.RemoteAddr())
			_ = c.Close()
		}
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// code runs a program and expects its exit code: code 124 PROGRAM ARGS…
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code CODE PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}
