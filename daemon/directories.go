package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// directories are the parts of the data directory (docs/design.md, "State").
type directories struct {
	data, volumes, git, packages, logs, builds, images, run, certs, mail, requests, checkouts string
}

func directoriesOf(data string) directories {
	at := func(name string) string { return filepath.Join(data, name) }
	return directories{data: data, volumes: at("volumes"), git: at("git"), packages: at("packages"), logs: at("logs"), builds: at("builds"),
		images: at("images"), run: at("run"), certs: at("certs"), mail: at("mail"), requests: at("requests"), checkouts: filepath.Join(data, "builds", "checkouts")}
}

func (d directories) database() string { return filepath.Join(d.data, "berth.db") }
func (d directories) key() string      { return filepath.Join(d.data, "key") }
func (d directories) trust() string    { return filepath.Join(d.run, "ca.crt") }

// open makes what is missing and takes the directory for this process alone. release gives it back.
func (d directories) open() (release func() error, err error) {
	for _, dir := range []string{d.data, d.volumes, d.git, d.packages, d.logs, d.builds, d.images, d.run, d.certs, d.mail, d.requests} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, unusable(d.data, err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(d.data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(d.data, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, berth.Errorf(berth.EConflict, "another berth serve uses %s; stop it first, or give this one its own --data", d.data)
	}
	return lock.Close, nil
}

func unusable(data string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return berth.Errorf(berth.EUnavailable, "the disk that holds %s is full; make room there and start again", data)
	}
	return &berth.Error{Code: berth.EUnavailable, Err: err,
		Message: fmt.Sprintf("the data directory %s cannot be used: %v", data, err)}
}
