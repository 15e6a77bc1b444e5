package berth

import (
	"regexp"
	"strings"
)

// Origin says which level of precedence gave a parameter its value. Later ones win.
type Origin string

const (
	OriginPlatform   Origin = "platform"
	OriginPackage    Origin = "package"
	OriginGenerated  Origin = "generated"
	OriginWildcard   Origin = "import*"
	OriginImport     Origin = "import"
	OriginProject    Origin = "project file"
	OriginShared     Origin = "project"
	OriginDeployment Origin = "deployment"
)

// Parameter is a named value of an element. A secret's Value is empty unless revealed.
type Parameter struct {
	Element  string `json:"element"`
	Name     string `json:"name"`
	Value    string `json:"value,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	Origin   Origin `json:"origin"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Setting is a value that a person gave a deployment, or that was generated for it once:
// what the store keeps. A secret's value lives in the vault under Ref.
type Setting struct {
	Deployment ID
	Element    string
	Name       string
	Value      string
	Ref        ID // of the vault secret, when it is one
	Generated  bool
}

// MaxValue is the longest value of a parameter.
const MaxValue = 64 << 10

var parameterPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ValidateParameter checks a parameter that a person gives a value; the error never holds the value.
func ValidateParameter(name, value string) error {
	switch {
	case !parameterPattern.MatchString(name) || len(name) > 200:
		return &Error{Code: EInvalid, Field: name, Message: "a parameter's name is made of letters, digits and underscores and starts with no digit, like LOG_LEVEL"}
	case len(value) > MaxValue:
		return &Error{Code: EInvalid, Field: name, Message: "a parameter's value may have at most 64 KiB"}
	case strings.ContainsRune(value, 0):
		return &Error{Code: EInvalid, Field: name, Message: "a parameter's value may not hold a NUL byte"}
	}
	return nil
}

var secretNamePattern = regexp.MustCompile(`(?i)(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(API|PRIVATE|ACCESS|SECRET|ENCRYPTION|SIGNING|MASTER|AUTH|SERVICE_ROLE)_?KEY)[0-9]*$`)

// LooksSecret reports whether a parameter of this name is likely to hold a secret, so that a person is
// asked to say so before its value is shown or stored in plain.
func LooksSecret(name string) bool { return secretNamePattern.MatchString(name) }
