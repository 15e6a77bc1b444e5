package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a berth serve of its own, beside whatever else runs on the machine.
type server struct {
	bin, data   string
	http, https int
	process     *os.Process
	ended       chan error
	browser     *http.Client // trusts the server's CA and finds its hosts
	machine     *http.Client // speaks on the server's socket
}

func newServer(bin, dir string) (*server, error) {
	s := &server{bin: bin, data: filepath.Join(dir, "data")}
	s.machine = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket())
	}}}
	for _, port := range []*int{&s.http, &s.https} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return s, os.MkdirAll(s.data, 0o700)
}

func (s *server) socket() string { return filepath.Join(s.data, "run", "berth.sock") }

// start blocks until the server answers.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.data, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(filepath.Join(s.bin, "berth"), "serve", "--data", s.data, "--domain", "berth.localhost", "--volumes", "directories",
		"--http", "127.0.0.1:"+strconv.Itoa(s.http), "--https", "127.0.0.1:"+strconv.Itoa(s.https), "--ssh", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // our Ctrl-C is not its: it has to delete things yet
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	if err := s.await(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return s.openBrowser(ctx)
}

func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if _, err := s.berth(ctx, "whoami"); err == nil {
			return nil
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("berth serve ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("berth serve does not answer; its log is %s/serve.log", s.data)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *server) stop() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-s.ended
	s.process = nil
	return err
}

// berth runs a verb of the command line.
func (s *server) berth(ctx context.Context, args ...string) (output []byte, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "berth"), args...)
	cmd.Env = append(os.Environ(), "BERTH_SOCKET="+s.socket())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err = cmd.Output()
	if err != nil {
		err = fmt.Errorf("berth %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return output, err
}

func (s *server) openBrowser(ctx context.Context) error {
	pem, err := s.berth(ctx, "ca")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("berth ca prints no certificate")
	}
	here := "127.0.0.1:" + strconv.Itoa(s.https)
	s.browser = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", here)
		},
	}}
	return nil
}

// shown is what the bench reads of a deployment.
type shown struct {
	ID, Slug, Phase string
	Hosts           []struct{ Element, URL string }
}

// show asks the API itself: a process each time would take from the machine what is measured on it.
func (s *server) show(ctx context.Context, ref string) (d shown, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://berth/api/v1/deployments/"+ref, nil)
	if err != nil {
		return d, err
	}
	response, err := s.machine.Do(r)
	if err != nil {
		return d, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return d, fmt.Errorf("show %s: %s", ref, response.Status)
	}
	return d, json.NewDecoder(response.Body).Decode(&d)
}

func (d shown) host(element string) (*url.URL, error) {
	for _, h := range d.Hosts {
		if h.Element == element {
			return url.Parse(h.URL)
		}
	}
	return nil, fmt.Errorf("%s has no host of %s", d.Slug, element)
}

// deleteAll deletes every deployment and waits until nothing is left of them.
func (s *server) deleteAll(ctx context.Context) error {
	output, err := s.berth(ctx, "ls", "--json")
	if err != nil {
		return err
	}
	var all []shown
	if err := json.Unmarshal(output, &all); err != nil {
		return err
	}
	var failures []error
	for _, d := range all {
		_, err := s.berth(ctx, "delete", d.Slug, "--yes", "--wait")
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// close deletes everything, projects with their images too, and ends the server.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if s.process == nil {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	failures := []error{s.deleteAll(ctx)}
	output, err := s.berth(ctx, "project", "ls", "--json")
	var projects []struct{ ID, Name string }
	failures = append(failures, err)
	if err == nil {
		failures = append(failures, json.Unmarshal(output, &projects))
	}
	for _, p := range projects {
		_, err := s.berth(ctx, "project", "rm", p.Name)
		failures = append(failures, err)
	}
	for _, p := range projects {
		failures = append(failures, imagesGone(ctx, p.ID))
	}
	return errors.Join(append(failures, s.stop())...)
}

// imagesGone waits until the server has swept the images that it built for a project.
func imagesGone(ctx context.Context, project string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := until(ctx, 200*time.Millisecond, func() (bool, error) {
		var left []struct{ ID string }
		err := newDocker().call(ctx, "GET", "/images/json?"+labelled("sh.berth.project="+project), nil, &left)
		return len(left) == 0, err
	})
	if err != nil {
		return fmt.Errorf("images of project %s are left: %w", project, err)
	}
	return nil
}

// withServer runs fn with a server of its own.
func (b *bench) withServer(ctx context.Context, name string, fn func(*server) error) error {
	dir := filepath.Join(b.dir, name)
	s, err := newServer(b.bin, dir)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return errors.Join(fn(s), s.close())
}
