package enginetest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Registry is a real registry of images on loopback, which wants a login for everything.
type Registry struct {
	Host    string
	process *exec.Cmd
	log     *os.File
}

// StartRegistry runs Debian's docker-registry with one user, and keeps its images in dir.
func StartRegistry(dir, username, password string) (*Registry, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	host := l.Addr().String()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	users, config := filepath.Join(dir, "users"), filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\nauth: {htpasswd: {realm: berth, path: %q}}\n",
		filepath.Join(dir, "images"), host, users)
	if err := errors.Join(os.WriteFile(users, fmt.Appendf(nil, "%s:%s\n", username, hash), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "registry.log"))
	if err != nil {
		return nil, err
	}
	r := &Registry{Host: host, process: exec.Command("docker-registry", "serve", config), log: log}
	r.process.Stdout, r.process.Stderr = log, log
	if err := r.process.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return r, r.await()
}

func (r *Registry) await() error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + r.Host + "/v2/")
		if err == nil {
			return response.Body.Close()
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(r.log.Name())
			return fmt.Errorf("registry does not answer: %w\n%s", errors.Join(err, r.Stop()), text)
		}
	}
}

// Stop ends the registry.
func (r *Registry) Stop() error {
	err := r.process.Process.Kill()
	_ = r.process.Wait() // it was killed
	http.DefaultClient.CloseIdleConnections()
	return errors.Join(err, r.log.Close())
}

// Push puts a local image into the registry with Docker's own command line, and returns its name there.
// The machine keeps no copy under that name.
func (r *Registry) Push(image, name, username, password string) (ref string, err error) {
	home, err := os.MkdirTemp("", "berth-docker-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	ref = r.Host + "/" + name
	docker := func(stdin string, args ...string) error {
		cmd := exec.Command("docker", append([]string{"--config", home}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("docker %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	if err := docker(password, "login", "--username", username, "--password-stdin", r.Host); err != nil {
		return "", err
	}
	if err := docker("", "tag", image, ref); err != nil {
		return "", err
	}
	return ref, errors.Join(docker("", "push", "--quiet", ref), docker("", "rmi", "--no-prune", ref))
}
