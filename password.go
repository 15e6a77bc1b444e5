package berth

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

const (
	// MinPassword and MaxPassword bound what visitors of a host may be asked for, in bytes.
	MinPassword = 8
	MaxPassword = 256

	passwordScheme = "pbkdf2-sha256" // RFC 8018, 5.2
	passwordRounds = 600_000
	passwordSalt   = 16
)

// ValidatePassword checks a password that visitors of a host shall be asked for.
func ValidatePassword(p Secret) error {
	if n := len(p.Reveal()); n < MinPassword || n > MaxPassword {
		return &Error{Code: EInvalid, Field: "password", Message: fmt.Sprintf("a password has %d to %d characters", MinPassword, MaxPassword)}
	}
	return nil
}

// HashPassword returns what is stored of a password: it can be checked, and not be turned back. Takes about a tenth
// of a second.
func HashPassword(p Secret) (string, error) {
	salt := make([]byte, passwordSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	sum, err := pbkdf2.Key(sha256.New, p.Reveal(), salt, passwordRounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{passwordScheme, strconv.Itoa(passwordRounds), encode(salt), encode(sum)}, "$"), nil
}

// PasswordFits reports whether a hash is that of a password. A hash that cannot be read is nobody's. Takes as long
// as HashPassword.
func PasswordFits(hash, password string) bool {
	parts := strings.Split(hash, "$")
	if len(parts) != 4 || parts[0] != passwordScheme || len(password) > MaxPassword {
		return false
	}
	rounds, err := strconv.Atoi(parts[1])
	if err != nil || rounds < 1 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || len(want) != sha256.Size {
		return false
	}
	sum, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(sum, want) == 1
}
