package berth

import (
	"fmt"
	"log/slog"
)

const masked = "•••"

// Secret holds a value that cannot be printed, logged or marshalled by accident.
// Only Reveal gives it out; callers of Reveal are what a review looks at.
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether there is no value.
func (s Secret) Empty() bool { return s.value == "" }

func (s Secret) String() string               { return masked }
func (s Secret) GoString() string             { return masked }
func (s Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, masked) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(masked) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }
