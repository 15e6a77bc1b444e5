package berth

import (
	"context"
	"strings"
)

// PlanService is about the project file of a development deployment's working tree.
type PlanService interface {
	// Plan says what carrying out the saved file would add, change and remove.
	Plan(ctx context.Context, ref string) (Plan, error)
	// Apply carries the saved file out. With nothing to do it makes no release.
	Apply(ctx context.Context, ref string) (Applied, error)
}

// Plan is how a project file differs from what a deployment runs.
type Plan struct {
	Added   []Planned `json:"added"`
	Changed []Planned `json:"changed"`
	Removed []Planned `json:"removed"`
}

// Planned is what would become of one element.
type Planned struct {
	Element string      `json:"element"`
	Kind    ElementKind `json:"kind"`
	Package string      `json:"package"`
	// Reasons are the parts of a changed element that differ, never their values.
	Reasons []string `json:"reasons,omitempty"`
}

// Applied is what became of a plan.
type Applied struct {
	Plan     Plan   `json:"plan"`
	Slug     string `json:"slug"`
	Revision int    `json:"revision,omitempty"` // of the release that carries it out; 0: there was nothing to do
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Added)+len(p.Changed)+len(p.Removed) == 0 }

// String says the plan in a few words: "add db, change web (health), remove api".
func (p Plan) String() string {
	var parts []string
	say := func(verb string, list []Planned) {
		for _, one := range list {
			text := verb + " " + one.Element
			if len(one.Reasons) > 0 {
				text += " (" + strings.Join(one.Reasons, ", ") + ")"
			}
			parts = append(parts, text)
		}
	}
	say("add", p.Added)
	say("change", p.Changed)
	say("remove", p.Removed)
	return strings.Join(parts, ", ")
}
