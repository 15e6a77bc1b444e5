package stackfile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// maxStages is far more than any project has.
const maxStages = 50

// stages reads the file's "berth.stages".
func stages(list value) (all []berth.Stage) {
	for _, item := range list.list() {
		stage, o := readStage(item)
		if stage.Identifier != "" && slices.ContainsFunc(all, func(s berth.Stage) bool { return s.Identifier == stage.Identifier }) {
			o.get("identifier").fail("%s is given twice; every stage needs its own identifier", shown(stage.Identifier))
		}
		all = append(all, stage)
	}
	switch {
	case len(all) == 0 && !list.absent():
		list.fail("is empty; name at least one stage, or remove the key to get development, staging and production")
	case len(all) > maxStages:
		list.fail("names %d stages; at most %d are read", len(all), maxStages)
	}
	return all
}

func readStage(v value) (berth.Stage, object) {
	o := v.object(stageKeys)
	stage := berth.Stage{Identifier: identifier(o), Name: o.get("name").line(), Kind: berth.StageKind(o.get("kind").text())}
	if stage.Kind != berth.KindDevelopment && stage.Kind != berth.KindBuild {
		o.get("kind").fail("must be %s (live code) or %s (built images)", berth.KindDevelopment, berth.KindBuild)
	}
	if o.has("size") {
		stage.Size = berth.Size(o.get("size").text())
		if _, known := berth.LimitsOf(stage.Size); !known {
			o.get("size").fail("%s is not a size; choose S, M, L or XL", shown(string(stage.Size)))
		}
	}
	if o.has("branch") {
		stage.Branch = branchRule(o.get("branch"))
	}
	return stage, o
}

var branchRulePattern = regexp.MustCompile(`^[A-Za-z0-9_*][A-Za-z0-9._/@+#=*-]{0,199}$`)

// branchRule reads the name of a branch, in which * stands for any text.
func branchRule(v value) string {
	rule := v.text()
	if !branchRulePattern.MatchString(rule) || strings.Contains(rule, "..") || strings.Count(rule, "*") > 4 {
		v.fail("%s is not the name of a branch; write one like main, or release/* where * stands for any text", shown(rule))
		return ""
	}
	return rule
}
