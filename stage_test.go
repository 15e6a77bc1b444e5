package berth_test

import (
	"testing"

	"github.com/berth-dev/berth"
)

func TestStageTakes(t *testing.T) {
	for rule, branches := range map[string]map[string]bool{
		"":            {"main": true, "anything/at-all": true},
		"main":        {"main": true, "mainline": false, "a/main": false, "": false},
		"release/*":   {"release/1": true, "release/": true, "release": false, "a/release/1": false},
		"*":           {"main": true, "a/b": true},
		"*-fix":       {"a-fix": true, "a/b-fix": true, "fix": false, "a-fix-b": false},
		"v*.x":        {"v1.x": true, "v.x": true, "v1.y": false, "v.": false},
		"a*b*a":       {"aba": true, "axbxa": true, "aa": false, "ab": false, "abab": false},
		"team/*/live": {"team/a/live": true, "team/live": false, "team/a/b/live": true},
	} {
		for branch, want := range branches {
			if got := (berth.Stage{Branch: rule}).Takes(branch); got != want {
				t.Errorf("rule %q takes %q: %v", rule, branch, got)
			}
		}
	}
}

func TestStageDefaultBranch(t *testing.T) {
	for rule, want := range map[string]string{"": "trunk", "release/*": "trunk", "live": "live"} {
		if got := (berth.Stage{Branch: rule}).DefaultBranch("trunk"); got != want {
			t.Errorf("rule %q: %s, want %s", rule, got, want)
		}
	}
}
