package berth

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// KeyService is about people's SSH public keys. person is a name, or empty for the caller; keys of others
// are for owners.
type KeyService interface {
	// AddKey lets whoever holds the private half in by SSH, as the person. text is a line as it stands in an
	// OpenSSH .pub file. EConflict for a name that the person has a key of, and for a key that anybody has.
	AddKey(ctx context.Context, person, name, text string) (SSHKey, error)
	Keys(ctx context.Context, person string) ([]SSHKey, error)
	// DeleteKey ends a key, and the connections that it let in.
	DeleteKey(ctx context.Context, person, name string) error
}

// SSHKey is a public key that a person logs in with.
type SSHKey struct {
	ID          ID        `json:"id"`
	Person      ID        `json:"person"`
	Name        string    `json:"name"`
	Type        string    `json:"type"` // "ssh-ed25519"
	Fingerprint string    `json:"fingerprint"`
	CreatedAt   time.Time `json:"createdAt"`
	LastUsed    time.Time `json:"lastUsed,omitzero"`
	Blob        []byte    `json:"-"` // the key in SSH's wire format (RFC 4253 §6.6)
}

// KeyFingerprint is how OpenSSH prints the sum of a key in wire format.
func KeyFingerprint(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

const (
	// maxKeyText bounds what is looked at; an RSA key of 16384 bits is a fifth of it.
	maxKeyText = 16 << 10
	// minRSA is the least modulus that is still thought safe, in bits.
	minRSA = 2048
	maxRSA = 16384
)

// ParseSSHKey reads a line of a .pub file: a type, the key in base64 and a comment, which is dropped. The
// errors are EInvalid, say what to do, and never repeat the text: it may be a private key.
func ParseSSHKey(text string) (SSHKey, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return SSHKey{}, badKey("there is no key: give the line of a .pub file, like ~/.ssh/id_ed25519.pub")
	case strings.Contains(text, "PRIVATE KEY"), strings.HasPrefix(text, "PuTTY-User-Key-File"):
		return SSHKey{}, badKey("this is a private key, which must not leave your machine, and nothing of it was kept: give the public half, the file that ends in .pub")
	case len(text) > maxKeyText:
		return SSHKey{}, badKey("this is too long for a public key: give the one line of a .pub file")
	case strings.HasPrefix(text, "---- BEGIN SSH2"), strings.HasPrefix(text, "-----BEGIN"):
		return SSHKey{}, badKey("this is a key in another format: ssh-keygen -i -f FILE prints it as OpenSSH writes it")
	case strings.ContainsAny(text, "\r\n"):
		return SSHKey{}, badKey("these are several lines: add one key at a time")
	}
	kind, rest, _ := strings.Cut(text, " ")
	encoded, _, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
	if err := acceptable(kind); err != nil {
		return SSHKey{}, err
	}
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(blob) == 0 {
		return SSHKey{}, badKey("the key after " + kind + " is cut off or mistyped: give the whole line of the .pub file")
	}
	if err := checkBlob(kind, blob); err != nil {
		return SSHKey{}, err
	}
	return SSHKey{Type: kind, Fingerprint: KeyFingerprint(blob), Blob: blob}, nil
}

func badKey(sentence string) error {
	return &Error{Code: EInvalid, Field: "key", Message: sentence}
}

// acceptable refuses a type that no key may have, by its name.
func acceptable(kind string) error {
	switch {
	case fields[kind] != nil:
		return nil
	case kind == "ssh-dss":
		return badKey("DSA keys are broken and OpenSSH has dropped them: make another with ssh-keygen -t ed25519")
	case strings.Contains(kind, "-cert-v01@"):
		return badKey("this is a certificate: add the key that it is about")
	case strings.ContainsAny(kind, `="`), kind == "restrict", kind == "cert-authority":
		return badKey("options of authorized_keys have no meaning here: give the key without them")
	}
	return badKey("this is no public key of SSH: it begins with ssh-ed25519, ssh-rsa, ecdsa-sha2-… or sk-…, as in a .pub file")
}

// fields checks what follows the type in a key's wire format (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4,
// OpenSSH's PROTOCOL.u2f).
var fields = map[string]func([][]byte) error{
	"ssh-ed25519":                        isEd25519,
	"ssh-rsa":                            isRSA,
	"ecdsa-sha2-nistp256":                isECDSA("nistp256", ecdh.P256()),
	"ecdsa-sha2-nistp384":                isECDSA("nistp384", ecdh.P384()),
	"ecdsa-sha2-nistp521":                isECDSA("nistp521", ecdh.P521()),
	"sk-ssh-ed25519@openssh.com":         ofSecurityKey(isEd25519),
	"sk-ecdsa-sha2-nistp256@openssh.com": ofSecurityKey(isECDSA("nistp256", ecdh.P256())),
}

var errMalformed = errors.New("the key is malformed")

func checkBlob(kind string, blob []byte) error {
	parts, err := split(blob)
	if err == nil && string(parts[0]) != kind {
		err = errMalformed
	}
	if err == nil {
		err = fields[kind](parts[1:])
	}
	if errors.Is(err, errMalformed) {
		return badKey("this is no " + kind + " key: give the whole line of the .pub file")
	}
	return err
}

// split takes strings with their length in front apart; there is at least one.
func split(blob []byte) (parts [][]byte, err error) {
	for len(blob) > 0 {
		if len(blob) < 4 {
			return nil, errMalformed
		}
		n := int64(binary.BigEndian.Uint32(blob))
		if n > int64(len(blob)-4) {
			return nil, errMalformed
		}
		parts, blob = append(parts, blob[4:4+n]), blob[4+n:]
	}
	if len(parts) == 0 {
		return nil, errMalformed
	}
	return parts, nil
}

func isEd25519(parts [][]byte) error {
	if len(parts) != 1 || len(parts[0]) != 32 {
		return errMalformed
	}
	return nil
}

func isRSA(parts [][]byte) error {
	if len(parts) != 2 || len(parts[0]) == 0 || len(parts[0]) > 4 || len(parts[1]) == 0 || parts[1][0]&0x80 != 0 {
		return errMalformed
	}
	exponent := new(big.Int).SetBytes(parts[0]).Int64()
	if exponent < 3 || exponent%2 == 0 {
		return errMalformed
	}
	switch bits := new(big.Int).SetBytes(parts[1]).BitLen(); {
	case bits < minRSA:
		return badKey(fmt.Sprintf("an RSA key of %d bits is too weak, %d is the least: make another with ssh-keygen -t ed25519", bits, minRSA))
	case bits > maxRSA:
		return badKey(fmt.Sprintf("an RSA key of %d bits is too slow, %d is the most: make another with ssh-keygen -t ed25519", bits, maxRSA))
	}
	return nil
}

func isECDSA(name string, curve ecdh.Curve) func([][]byte) error {
	return func(parts [][]byte) error {
		if len(parts) != 2 || !bytes.Equal(parts[0], []byte(name)) {
			return errMalformed
		}
		if _, err := curve.NewPublicKey(parts[1]); err != nil {
			return errMalformed
		}
		return nil
	}
}

// ofSecurityKey is a key with the application that it was made for behind it.
func ofSecurityKey(inner func([][]byte) error) func([][]byte) error {
	return func(parts [][]byte) error {
		if len(parts) < 2 || len(parts[len(parts)-1]) == 0 {
			return errMalformed
		}
		return inner(parts[:len(parts)-1])
	}
}
