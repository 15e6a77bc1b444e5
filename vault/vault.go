// Package vault keeps secrets at rest: it seals values with a key file of its own and opens them
// again. It must not know where sealed values are stored, whose they are or what they are for.
package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/berth-dev/berth"
)

// Vault seals and unseals with one key. It is safe for concurrent use.
type Vault struct {
	file     string
	identity *age.X25519Identity
}

// Open reads the key from its file, or makes both when there is no such file. Only the file's
// owner may have access to it.
func Open(keyFile string) (*Vault, error) {
	identity, err := readKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		identity, err = createKey(keyFile)
	}
	if err != nil {
		return nil, err
	}
	return &Vault{file: keyFile, identity: identity}, nil
}

// Derive makes another key of this one, always the same for a purpose (HKDF, RFC 5869).
func (v *Vault) Derive(purpose string) (berth.Secret, error) {
	key, err := hkdf.Key(sha256.New, []byte(v.identity.String()), nil, purpose, sha256.Size)
	return berth.NewSecret(string(key)), err
}

// Fingerprint names the key without showing it: stored beside what was sealed, it tells at start
// whether this is the right key.
func (v *Vault) Fingerprint() string { return v.identity.Recipient().String() }

// Seal encrypts a value; two seals of one value differ.
func (v *Vault) Seal(value berth.Secret) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, v.identity.Recipient())
	if err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	if _, err := io.WriteString(w, value.Reveal()); err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	return sealed.Bytes(), nil
}

// Unseal decrypts what Seal returned.
func (v *Vault) Unseal(sealed []byte) (berth.Secret, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), v.identity)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return berth.Secret{}, explain(err, "a stored secret was sealed with another key than the one in %s: put the key file back that belongs to this database", v.file)
	}
	if err != nil {
		return berth.Secret{}, damaged(err)
	}
	value, err := io.ReadAll(r)
	if err != nil {
		return berth.Secret{}, damaged(err)
	}
	return berth.NewSecret(string(value)), nil
}

func damaged(err error) error {
	return explain(err, "a stored secret is damaged: restore the database from a backup, or set the value again")
}

// explain makes an error for the operator; its cause goes to the log only.
func explain(cause error, format string, args ...any) error {
	e := berth.Errorf(berth.EUnavailable, format, args...)
	e.Err = cause
	return e
}

func readKey(file string) (*age.X25519Identity, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, berth.Errorf(berth.EUnavailable, "the key %s is no regular file: Berth does not follow links to its key", file)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, berth.Errorf(berth.EUnavailable, "the key %s may be read by others: make it yours alone with chmod 600 %s", file, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil { // the cause may quote the key: it is dropped
		return nil, berth.Errorf(berth.EUnavailable, "the key file %s holds no key: restore it from your backup; without it no stored secret can be read", file)
	}
	return identity, nil
}
