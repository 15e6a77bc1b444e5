package git

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/sys/unix"
)

// sshProgram is what git starts in the place of ssh: the machine's OpenSSH client with none of the
// machine's, or anybody's, settings. It is fixed; what differs stands in variables that no shell reads as
// anything but text.
const sshProgram = `#!/bin/sh
cd "$BERTH_SSH_DIR" && exec ssh -F /dev/null -a -x -T \
	-o "IdentityFile=$BERTH_SSH_KEY" -o IdentitiesOnly=yes -o IdentityAgent=none \
	-o UserKnownHostsFile=known_hosts -o GlobalKnownHostsFile=/dev/null -o "StrictHostKeyChecking=$BERTH_SSH_CHECK" \
	-o UpdateHostKeys=no -o CheckHostIP=no -o VerifyHostKeyDNS=no -o BatchMode=yes -o PreferredAuthentications=publickey \
	-o ConnectTimeout=20 -o ServerAliveInterval=20 -o ClearAllForwardings=yes "$@"
`

// sshClient is the OpenSSH client prepared for one remote. The key lies in memory only: the client reads
// it through this process, and it is gone with it.
type sshClient struct {
	dir       string // holds the program and known_hosts
	key       *os.File
	host      string // as known_hosts names it
	published bool   // the expected keys are those that the host publishes
}

func (g *Git) openSSH(r remote) (*sshClient, error) {
	parent := filepath.Join(g.config.Dir, ".ssh")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	s := &sshClient{dir: dir, host: r.url.KnownHost()}
	expected := g.publishedKeys(s.host)
	if s.published = len(expected) > 0; !s.published {
		expected = r.HostKeys
	}
	if err := s.write(expected, r.Key); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare ssh: %w", err), s.close())
	}
	return s, nil
}

// publishedKeys are what is known for sure of a well-known host.
func (g *Git) publishedKeys(host string) (keys []string) {
	for _, line := range g.config.KnownHosts {
		if name, key, _ := strings.Cut(line, " "); name == host {
			keys = append(keys, key)
		}
	}
	return keys
}

func (s *sshClient) write(expected []string, key berth.Secret) error {
	var known strings.Builder
	for _, k := range expected {
		fmt.Fprintf(&known, "%s %s\n", s.host, k)
	}
	if err := os.WriteFile(s.knownHosts(), []byte(known.String()), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.program(), []byte(sshProgram), 0o700); err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("berth-deploy-key", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("keep key in memory: %w", err)
	}
	s.key = os.NewFile(uintptr(fd), "berth-deploy-key")
	_, err = s.key.WriteString(key.Reveal())
	return errors.Join(err, s.key.Chmod(0o600))
}

func (s *sshClient) knownHosts() string { return filepath.Join(s.dir, "known_hosts") }
func (s *sshClient) program() string    { return filepath.Join(s.dir, "ssh") }

// env makes git use the client. A host whose keys nobody knows yet may show one, which is expected from
// then on; any other must show one that is known, of whatever type.
func (s *sshClient) env() []string {
	check := "yes"
	if len(s.hostKeys()) == 0 {
		check = "accept-new"
	}
	return []string{
		"GIT_SSH=" + s.program(), "GIT_SSH_VARIANT=ssh", "BERTH_SSH_DIR=" + s.dir, "BERTH_SSH_CHECK=" + check,
		"BERTH_SSH_KEY=/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(s.key.Fd())),
	}
}

// hostKeys are the expected ones and, at the first contact, the one that was shown.
func (s *sshClient) hostKeys() (keys []string) {
	text, _ := os.ReadFile(s.knownHosts()) // ssh checks it too, and refuses what is not there
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 3 {
			keys = append(keys, fields[1]+" "+fields[2])
		}
	}
	slices.Sort(keys)
	return keys
}

func (s *sshClient) close() error {
	var err error
	if s.key != nil {
		err = s.key.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

var shownPrint = regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`)

// explainSSH is explain for what the SSH client and the programs behind it say. A nil cause with a
// sentence is a trouble that may pass.
func (c *connection) explainSSH(text string, said func(...string) bool) (sentence string, cause error) {
	host := c.ssh.host
	switch {
	case said("ssh: not found"):
		return "the SSH client is not installed on this machine: apt-get install openssh-client", nil
	case said("host key is known for", "Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		return c.changedKey(shownPrint.FindString(text)), berth.ErrHostKey
	case said("Repository not found", "could not be found or you don't have permission", "does not exist or access denied", "access denied or repository not exported"):
		return c.address + " answers that there is no such repository, or that this deploy key may not read it: check the address, and that the key was added to this very repository", berth.ErrRefused
	case c.pushes && said("read only", "read-only", "write access", "not authorized to write"):
		return c.address + " lets this deploy key read only: allow it to write, for the history that Berth moves there", berth.ErrRefused
	case said("Permission denied"):
		return c.address + " does not accept the deploy key: it is not among the keys of " + host + " yet, or another one is", berth.ErrRefused
	case said("Could not resolve hostname"):
		return "this machine cannot resolve " + c.url.Host + ": check the address's spelling and the machine's name server", nil
	case said("Connection refused", "Connection timed out", "Operation timed out", "No route to host", "Network is unreachable"):
		return "no SSH server answers at " + host + ": check the address, and that this machine may reach it", nil
	case said("Connection closed by", "Connection reset by", "kex_exchange_identification"):
		return "the SSH server at " + host + " hung up before it said why: it may limit who connects, or be overloaded", nil
	}
	return "", nil
}

func (c *connection) changedKey(shown string) string {
	if shown == "" {
		shown = "one of another kind"
	}
	var expected []string
	for _, key := range c.ssh.hostKeys() {
		expected = append(expected, fingerprint(key))
	}
	sentence := fmt.Sprintf("the SSH host key of %s has changed: expected is %s, shown was %s. Somebody may stand in between, so Berth does not go on. ",
		c.ssh.host, strings.Join(expected, " or "), shown)
	if c.ssh.published {
		return sentence + "These are the keys that " + c.ssh.host + " publishes: find out what answers in its place"
	}
	return sentence + "If whoever runs the host confirms the new key: berth project connect PROJECT --accept-host-key"
}

// fingerprint is how people compare a key, "ssh-ed25519 AAAA…".
func fingerprint(key string) string {
	_, encoded, _ := strings.Cut(key, " ")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return key
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
