package params

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// Kept values live in settings under names that no variable can have, so that a person's value
// for the variable stands beside them and they are there again when it is removed.
const (
	keptSeparator = "#"
	keptLiteral   = "value"
)

// keptName names the n-th generated part of a variable.
func keptName(variable string, n int) string {
	return variable + keptSeparator + strconv.Itoa(n)
}

func variableOf(kept string) string {
	name, _, _ := strings.Cut(kept, keptSeparator)
	return name
}

func keptKey(element, name string) string { return element + "." + name }

// keptToken returns the token that an earlier Resolve kept, or this one.
func (r *resolver) keptToken(s *scope, name string) (string, bool) {
	kept, ok := r.kept[keptKey(s.identifier, name)]
	return kept.Value, ok && r.issued[kept.Value]
}

// keep stores a new secret and has it persisted.
func (r *resolver) keep(s *scope, name, value string) (string, error) {
	token, err := r.input.Store(berth.NewSecret(value))
	if err != nil {
		return "", fmt.Errorf("store %s: %w", s.label(variableOf(name)), err)
	}
	id, ok := tokenID(token)
	if !ok {
		return "", errors.New("store " + s.label(variableOf(name)) + ": the vault returned no token")
	}
	setting := berth.Setting{Deployment: r.input.Deployment, Element: s.identifier, Name: name, Value: token, Ref: id, Generated: true}
	r.issued[token] = true
	r.kept[keptKey(s.identifier, name)] = setting
	r.generated = append(r.generated, setting)
	return token, nil
}

// keepLiteral returns a token for a secret that a file holds as plain text. It is the kept one
// while the text is the same: a new one would restart what uses it.
func (r *resolver) keepLiteral(s *scope, variable, text string) (string, error) {
	name := variable + keptSeparator + keptLiteral
	if kept, ok := r.keptToken(s, name); ok {
		value, err := r.input.Reveal(kept)
		if err != nil {
			return "", fmt.Errorf("reveal %s: %w", s.label(variable), err)
		}
		if value.Reveal() == text {
			return kept, nil
		}
	}
	return r.keep(s, name, text)
}

// reveal replaces the tokens in text by their secrets.
func (r *resolver) reveal(text string) (berth.Secret, error) {
	plain, err := berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		value, err := r.input.Reveal(berth.SecretToken(id, version))
		return value.Reveal(), err
	})
	return berth.NewSecret(plain), err
}

// onlyIssued reports whether every token in text is one that this deployment may use. Without
// it a project file could name another project's secret, or put a token together from pieces.
func (r *resolver) onlyIssued(text string) bool {
	_, err := berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		if !r.issued[berth.SecretToken(id, version)] {
			return "", errors.New("not issued")
		}
		return "", nil
	})
	return err == nil
}

func hasToken(text string) bool { return berth.MaskSecretTokens(text) != text }

// tokenID returns the secret that text is the token of.
func tokenID(text string) (id berth.ID, ok bool) {
	rest, err := berth.ReplaceSecretTokens(text, func(found berth.ID, version int) (string, error) {
		id, ok = found, berth.SecretToken(found, version) == text
		return "", nil
	})
	return id, ok && err == nil && rest == ""
}
