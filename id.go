package berth

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// ID is an internal, generated identity. It never derives from a name a person chose
// and is safe as a path element, a container name part and an interface name suffix.
type ID string

// NewID returns 10 characters of [a-z2-7] (50 random bits). Ten is the most that fits
// behind "brt" and a two-letter suffix in a Linux interface name (15 bytes).
func NewID() ID {
	var b [7]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("berth: the system's random source failed: " + err.Error())
	}
	return ID(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))[:10])
}

func (id ID) String() string { return string(id) }
