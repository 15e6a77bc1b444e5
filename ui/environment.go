package ui

import (
	"net/url"
	"slices"

	"github.com/berth-dev/berth"
)

// environmentPage is what an element is told by its environment, and where each value comes from.
func environmentPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	element := chosenElement(d, q.asked("element"), q.form("element"))
	var parameters []berth.Parameter
	if element != "" {
		if q.revealed != nil {
			parameters = q.revealed
		} else if parameters, err = q.service.Environment(q.ctx, d.Slug, element); err != nil {
			return screen{}, err
		}
	}
	cli := "berth env ls " + d.Slug
	if element != "" {
		cli += " " + element
	}
	return screen{title: "Environment of " + d.Slug, place: p, cli: cli,
		still: environment(q.frame(""), p, d, element, parameters, q.revealed != nil)}, nil
}

// chosenElement is the element that was asked for, else the first component.
func chosenElement(d berth.Deployment, asked ...string) string {
	for _, name := range asked {
		if name != "" {
			return name
		}
	}
	at := slices.IndexFunc(d.Elements, func(e berth.ElementStatus) bool { return e.Kind == berth.KindComponent })
	if at < 0 && len(d.Elements) > 0 {
		at = 0
	}
	if at < 0 {
		return ""
	}
	return d.Elements[at].Identifier
}

func (q *query) environmentAt(word string) string {
	return "/deployments/" + q.path("deployment") + "/environment?" + url.Values{"element": {q.form("element")}, "done": {word}}.Encode()
}

// setParameter gives one value.
func setParameter(q *query) (string, error) {
	plain, secret := q.parameter()
	return q.environmentAt("set"), q.service.SetEnvironment(q.ctx, q.path("deployment"), q.form("element"), plain, secret)
}

func unsetParameter(q *query) (string, error) {
	return q.environmentAt("unset"), q.service.UnsetEnvironment(q.ctx, q.path("deployment"), q.form("element"), []string{q.form("name")})
}

// revealParameters shows secrets in the answer to this one form: no address leads to them.
func revealParameters(q *query) (to string, err error) {
	q.revealed, err = q.service.RevealEnvironment(q.ctx, q.path("deployment"), q.form("element"))
	return "", err
}

// origins says in a word where a value comes from.
var origins = map[berth.Origin]string{
	berth.OriginPlatform: "Berth", berth.OriginPackage: "Package", berth.OriginGenerated: "Generated", berth.OriginWildcard: "Imported",
	berth.OriginImport: "Imported", berth.OriginProject: "Project file", berth.OriginShared: "Project", berth.OriginDeployment: "Set here",
}

func originOf(o berth.Origin) string {
	if word, ok := origins[o]; ok {
		return word
	}
	return string(o)
}

func hasSecret(list []berth.Parameter) bool {
	return slices.ContainsFunc(list, func(p berth.Parameter) bool { return p.Secret })
}
