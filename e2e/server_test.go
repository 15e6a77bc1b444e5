//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one `berth serve` under test. Scenarios share one; those that kill it start their own.
type server struct {
	bin, data   string
	env         []string // more of it than this process has
	http, https int
	flags       []string // besides those that every server under test has
	volumes     string   // the kind of store to begin with
	standby     string   // how long what served stands by
	process     *os.Process
	ended       chan error
}

func newServer(bin, data string) (*server, error) {
	s := &server{bin: bin, data: data, volumes: "directories", standby: "3s"}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	for _, port := range []*int{&s.http, &s.https} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return s, nil
}

func (s *server) berth() string  { return filepath.Join(s.bin, "berth") }
func (s *server) socket() string { return filepath.Join(s.data, "run", "berth.sock") }
func (s *server) log() string    { return filepath.Join(s.data, "serve.log") }

// start blocks until the server answers on its socket.
func (s *server) start() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.berth(), append([]string{"serve", "--data", s.data, "--domain", "berth.localhost",
		"--http", "127.0.0.1:" + strconv.Itoa(s.http), "--https", "127.0.0.1:" + strconv.Itoa(s.https), "--ssh", "127.0.0.1:0",
		"--volumes", s.volumes, "--standby", s.standby, "--agent", filepath.Join(s.bin, "berth-agent")}, s.flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	return s.await(90 * time.Second)
}

func (s *server) await(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if s.run("whoami") == nil {
			return nil
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("berth serve ended (%v):\n%s", err, s.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("berth serve did not answer within %s:\n%s", limit, s.tail())
}

// stop sends a signal and waits for the end.
func (s *server) stop(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(signal); err != nil {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		return errors.New("berth serve did not end within 30 s")
	}
	s.process = nil
	return nil
}

// ensure starts the server unless it runs, so that it can clean up.
func (s *server) ensure() error {
	if s.process != nil {
		return nil
	}
	return s.start()
}

// environment is how programs reach this server. Its CA goes into a file.
func (s *server) environment(ca string) (map[string]string, error) {
	pem, err := s.command("ca").Output()
	if err != nil {
		return nil, fmt.Errorf("berth ca: %w", err)
	}
	return map[string]string{
		"BERTH_SOCKET": s.socket(),
		"BERTH_DATA":   s.data,
		"SERVER_LOG":   s.log(),
		"CA":           ca,
		"HTTPS_PORT":   strconv.Itoa(s.https),
		"HTTP_PORT":    strconv.Itoa(s.http),
	}, os.WriteFile(ca, pem, 0o644)
}

// command is a verb of the CLI that speaks to this server.
func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.berth(), args...)
	cmd.Env = append(os.Environ(), "BERTH_SOCKET="+s.socket())
	return cmd
}

// run runs a verb of the CLI against this server.
func (s *server) run(args ...string) error {
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("berth %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (s *server) tail() string {
	f, err := os.Open(s.log())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 8<<10 {
		_, _ = f.Seek(-8<<10, io.SeekEnd)
	}
	out, _ := io.ReadAll(f)
	return string(out)
}

// deleteEverything asks the server itself to delete what scenarios left.
func (s *server) deleteEverything() error {
	out, err := s.command("ls", "--json").Output()
	if err != nil {
		return fmt.Errorf("list what is left: %w", err)
	}
	var all []struct{ Slug string }
	if err := unmarshal(out, &all); err != nil {
		return err
	}
	var failures []error
	for _, d := range all {
		failures = append(failures, s.run("delete", d.Slug, "--yes", "--wait"))
	}
	return errors.Join(failures...)
}
