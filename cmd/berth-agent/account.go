package main

import (
	"bufio"
	"cmp"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// account is who the helper is in this container, by /etc/passwd where that knows the user.
type account struct {
	name, home, shell string
}

func currentAccount() account {
	a := passwdEntry(os.Getuid())
	a.name = cmp.Or(a.name, strconv.Itoa(os.Getuid()))
	a.home = cmp.Or(os.Getenv("HOME"), a.home)
	if !isProgram(a.shell) {
		a.shell = ""
		for _, shell := range []string{"/bin/bash", "/bin/sh", "/bin/ash"} {
			if isProgram(shell) {
				a.shell = shell
				break
			}
		}
	}
	return a
}

// passwdEntry reads the user's line, passwd(5).
func passwdEntry(uid int) (a account) {
	file, err := os.Open("/etc/passwd")
	if err != nil {
		return a
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 7 && fields[2] == strconv.Itoa(uid) {
			return account{name: fields[0], home: fields[5], shell: fields[6]}
		}
	}
	return a
}

// isProgram leaves out the shells that are there to refuse a login.
func isProgram(path string) bool {
	switch path {
	case "", "/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false":
		return false
	}
	return unix.Access(path, unix.X_OK) == nil
}

// homeDir is the user's home where it can be written to, and nothing else.
func homeDir() string {
	home := currentAccount().home
	if home == "" || unix.Access(home, unix.W_OK) != nil {
		return ""
	}
	return home
}

// workDir is where a person begins: at home, or where there is none that can be used, in the container's own directory.
func workDir() string {
	if home := homeDir(); home != "" && home != "/" {
		return home
	}
	dir, err := os.Getwd()
	if err != nil {
		return "/"
	}
	return dir
}
