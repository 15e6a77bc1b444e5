// Package forge knows what the hosts of Git repositories need: deploy keys, the pages where people add
// them, and the SSH host keys that well-known hosts publish.
//
// It must not know projects, the store or how repositories are fetched.
package forge

import (
	"strings"

	"github.com/berth-dev/berth"
)

// Forges answers for all hosts.
type Forges struct{}

// KnownHosts are the SSH host keys that hosts publish, "host type key". A host that stands here is spoken to
// only if it shows one of them.
func KnownHosts() []string {
	var lines []string
	for _, h := range published {
		lines = append(lines, h.host+" "+h.key)
	}
	return lines
}

// published was compared with the fingerprints on the hosts' own pages:
// docs.github.com "GitHub's SSH key fingerprints", docs.gitlab.com "SSH host keys fingerprints",
// support.atlassian.com "Configure SSH", docs.codeberg.org "SSH fingerprints".
var published = []struct{ host, key, fingerprint string }{
	{"github.com", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"},
	{"github.com", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=", "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM"},
	{"gitlab.com", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf", "SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"},
	{"gitlab.com", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY=", "SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw"},
	{"bitbucket.org", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO", "SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM"},
	{"codeberg.org", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB", "SHA256:mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g"},
}

// KeyPage is where people add a deploy key to a repository, "" where that is not known.
func (Forges) KeyPage(u berth.GitURL) string { return pageOf(u, kindOf(u.Host).keys) }

// HookPage is where people add a webhook to a repository, "" where that is not known.
func (Forges) HookPage(u berth.GitURL) string { return pageOf(u, kindOf(u.Host).hooks) }

// kind is a forge's software: the pages of a repository, "" where they are not known.
type kind struct{ keys, hooks string }

func kindOf(host string) kind {
	has := func(name string) bool { return strings.Contains(host, name) }
	switch {
	case host == "github.com":
		return kind{keys: "/settings/keys/new", hooks: "/settings/hooks/new"}
	case host == "bitbucket.org":
		return kind{keys: "/admin/access-keys/"} // its webhooks are signed in a way that ReadDelivery does not know
	case has("gitlab"):
		return kind{keys: "/-/settings/repository#js-deploy-keys-settings", hooks: "/-/hooks"}
	case host == "codeberg.org", has("gitea"), has("forgejo"):
		return kind{keys: "/settings/keys", hooks: "/settings/hooks"}
	}
	return kind{}
}

func pageOf(u berth.GitURL, page string) string {
	if page == "" {
		return ""
	}
	return "https://" + u.Host + "/" + repository(u) + page
}

// SSHURL is where a repository that has an https:// URL is reached over SSH by the hosts' custom, "" where
// that makes no address.
func (Forges) SSHURL(u berth.GitURL) string {
	address := "git@" + u.Host + ":" + repository(u) + ".git"
	if _, err := berth.ParseGitURL(address); err != nil || u.Scheme != "https" || repository(u) == "" {
		return ""
	}
	return address
}

func repository(u berth.GitURL) string {
	return strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
}
