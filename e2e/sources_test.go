//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/engine/enginetest"
	"github.com/rogpeppe/go-internal/testscript"
)

// githost serves the repositories in a directory over HTTPS, as git's own backend does. What is below
// /private wants the password "t0ken", and so do statuses of commits, which it takes as Gitea does and writes into
// DIR/statuses, "commit state context target" a line: githost DIR VARIABLE CERTIFICATE.
func githost(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: githost DIR VARIABLE CERTIFICATE")
	}
	exe, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(exe)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + ts.MkAbs(args[0]), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + ts.Getenv("WORK"), "PATH=" + os.Getenv("PATH")},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/private/") && password != "t0ken" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			takeStatus(w, r, filepath.Join(ts.MkAbs(args[0]), "statuses"))
			return
		}
		backend.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), certificate, 0o644))
	ts.Setenv(args[1], server.URL)
}

func takeStatus(w http.ResponseWriter, r *http.Request, file string) {
	w.Header().Set("Content-Type", "application/json")
	_, commit, isStatus := strings.Cut(r.URL.Path, "/statuses/")
	var told struct {
		State, Context string
		Target         string `json:"target_url"`
	}
	switch {
	case r.URL.Path == "/api/v1/version":
		_, _ = io.WriteString(w, `{"version":"1.22.0"}`)
	case !isStatus || r.Method != http.MethodPost:
		http.Error(w, "{}", http.StatusNotFound)
	case r.Header.Get("Authorization") != "token t0ken" || json.NewDecoder(r.Body).Decode(&told) != nil:
		http.Error(w, "{}", http.StatusForbidden)
	default:
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = fmt.Fprintln(f, commit, told.State, told.Context, told.Target)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			http.Error(w, "{}", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}
}

// sshd runs a real OpenSSH server, which lets in whose keys $WORK/authorized lists: sshd VARIABLE puts the
// port into the variable; asked again, the server has another host key.
func sshd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: sshd VARIABLE")
	}
	running := ts.Value(sshdKey{}).(**exec.Cmd)
	port := ts.Getenv(args[0])
	if port == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		ts.Check(l.Close())
		ts.Setenv(args[0], port)
	} else {
		ts.Check((*running).Process.Kill())
	}
	dir, err := os.MkdirTemp("", "berth-sshd-")
	ts.Check(err)
	key := filepath.Join(dir, "host")
	ts.Check(ts.Exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key))
	_ = os.Mkdir("/run/sshd", 0o755) // a server that root starts wants it
	daemon := exec.Command("/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", key)
	for _, option := range []string{"ListenAddress=127.0.0.1:" + port, "AuthorizedKeysFile=" + ts.MkAbs("authorized"), "StrictModes=no", "PidFile=none",
		"UsePAM=no", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "PermitRootLogin=prohibit-password"} {
		daemon.Args = append(daemon.Args, "-o", option)
	}
	ts.Check(daemon.Start())
	ts.Defer(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
		_ = os.RemoveAll(dir)
	})
	*running = daemon
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("sshd does not answer: %v", err)
		}
	}
}

// registry runs a registry of images that wants a login, with one image: registry IMAGE NAME VARIABLE puts
// the image's name there into the variable.
func registry(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: registry IMAGE NAME VARIABLE")
	}
	dir, err := os.MkdirTemp("", "berth-registry-")
	ts.Check(err)
	r, err := enginetest.StartRegistry(dir, "ada", "regp4ss")
	ts.Check(err)
	ts.Defer(func() { ts.Check(errors.Join(r.Stop(), os.RemoveAll(dir))) })
	ref, err := r.Push(args[0], args[1], "ada", "regp4ss")
	ts.Check(err)
	ts.Defer(func() { _ = exec.Command("docker", "rmi", ref).Run() })
	ts.Setenv(args[2], ref)
	ts.Setenv(args[2]+"_HOST", r.Host)
}

// traceless fails where one of the texts stands in a deployment's sinks: the server's data and log, events,
// builds, what is described, and the images of its builds: traceless DEPLOYMENT TEXT….
func traceless(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: traceless DEPLOYMENT TEXT…")
	}
	s, deployment := serverOf(ts), args[0]
	patterns := filepath.Join(ts.Getenv("WORK"), ".patterns") // not as arguments, which a spy would find
	ts.Check(os.WriteFile(patterns, []byte(strings.Join(args[1:], "\n")), 0o600))
	grep := func(what string, from io.Reader, options ...string) {
		cmd := exec.Command("grep", slices.Concat([]string{"--text", "--fixed-strings", "--max-count=1", "--file=" + patterns}, options)...)
		cmd.Stdin = from
		if out, _ := cmd.Output(); len(out) > 0 {
			ts.Fatalf("%s has it: %.300q", what, out)
		}
	}
	for _, look := range [][]string{{"events", deployment}, {"builds", deployment, "--json"}, {"describe", deployment}, {"show", deployment, "--json"}, {"env", "ls", deployment, "--json"}, {"registry", "ls", "--json"}} {
		out, err := s.command(look...).CombinedOutput()
		ts.Check(err)
		grep("berth "+strings.Join(look, " "), bytes.NewReader(out))
	}
	grep("the server's data", nil, "--recursive", "--", filepath.Join(s.data, "berth.db"), filepath.Join(s.data, "berth.db-wal"),
		filepath.Join(s.data, "builds"), filepath.Join(s.data, "logs"), filepath.Join(s.data, "git"), filepath.Join(s.data, "packages"), s.log())
	for _, image := range builtFor(ts, deployment) {
		history, err := exec.Command("docker", "history", "--no-trunc", image).Output()
		ts.Check(err)
		grep("the history of "+image, bytes.NewReader(history))
		save := exec.Command("docker", "save", image) // its layers and its configuration
		layers, err := save.StdoutPipe()
		ts.Check(errors.Join(err, save.Start()))
		grep("image "+image, layers)
		_ = save.Process.Kill() // when grep found something
		_ = save.Wait()
	}
}

// spy watches the arguments of every program on the machine from now on, and fails the scenario where one of
// the texts turns up in them: spy TEXT….
func spy(ts *testscript.TestScript, _ bool, args []string) {
	ctx, stop := context.WithCancel(context.Background())
	found := make(chan string, 1)
	go func() {
		defer close(found)
		for ctx.Err() == nil {
			if line := argumentWith(args); line != "" {
				found <- line
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	ts.Defer(func() {
		stop()
		if line := <-found; line != "" {
			ts.Fatalf("in the arguments of a program: %.300q", line)
		}
	})
}

// argumentWith is the command line of a program that has one of the texts; "" if none has.
func argumentWith(texts []string) string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for _, text := range texts {
			if bytes.Contains(line, []byte(text)) {
				return string(line)
			}
		}
	}
	return ""
}

// builtFor are the images of builds of a deployment's project: at least one.
func builtFor(ts *testscript.TestScript, deployment string) []string {
	var d, p struct{ Project, ID string }
	out, err := serverOf(ts).command("show", deployment, "--json").Output()
	ts.Check(errors.Join(err, unmarshal(out, &d)))
	out, err = serverOf(ts).command("project", "show", d.Project, "--json").Output()
	ts.Check(errors.Join(err, unmarshal(out, &p)))
	out, err = exec.Command("docker", "images", "--quiet", "--filter", "label=sh.berth.project="+p.ID).Output()
	ts.Check(err)
	if len(out) == 0 {
		ts.Fatalf("no image was built for %s", deployment)
	}
	return strings.Fields(string(out))
}

type sshdKey struct{} // **exec.Cmd
