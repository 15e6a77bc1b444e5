package berth

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// GitURL is the address of a repository elsewhere, which is fetched over HTTPS or SSH.
type GitURL struct {
	Scheme string // https, http or ssh
	User   string
	Host   string // without port, in lower case
	Port   string // empty: the scheme's own
	Path   string
	text   string
}

// String is the address as it was given; it holds no secret.
func (u GitURL) String() string { return u.text }

// SSH reports whether the address is reached over SSH.
func (u GitURL) SSH() bool { return u.Scheme == "ssh" }

var (
	sshUser  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	sshHost  = regexp.MustCompile(`^(?i)([a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f]*:[0-9a-f:.]+)$`)
	scpStyle = regexp.MustCompile(`^([^@/:]+)@([^/:]+):([^:].*)$`) // git@host:owner/name
)

// ParseGitURL refuses what Git would understand as an option, a program, a file or another protocol, and
// what would carry a secret to where it is stored in plain. Its errors do not repeat such a text.
func ParseGitURL(text string) (GitURL, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return GitURL{}, badGitURL("this is not a URL of a Git repository; one looks like https://github.com/owner/name")
	}
	if parts := scpStyle.FindStringSubmatch(text); parts != nil && !strings.Contains(text, "://") {
		return GitURL{Scheme: "ssh", User: parts[1], Host: strings.ToLower(parts[2]), Path: parts[3], text: text}.checkSSH()
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return GitURL{}, badGitURL("this is not a URL of a Git repository; one looks like https://github.com/owner/name")
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		return GitURL{}, badGitURL("a Git URL starts with https://, http:// or ssh://, or is like git@github.com:owner/name")
	case u.Hostname() == "":
		return GitURL{}, badGitURL("the Git URL has no host; one looks like https://github.com/owner/name")
	case u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "#") || u.ForceQuery:
		return GitURL{}, badGitURL("a Git URL has no ? or # part; the branch is chosen when a deployment is created")
	}
	parsed := GitURL{Scheme: u.Scheme, User: u.User.Username(), Host: strings.ToLower(u.Hostname()), Port: u.Port(), Path: u.Path, text: text}
	if _, password := u.User.Password(); password || (u.User != nil && !parsed.SSH()) {
		return GitURL{}, badGitURL("the Git URL holds a user name or password, which would be stored in plain: leave it out and give the token on stdin with --token -")
	}
	if parsed.SSH() {
		return parsed.checkSSH()
	}
	return parsed, nil
}

// checkSSH keeps out what ssh, or a shell of the other side, might understand as more than a name.
func (u GitURL) checkSSH() (GitURL, error) {
	switch {
	case u.User == "":
		return GitURL{}, badGitURL("an ssh:// URL names the user to log in as, like ssh://git@" + u.Host + u.Path)
	case !sshUser.MatchString(u.User), !sshHost.MatchString(u.Host):
		return GitURL{}, badGitURL("the user or host of this SSH address is none; one looks like git@github.com:owner/name")
	case strings.Trim(u.Path, "/") == "", strings.HasPrefix(u.Path, "-"):
		return GitURL{}, badGitURL("the SSH address names no repository; one looks like git@github.com:owner/name")
	}
	return u, nil
}

func badGitURL(message string) error {
	return &Error{Code: EInvalid, Field: "gitUrl", Message: message}
}

// KnownHost is how known_hosts files name the SSH host.
func (u GitURL) KnownHost() string {
	if u.Port == "" || u.Port == "22" {
		return u.Host
	}
	return fmt.Sprintf("[%s]:%s", u.Host, u.Port)
}
