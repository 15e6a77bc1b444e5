package control_test

import (
	"testing"

	"github.com/berth-dev/berth"
)

// staged is a world with a project that declares its stages on main.
func staged(t *testing.T) *world {
	w := newWorld(t)
	w.git.branches["main"], w.git.branches["next"], w.git.branches["feature/a"] = two, one, one
	w.project(t, "shop")
	return w
}

func TestAStageDecidesWhatIsLeftOpen(t *testing.T) {
	w := staged(t)
	for _, c := range []struct {
		new  berth.NewDeployment
		want berth.Deployment
	}{
		{berth.NewDeployment{Stage: "sandbox"}, berth.Deployment{Kind: berth.KindDevelopment, Size: "L", Branch: "main"}},
		{berth.NewDeployment{Stage: "sandbox", Size: "S", Branch: "next"}, berth.Deployment{Kind: berth.KindDevelopment, Size: "S", Branch: "next"}},
		{berth.NewDeployment{Stage: "preview", Branch: "feature/a"}, berth.Deployment{Kind: berth.KindBuild, Size: "M", Branch: "feature/a"}},
		{berth.NewDeployment{Stage: "live"}, berth.Deployment{Kind: berth.KindBuild, Size: "M", Branch: "main"}},
	} {
		c.new.Name = "d" + string(berth.NewID()[:4])
		d := must[berth.Deployment](t)(w.owner.CreateDeployment(t.Context(), "shop", c.new))
		if d.Kind != c.want.Kind || d.Size != c.want.Size || d.Branch != c.want.Branch || d.Stage != c.new.Stage {
			t.Errorf("%+v became %s %s %s", c.new, d.Kind, d.Size, d.Branch)
		}
	}
}

func TestAStageRefusesWhatItDoesNotTake(t *testing.T) {
	w := staged(t)
	for _, c := range []struct {
		new  berth.NewDeployment
		part string
	}{
		{berth.NewDeployment{Name: "web", Stage: "production"}, `there is no stage "production": choose one of sandbox, preview, live`},
		{berth.NewDeployment{Name: "web", Stage: "preview"}, "stage preview takes the branch feature/*, not main"},
		{berth.NewDeployment{Name: "web", Stage: "live", Branch: "next"}, "stage live takes the branch main, not next"},
		{berth.NewDeployment{Name: "web", Stage: "live", Size: "XXL"}, "choose S, M, L or XL"},
	} {
		_, err := w.owner.CreateDeployment(t.Context(), "shop", c.new)
		mustFail(t, err, berth.EInvalid, c.part)
	}
}

// A branch that drops the rules from its own file is still held to those of the default branch.
func TestOnlyTheDefaultBranchDeclaresStages(t *testing.T) {
	w := staged(t) // next has no stages of its own, so it would offer production
	_, err := w.owner.CreateDeployment(t.Context(), "shop", berth.NewDeployment{Name: "web", Stage: "production", Branch: "next"})
	mustFail(t, err, berth.EInvalid, "choose one of sandbox, preview, live")
	w.git.branches["main"] = wrong // and a file that is broken for a while takes none away
	_, err = w.owner.CreateDeployment(t.Context(), "shop", berth.NewDeployment{Name: "web", Stage: "live", Branch: "next"})
	mustFail(t, err, berth.EInvalid, "stage live takes the branch main, not next")
}

func TestAProjectShowsTheStagesThatItsNewestCommitDeclares(t *testing.T) {
	w := newWorld(t)
	w.project(t, "shop")
	d := w.deployment(t, "shop", "web", "production")
	w.git.branches["main"], w.git.branches["next"] = two, one
	must[berth.Release](t)(w.owner.Deploy(t.Context(), d.Slug, ""))
	p := must[berth.Project](t)(w.owner.Project(t.Context(), "shop"))
	if len(p.Stages) != 3 || p.Stages[2].Branch != "main" {
		t.Errorf("offers %+v", p.Stages)
	}
}

// A commit goes around no rule: only those of the branches that a stage takes are deployed there.
func TestAStageTakesNoCommitOfAnotherBranch(t *testing.T) {
	w := staged(t)
	d := w.deployment(t, "shop", "web", "live")
	_, err := w.owner.Deploy(t.Context(), d.Slug, one)
	mustFail(t, err, berth.EInvalid, "stage live takes the branch main, and commit 11111111 is on no such branch")
	must[berth.Release](t)(w.owner.Deploy(t.Context(), d.Slug, two))
	must[berth.Release](t)(w.owner.Deploy(t.Context(), d.Slug, ""))
}

func TestAFileKeptForAnotherBranchChangesNoStages(t *testing.T) {
	w := staged(t)
	w.proposes("usual", nil)
	must[berth.ProjectFile](t)(w.owner.ProposeProjectFile(t.Context(), "shop", "empty"))
	if p := must[berth.Project](t)(w.owner.Project(t.Context(), "shop")); len(p.Stages) != 3 || p.Stages[2].Identifier != "live" {
		t.Errorf("offers %+v", p.Stages)
	}
}
