package berth

import (
	"regexp"
	"strconv"
	"strings"
)

// SecretToken is the opaque text that stands for version n of a vault secret in rendered objects.
// It is made of letters, digits and dashes only, so that it survives every place a chart may put
// it in, a URI or unquoted YAML included.
func SecretToken(id ID, version int) string {
	return "BERTHSECRET-" + string(id) + "-" + strconv.Itoa(version) + "-X"
}

var secretTokenPattern = regexp.MustCompile(`BERTHSECRET-([a-z2-7]{10})-([0-9]+)-X`)

// ReplaceSecretTokens replaces every token in s by what value returns for it.
func ReplaceSecretTokens(s string, value func(id ID, version int) (string, error)) (string, error) {
	if !strings.Contains(s, "BERTHSECRET-") {
		return s, nil
	}
	var failed error
	out := secretTokenPattern.ReplaceAllStringFunc(s, func(token string) string {
		m := secretTokenPattern.FindStringSubmatch(token)
		version, err := strconv.Atoi(m[2])
		if err == nil {
			var v string
			if v, err = value(ID(m[1]), version); err == nil {
				return v
			}
		}
		failed = err
		return token
	})
	return out, failed
}

// MaskSecretTokens replaces every token in s by •••.
func MaskSecretTokens(s string) string {
	return secretTokenPattern.ReplaceAllString(s, masked)
}
