package truststore

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// chromiumDirs and firefoxDirs are where they keep their stores, below a home; Firefox's are one per profile.
var (
	chromiumDirs = []string{".pki/nssdb", "snap/chromium/current/.pki/nssdb"}
	firefoxDirs  = []string{".mozilla/firefox", "snap/firefox/common/.mozilla/firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox",
		"Library/Application Support/Firefox/Profiles"}
	chromiums = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge"}
)

// databases are the stores in NSS's format. Chromium's first one is made where the browser is there and it is not.
func (m Machine) databases() (stores []Store) {
	for i, dir := range chromiumDirs {
		path := filepath.Join(m.Person.Home, dir)
		if isDatabase(path) || i == 0 && m.hasChromium() {
			stores = append(stores, m.database("Chromium", path))
		}
	}
	for _, dir := range firefoxDirs {
		profiles, err := filepath.Glob(filepath.Join(globEscape(m.Person.Home), dir, "*", "cert9.db"))
		if err != nil {
			continue
		}
		for _, profile := range profiles {
			path := filepath.Dir(profile)
			stores = append(stores, m.database("Firefox, profile "+filepath.Base(path), path))
		}
	}
	return stores
}

func isDatabase(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cert9.db"))
	return err == nil
}

func (m Machine) hasChromium() bool {
	for _, name := range chromiums {
		if _, err := m.Look(name); err == nil {
			return true
		}
	}
	return false
}

// globEscape takes the meaning out of what a pattern would understand.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (m Machine) database(name, dir string) Store {
	certutil := func(ctx context.Context, args ...string) ([]byte, error) {
		return m.Command(ctx, m.Person, "certutil", append([]string{"-d", "sql:" + dir}, args...)...)
	}
	return Store{
		Name: name, Path: dir,
		install: func(ctx context.Context, a Authority) error {
			if !isDatabase(dir) {
				if _, err := m.Command(ctx, m.Person, "mkdir", "-p", "-m", "0700", "--", dir); err != nil {
					return err
				}
				if _, err := certutil(ctx, "-N", "--empty-password"); err != nil {
					return err
				}
			}
			draft, err := draftOf(a)
			if err != nil {
				return err
			}
			defer func() { _ = os.Remove(draft) }()
			_, err = certutil(ctx, "-A", "-t", "C,,", "-n", a.Name+" "+a.Fingerprint[:16], "-i", draft)
			return err
		},
		uninstall: func(ctx context.Context, a Authority) (removed bool, err error) {
			if !isDatabase(dir) {
				return false, nil
			}
			list, err := certutil(ctx, "-L")
			if err != nil {
				return false, err
			}
			for _, nickname := range nicknames(string(list)) {
				certificates, err := certutil(ctx, "-L", "-a", "-n", nickname)
				if err != nil || !holdsOnly(certificates, a.Fingerprint) {
					continue // one that cannot be read is not ours
				}
				if _, err := certutil(ctx, "-D", "-n", nickname); err != nil {
					return removed, fmt.Errorf("remove %q: %w", nickname, err)
				}
				removed = true
			}
			return removed, nil
		},
	}
}

// entry is a line of certutil -L: a nickname, which may hold spaces, and for what it is trusted.
var entry = regexp.MustCompile(`^(.*\S)\s+[a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*\s*$`)

func nicknames(list string) (names []string) {
	for line := range strings.Lines(list) {
		if match := entry.FindStringSubmatch(strings.TrimRight(line, "\n")); match != nil && match[1] != "Certificate Nickname" {
			names = append(names, match[1])
		}
	}
	return names
}

// holdsOnly reports whether there is a certificate, and each has the fingerprint.
func holdsOnly(text []byte, want string) bool {
	block, rest := pem.Decode(text)
	if block == nil {
		return false
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if fingerprint(block.Bytes) != want {
			return false
		}
	}
	return true
}
