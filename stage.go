package berth

import "strings"

// StageKind decides the rules of a stage: live code or built images.
type StageKind string

const (
	KindDevelopment StageKind = "development"
	KindBuild       StageKind = "build"
)

// Stage is one of those a project offers.
type Stage struct {
	Identifier string    `json:"identifier"`
	Name       string    `json:"name,omitempty"`
	Kind       StageKind `json:"kind"`
	Size       Size      `json:"size,omitempty"`   // of its deployments, unless they ask for another
	Branch     string    `json:"branch,omitempty"` // rule: the branches it takes, * standing for any text; empty: every one
}

// Takes reports whether a deployment of the stage may run a branch.
func (s Stage) Takes(branch string) bool {
	if s.Branch == "" {
		return true
	}
	parts := strings.Split(s.Branch, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return branch == first
	}
	rest, begins := strings.CutPrefix(branch, first)
	if !begins {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}

// DefaultBranch is the branch of a deployment that names none: the one the rule means, else the project's.
func (s Stage) DefaultBranch(ofProject string) string {
	if s.Branch == "" || strings.Contains(s.Branch, "*") {
		return ofProject
	}
	return s.Branch
}

// DefaultStages are on offer where a project declares none.
func DefaultStages() []Stage {
	return []Stage{
		{Identifier: "development", Kind: KindDevelopment},
		{Identifier: "staging", Kind: KindBuild},
		{Identifier: "production", Kind: KindBuild},
	}
}
