package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// hashLength is 80 bits in hex: short enough for labels and names in messages.
const hashLength = 20

// hashOf identifies a pod's template: all that decides what its containers are, with secret tokens in
// place of secrets and without what may change beneath running containers: how many there are and in
// which order they start.
func hashOf(p *pod) string {
	normal := *p
	normal.Replicas, normal.Overlap, normal.Tier = 0, false, 0
	normal.Template, normal.Hash, normal.Missing = "", "", ""
	b, err := json.Marshal(normal)
	if err != nil {
		panic("docker: a pod cannot be marshalled: " + err.Error()) // plain data only
	}
	return shortHash(string(b))
}

func shortHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:hashLength]
}
