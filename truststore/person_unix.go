//go:build unix

package truststore

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

func isRoot() bool { return os.Geteuid() == 0 }

// thisPerson is who runs the program: under sudo the one who said sudo.
func thisPerson(env func(string) string) (Person, error) {
	name := env("SUDO_USER")
	if !isRoot() || name == "" || name == "root" {
		home, err := os.UserHomeDir()
		if err != nil {
			return Person{}, fmt.Errorf("find home: %w", err)
		}
		return Person{Home: home, UID: -1, GID: -1}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return Person{}, fmt.Errorf("find who said sudo: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Person{}, fmt.Errorf("find who said sudo: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return Person{}, fmt.Errorf("find who said sudo: %w", err)
	}
	return Person{Home: u.HomeDir, UID: uid, GID: gid}, nil
}

// become makes a command run as somebody else.
func become(cmd *exec.Cmd, p Person) error {
	if p.UID < 0 {
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.UID), Gid: uint32(p.GID)}}
	cmd.Env = append(os.Environ(), "HOME="+p.Home)
	return nil
}
