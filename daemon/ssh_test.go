package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/git"
	"github.com/berth-dev/berth/githttp"
	"github.com/berth-dev/berth/sshd"
)

// keyholders lets everybody in who holds a key, and nowhere but to repositories.
type keyholders struct{}

func (keyholders) Identify(context.Context, []byte) (berth.Caller, berth.ID, error) {
	return berth.Caller{Person: "ada", Name: "ada"}, "key", nil
}

func (keyholders) May(context.Context, berth.Caller, string) error {
	return berth.Errorf(berth.ENotFound, "there is none")
}

func (keyholders) Enter(context.Context, berth.Caller, string) (sshd.Place, error) {
	return nil, berth.Errorf(berth.ENotFound, "there is none")
}

func (keyholders) Record(context.Context, berth.Caller, string, string, string) error { return nil }

// client is what git needs to reach a server by SSH.
type client struct {
	dir, url string
}

func (c client) git(t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_SSH_COMMAND=ssh -F none -i "+filepath.Join(c.dir, "id")+" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=none -o UserKnownHostsFile="+filepath.Join(c.dir, "known"),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serveGit serves the project shop of a new store of repositories over SSH until the test ends.
func serveGit(t *testing.T) client {
	t.Helper()
	store := git.New(git.Config{Dir: filepath.Join(t.TempDir(), "git"), MaxFetch: 1 << 30})
	p := berth.Project{ID: berth.NewID(), Name: "shop", DefaultBranch: "main", Protected: []string{"live"}}
	if err := store.Init(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	open := func(_ context.Context, _ berth.Caller, project string, _ bool) (berth.Project, error) {
		if project != p.Name {
			return berth.Project{}, berth.Errorf(berth.ENotFound, "there is no project %s", project)
		}
		return p, nil
	}
	pushed := func(_ context.Context, c berth.Caller, _ berth.Project, say func(string) error) {
		_ = say(c.Name + "'s release serves")
	}
	repositories := githttp.NewStreams(githttp.Config{Open: open, Pushed: pushed, Log: slog.New(slog.DiscardHandler)}, store)
	var keys []berth.Secret
	for _, kind := range sshd.HostKeyTypes()[:2] {
		key, err := sshd.NewHostKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	server, err := sshd.New(sshd.Config{Gateway: keyholders{}, Repositories: repositories, HostKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return newClient(t, l.Addr().String(), server.PublicKeys())
}

func newClient(t *testing.T, address string, hostKeys []string) client {
	t.Helper()
	c := client{dir: t.TempDir(), url: "ssh://git@" + address + "/shop"}
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(c.dir, "id")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := netip.MustParseAddrPort(address)
	var known bytes.Buffer
	for _, key := range hostKeys {
		fmt.Fprintf(&known, "[%s]:%d %s\n", at.Addr(), at.Port(), key)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "known"), known.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGitOverSSH(t *testing.T) {
	c := serveGit(t)
	must := func(want string, args ...string) {
		t.Helper()
		if said, err := c.git(t, args...); err != nil || !strings.Contains(said, want) {
			t.Fatalf("git %v: %v, %s", args, err, said)
		}
	}
	mustFail := func(want string, args ...string) {
		t.Helper()
		if said, err := c.git(t, args...); err == nil || !strings.Contains(said, want) {
			t.Errorf("git %v: %v, %s", args, err, said)
		}
	}
	must("empty repository", "clone", c.url, "first")
	if err := os.WriteFile(filepath.Join(c.dir, "first", "file"), bytes.Repeat([]byte("x\n"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	must("", "-C", "first", "add", "--all")
	must("", "-C", "first", "commit", "--quiet", "-m", "first")
	must("remote: ada's release serves", "-C", "first", "push", "origin", "HEAD:main")
	must("Everything up-to-date", "-C", "first", "push", "origin", "HEAD:main")
	must("remote: ada's release serves", "-C", "first", "push", "origin", "HEAD:live", "HEAD:topic")
	for _, version := range []string{"0", "1", "2"} {
		must("", "-c", "protocol.version="+version, "clone", "--quiet", c.url+".git", "clone"+version)
		must("refs/heads/live", "-c", "protocol.version="+version, "ls-remote", c.url)
		must("", "-c", "protocol.version="+version, "-C", "clone"+version, "fetch", "--quiet")
	}
	must("", "clone", "--quiet", "--depth=1", "--filter=blob:none", c.url, "shallow")

	mustFail("the branch is protected", "-C", "first", "push", "origin", ":live")
	mustFail("default branch", "-C", "first", "push", "origin", ":main")
	must("deleted", "-C", "first", "push", "origin", ":topic")
	must("", "-C", "first", "commit", "--quiet", "--amend", "-m", "rewritten")
	mustFail("rejected", "-C", "first", "push", "--force", "origin", "HEAD:live")
	must("forced update", "-C", "first", "push", "--force", "origin", "HEAD:main")
	mustFail("only branches and tags", "-C", "first", "push", "origin", "HEAD:refs/berth/x")

	mustFail("there is no project other", "clone", strings.TrimSuffix(c.url, "shop")+"other")
	mustFail("git@ leads to repositories only", "clone", strings.TrimSuffix(c.url, "shop")+"../../etc")
}

func TestWhereSSHIsReached(t *testing.T) {
	for want, c := range map[string]struct{ at, domain string }{
		"127.0.0.1":                {"127.0.0.1", "apps.example.com"},
		"203.0.113.9":              {"::", "203-0-113-9.sslip.io"},
		"2001:db8::1":              {"::", "2001-db8--1.sslip.io"},
		"localhost":                {"0.0.0.0", "berth.localhost"},
		"console.apps.example.com": {"10.0.0.5", "apps.example.com"},
	} {
		if got := sshHost(netip.MustParseAddr(c.at), names{domain: c.domain}, "sslip.io"); got != want {
			t.Errorf("listening on %s below %s: %s, want %s", c.at, c.domain, got, want)
		}
	}
}
