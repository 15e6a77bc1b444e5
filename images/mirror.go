package images

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
)

// mirror is where Debian's packages come from.
type mirror struct {
	main     string
	security string
}

// machineMirror reads from apt's configuration what the machine itself uses. A machine that is not
// Debian's has none; then it is Debian's own address.
func machineMirror(apt fs.FS) mirror {
	var m mirror
	for _, pattern := range []string{"sources.list", "sources.list.d/*.list", "sources.list.d/*.sources"} {
		names, err := fs.Glob(apt, pattern)
		if err != nil {
			continue // only a bad pattern fails
		}
		for _, name := range names {
			if content, err := fs.ReadFile(apt, name); err == nil {
				m.learn(string(content))
			}
		}
	}
	if m.main == "" {
		m.main = "http://deb.debian.org/debian"
	}
	if m.security == "" {
		m.security = "http://deb.debian.org/debian-security"
	}
	return m
}

// learn takes the first address of each archive, in either format. Archives are told apart by the last
// part of their path, which mirrors keep.
func (m *mirror) learn(content string) {
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		if !strings.HasPrefix(line, "deb ") && !strings.HasPrefix(line, "URIs:") {
			continue
		}
		for _, word := range strings.Fields(line) {
			address, err := url.Parse(word)
			if err != nil || address.Scheme != "http" && address.Scheme != "https" {
				continue
			}
			switch trimmed := strings.TrimRight(word, "/"); path.Base(address.Path) {
			case "debian":
				m.main = first(m.main, trimmed)
			case "debian-security":
				m.security = first(m.security, trimmed)
			}
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// sources is apt's configuration for a tree made from the mirror.
func (m mirror) sources() string {
	const entry = "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
	return fmt.Sprintf(entry+"\n"+entry, m.main, suite+" "+suite+"-updates", m.security, suite+"-security")
}
