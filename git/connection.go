package git

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// remote is an origin whose address passed the checks.
type remote struct {
	berth.Upstream
	url     berth.GitURL
	address string // for git and for people
}

func (g *Git) remote(origin berth.Upstream) (remote, error) {
	if path, isFile := strings.CutPrefix(origin.URL, "file:///"); isFile && g.config.AllowFile {
		return remote{Upstream: origin, address: "file:///" + path}, nil
	}
	u, err := berth.ParseGitURL(origin.URL)
	return remote{Upstream: origin, url: u, address: u.String()}, err
}

// connection is how git's commands reach one remote.
type connection struct {
	remote
	ssh    *sshClient // nil over HTTPS
	field  string     // of a request that errors are about
	pushes bool       // what opens it has to let Berth write
}

// connected runs fn with a connection, and leaves nothing of its secrets behind.
func (g *Git) connected(r remote, fn func(*connection) error) error {
	c := &connection{remote: r}
	if !r.url.SSH() {
		return fn(c)
	}
	client, err := g.openSSH(r)
	if err != nil {
		return err
	}
	c.ssh = client
	return errors.Join(fn(c), client.close())
}

// command is a call of git that may reach the remote.
func (c *connection) command(args ...string) command {
	if c.ssh != nil {
		return command{args: args, env: c.ssh.env(), ssh: true}
	}
	config, env := credentials(c.url, c.Token)
	return command{args: args, config: config, env: env}
}

// hostKeys are those that the SSH host may show.
func (c *connection) hostKeys() []string {
	if c.ssh == nil {
		return nil
	}
	return c.ssh.hostKeys()
}

// credentials hands git the token through its environment, for this host only: after a redirect to
// another one, git does not find it.
func credentials(u berth.GitURL, token berth.Secret) (config, env []string) {
	if token.Empty() {
		return nil, nil
	}
	user := "x-access-token" // what hosts expect or ignore when the password is a token
	if u.Host == "bitbucket.org" {
		user = "x-token-auth"
	}
	parsed, err := url.Parse(u.String())
	if err != nil {
		return nil, nil // it was parsed before
	}
	scope := (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host}).String()
	const helper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$BERTH_GIT_USER" "$BERTH_GIT_TOKEN"; }; f`
	return []string{"credential." + scope + ".helper=" + helper},
		[]string{"BERTH_GIT_USER=" + user, "BERTH_GIT_TOKEN=" + token.Reveal()}
}

// explain says what a person can do about a failed connection. Git has one exit code for all of
// them, so its words (in the C locale) must serve; where none fits, its last line is passed on.
func (c *connection) explain(err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	said := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(f.said, p) })
	}
	coded := func(code berth.Code, cause error, format string, args ...any) error {
		e := berth.Errorf(code, format, args...)
		e.Field, e.Err = c.field, errors.Join(cause, err)
		return e
	}
	where, wanted, doing := c.address, "read", "fetching"
	if c.pushes {
		wanted, doing = "write to", "pushing to"
	}
	if c.ssh != nil {
		if sentence, cause := c.explainSSH(f.said, said); sentence != "" {
			code := berth.EInvalid
			if cause == nil {
				code = berth.EUnavailable
			}
			return coded(code, cause, "%s", sentence)
		}
	}
	switch {
	case said("could not read Username", "could not read Password", "Authentication failed", "error: 401") && c.Token.Empty():
		return coded(berth.EInvalid, berth.ErrRefused, "%s does not exist, or is private: check the URL, or give a token that may %s it", where, wanted)
	case said("could not read Username", "could not read Password", "Authentication failed", "error: 401", "error: 403"):
		return coded(berth.EInvalid, berth.ErrRefused, "%s refuses access: the token is wrong or expired, or may not %s this repository", where, wanted)
	case said("not found", "error: 404", "does not appear to be a git repository", "not a git repository"):
		return coded(berth.EInvalid, nil, "there is no Git repository at %s: check the URL; a private one needs a token or a deploy key", where)
	case said("Could not resolve host"):
		return coded(berth.EUnavailable, nil, "this machine cannot resolve %s: check the URL's spelling and the machine's name server", c.url.Host)
	case said("certificate", "SSL"):
		return coded(berth.EUnavailable, nil, "the certificate of %s is not trusted by this machine: install its CA in the machine's CA bundle", c.url.Host)
	case said("Failed to connect", "Connection refused", "Couldn't connect", "timed out", "Operation too slow"):
		return coded(berth.EUnavailable, nil, "%s does not answer: check the URL, and that this machine may reach it", where)
	case said("fsck error", "error in object", "missing blob", "bad object"):
		return coded(berth.EInvalid, nil, "the repository at %s has damaged or dangerous objects (git says: %s)", where, lastLine(f.said))
	}
	return coded(berth.EUnavailable, nil, "%s %s failed; git says: %s", doing, where, lastLine(f.said))
}

func lastLine(said string) string { return said[strings.LastIndexByte(said, '\n')+1:] }
