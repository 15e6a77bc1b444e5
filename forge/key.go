package forge

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// NewDeployKey makes a key: the line that forges take, and the private half as OpenSSH reads it.
func (Forges) NewDeployKey(comment string) (public string, private berth.Secret, err error) {
	open, hidden, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", berth.Secret{}, fmt.Errorf("make key: %w", err)
	}
	key, err := ssh.NewPublicKey(open)
	if err != nil {
		return "", berth.Secret{}, fmt.Errorf("encode key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(hidden, comment)
	if err != nil {
		return "", berth.Secret{}, fmt.Errorf("encode key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment
	return line, berth.NewSecret(string(pem.EncodeToMemory(block))), nil
}
