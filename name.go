package berth

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

const (
	// MaxName is the longest project, deployment, stage or element name.
	MaxName = 40
	// MaxLabel is the longest DNS label (RFC 1035 §2.3.4).
	MaxLabel = 63
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ReservedIdentifiers may not name an element of a stack.
var reservedIdentifiers = map[string]bool{
	"core": true, "diploi": true, "berth": true, "workspace": true, "localhost": true,
}

// ReservedIdentifier reports whether an element may not have this identifier.
func ReservedIdentifier(name string) bool { return reservedIdentifiers[name] }

// ValidateName checks a name a person chose. field says what it names, for the message.
func ValidateName(field, name string) error {
	switch {
	case name == "":
		return &Error{Code: EInvalid, Field: field, Message: "a " + field + " is required"}
	case len(name) > MaxName:
		return &Error{Code: EInvalid, Field: field, Message: "the " + field + " may have at most 40 characters"}
	case !namePattern.MatchString(name):
		return &Error{Code: EInvalid, Field: field, Message: "the " + field + " must be lower-case letters, digits and single hyphens, and start with a letter, like my-app-2"}
	}
	return nil
}

// NameFrom returns a valid name as much like text as can be: of a folder, a file, a service.
func NameFrom(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if b.Len() > 0 {
			b.WriteByte('-')
		}
	}
	name := strings.Trim(repeatedHyphens.ReplaceAllString(b.String(), "-"), "-")
	switch {
	case name == "":
		return "app"
	case name[0] < 'a':
		name = "app-" + name
	}
	return strings.TrimRight(name[:min(len(name), MaxName)], "-")
}

var repeatedHyphens = regexp.MustCompile(`-{2,}`)

// Slug returns "<deployment>-<project>", shortened to MaxName with a hash of the whole where it is longer.
func Slug(deployment, project string) string {
	return Shorten(deployment+"-"+project, MaxName)
}

// HostLabel returns the one DNS label of a generated host: "<element>[-<host>]-<slug>".
// host is empty for an element's first host.
func HostLabel(element, host, slug string) string {
	parts := []string{element}
	if host != "" {
		parts = append(parts, host)
	}
	return Shorten(strings.Join(append(parts, slug), "-"), MaxLabel)
}

// WithHash returns s with a short hash of salt behind it, at most max long: the answer to a clash.
func WithHash(s, salt string, max int) string {
	sum := sha256.Sum256([]byte(salt))
	suffix := "-" + hex.EncodeToString(sum[:])[:6]
	if len(s) > max-len(suffix) {
		s = strings.TrimRight(s[:max-len(suffix)], "-")
	}
	return s + suffix
}

// Shorten returns s unchanged when it fits into max bytes, else a prefix with a hash of the whole.
func Shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	return WithHash(s, s, max)
}
