// Package params resolves the parameters of a stack's elements: expressions, imports between
// elements, precedence, and values that are generated once and then kept.
//
// It is pure but for the hooks it is given, and the same input gives the same output. It must
// not know files, packages, the store, the vault or Kubernetes. Secrets pass through it as
// tokens (berth.SecretToken); it sees one only to sign with it or to compare it.
package params

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// MaxValue is the longest value in bytes: Linux takes no more than 128 KiB in one variable.
	MaxValue = 64 << 10
	// MaxEnvironment is how long all values and names of one element may be together.
	MaxEnvironment = 1 << 20

	maxDepth    = 64 // of references to references
	maxIncludes = 1000
	maxProblems = 20
	maxWarnings = 100
)

// Input is everything that decides the parameters of one deployment.
type Input struct {
	Deployment berth.ID
	Elements   []Element // in the order of the project file
	// Settings are the deployment's own: what persons set, and with Generated what an earlier
	// Resolve returned in Result.Generated. The Value of one with a Ref is the secret's token.
	Settings []berth.Setting
	// Shared are the project's. Without an Element they are for every element.
	Shared []berth.Setting
	// Store puts a secret into the vault and returns its token.
	Store func(value berth.Secret) (token string, err error)
	// Reveal returns the secret behind a token of Settings, Shared or Store.
	Reveal func(token string) (berth.Secret, error)
	Random io.Reader
	Now    time.Time
}

// Element is what one element declares and asks for.
type Element struct {
	Identifier string
	Params     []Param // parameters of all groups, enabled or not, then environment variables
	Includes   []Include
	Statics    []Assignment
	Platform   []Assignment // see Platform
}

// Param is a value that the element's package declares.
type Param struct {
	Name     string
	Default  string // may hold expressions
	Secret   bool
	ReadOnly bool
	Group    string // passed through to Value
}

// Include is an import. Path is "element.NAME", where * stands for any text, dots included;
// a single name may be given another, as As or behind a colon in Path.
type Include struct {
	Path string
	As   string
}

// Assignment is a name with its value. Statics may hold expressions, platform values not.
type Assignment struct {
	Name  string
	Value string
}

// Result is the resolved parameters of all elements.
type Result struct {
	Values map[string][]Value // by element
	// Generated is what has to be stored, so that the next Resolve finds it in Settings.
	Generated []berth.Setting
	Warnings  []string
}

// Value is one resolved parameter. Where it holds a secret, it holds a token in its place.
type Value struct {
	Name     string
	Value    string
	Secret   bool
	Origin   berth.Origin
	ReadOnly bool // nobody may set it: declared so, or the platform's
	Group    string
}

// CheckSet returns why a person may not set a parameter, or nil. Any other valid name may be set.
func (r Result) CheckSet(element, name string) error {
	values, ok := r.Values[element]
	if !ok {
		return berth.Errorf(berth.ENotFound, "there is no element %s in this deployment", element)
	}
	if !validName(name) {
		return &berth.Error{Code: berth.EInvalid, Field: name, Message: "is not a name for a variable; use letters, digits and underscores, starting with a letter"}
	}
	for _, v := range values {
		if v.Name == name && v.ReadOnly {
			return berth.Errorf(berth.EConflict, "%s of %s cannot be set: it is decided by %s", name, element, decider(v.Origin))
		}
	}
	return nil
}

func decider(o berth.Origin) string {
	if o == berth.OriginPlatform {
		return "Berth"
	}
	return "its package"
}

// Endpoint is a host of an element as its parameters name it.
type Endpoint struct {
	Host    string // identifier
	URL     string // https://host; empty: no public name
	Service string // name of the Service behind it
	Port    int    // of the Service; 0: none
}

// Platform returns the values that Berth itself gives an element.
func Platform(stage, element string, endpoints []Endpoint) []Assignment {
	values := []Assignment{{"STAGE", stage}}
	for _, e := range endpoints {
		prefix := strings.ToUpper(strings.ReplaceAll(e.Host, "-", "_"))
		if e.URL != "" {
			values = append(values, Assignment{prefix + "_ENDPOINT", e.URL})
		}
		if e.Port > 0 {
			internal := "http://" + e.Service + "." + element + ":" + strconv.Itoa(e.Port)
			values = append(values, Assignment{prefix + "_INTERNAL_ENDPOINT", internal})
		}
	}
	return values
}

// validName reports whether name can be an environment variable that no template trips over.
func validName(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '.' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}
