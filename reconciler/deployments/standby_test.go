package deployments_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/engine/fake"
	"github.com/berth-dev/berth/sqlite"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// takeOver lets a first release serve and a second one take over from it.
func (b *bench) takeOver(second string) (before, after berth.ID) {
	b.Helper()
	before = b.release(berth.ReleaseStarting, "web:1")
	b.run(2 * time.Minute)
	after = b.release(berth.ReleaseStarting, second)
	b.run(5 * time.Second)
	if r := b.state(after); r.State != berth.ReleaseServing {
		b.Fatalf("the second release is %s: %s", r.State, r.Message)
	}
	return before, after
}

// serves checks which release serves, and that the other does not.
func (b *bench) serves(yes, no berth.ID, as berth.ReleaseState, why string) {
	b.Helper()
	if r := b.state(yes); r.State != berth.ReleaseServing {
		b.Errorf("release %d is %s, want serving", r.Revision, r.State)
	}
	if r := b.state(no); r.State != as || !strings.Contains(r.Message, why) {
		b.Errorf("release %d is %s: %q, want %s: %q", r.Revision, r.State, r.Message, as, why)
	}
}

func (b *bench) instances() int { return len(b.observed().Instances) }

func TestWhatServedStandsByForAMinute(t *testing.T) {
	b := newBench(t)
	before, after := b.takeOver("web:2")
	b.run(50 * time.Second)
	if b.instances() != 2 {
		t.Errorf("%d instances within the minute, want the old one too", b.instances())
	}
	b.run(time.Minute)
	if b.instances() != 1 {
		t.Errorf("%d instances after the minute", b.instances())
	}
	b.serves(after, before, berth.ReleaseSuperseded, "")
}

func TestTheReleaseBeforeServesAgainWhenTheNewOneEnds(t *testing.T) {
	b := newBench(t)
	b.images["web:2"] = fake.Behaviour{Exits: true, ExitAfter: 15 * time.Second, ExitCode: 3}
	before, after := b.takeOver("web:2")
	b.run(30 * time.Second)
	b.serves(before, after, berth.ReleaseFailed, "web ended 15s after it began to serve")
	b.run(time.Minute)
	o := b.observed()
	if len(o.Instances) != 1 || !o.Instances[0].Ready || o.Instances[0].Run != 1 || o.Instances[0].Hash != b.state(before).Hashes["web/app"] {
		t.Errorf("not the old instance serves: %+v", o.Instances)
	}
	if b.told("release.failed") != 1 {
		t.Errorf("the failure was told %d times", b.told("release.failed"))
	}
}

func TestTheReleaseBeforeServesAgainWhenTheNewOneStopsBeingReady(t *testing.T) {
	b := newBench(t)
	before, after := b.takeOver("web:2")
	for _, i := range b.observed().Instances {
		if i.Wanted {
			no := false
			if err := b.machine.SetReady(i.ID, &no); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.run(8 * time.Second)
	b.serves(after, before, berth.ReleaseSuperseded, "")
	b.run(8 * time.Second)
	b.serves(before, after, berth.ReleaseFailed, "web has not been ready for")
}

func TestTheReleaseBeforeServesAgainWhenRequestsFail(t *testing.T) {
	for name, c := range map[string]struct {
		before, since [2]uint64
		lost          bool
	}{
		"49 requests are too few to judge":                   {[2]uint64{100, 0}, [2]uint64{49, 49}, false},
		"5 % are borne":                                      {[2]uint64{100, 0}, [2]uint64{100, 5}, false},
		"6 % where none failed before are not":               {[2]uint64{100, 0}, [2]uint64{100, 6}, true},
		"what is no more than twice as bad as before may be": {[2]uint64{100, 10}, [2]uint64{100, 20}, false},
		"what is more than twice as bad may not":             {[2]uint64{100, 10}, [2]uint64{100, 21}, true},
		"where nobody asked before only the share counts":    {[2]uint64{}, [2]uint64{50, 3}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.release(berth.ReleaseStarting, "web:1")
			b.run(2 * time.Minute)
			for _, i := range b.observed().Instances {
				b.lately[i.Hash] = c.before
			}
			before := b.newest()
			after := b.release(berth.ReleaseStarting, "web:2")
			b.run(5 * time.Second)
			b.since[b.state(after).Hashes["web/app"]] = c.since
			b.run(10 * time.Second)
			if c.lost {
				b.serves(before, after, berth.ReleaseFailed, "requests failed")
			} else {
				b.serves(after, before, berth.ReleaseSuperseded, "")
			}
		})
	}
}

func (b *bench) newest() (id berth.ID) {
	b.view(func(tx *sqlite.Tx) error {
		r, _, err := tx.LatestRelease(shop)
		id = r.ID
		return err
	})
	return id
}

func TestNothingStandsByWithoutMemoryForIt(t *testing.T) {
	b := newBench(t)
	b.short = true
	b.images["web:2"] = fake.Behaviour{Exits: true, ExitAfter: 40 * time.Second, ExitCode: 3}
	before, after := b.takeOver("web:2")
	b.run(20 * time.Second)
	if b.instances() != 1 || b.told("release.alone") != 1 {
		t.Errorf("%d instances, though memory is short; told %d times", b.instances(), b.told("release.alone"))
	}
	b.run(30 * time.Second)
	b.serves(after, before, berth.ReleaseSuperseded, "")
}

func TestAServersRestartEndsNoTrial(t *testing.T) {
	b := newBench(t)
	b.images["web:2"] = fake.Behaviour{Exits: true, ExitAfter: 30 * time.Second, ExitCode: 3}
	before, after := b.takeOver("web:2")
	b.restart()
	b.run(40 * time.Second)
	b.serves(before, after, berth.ReleaseFailed, "web ended")
}

func TestANewerReleaseEndsTheTrial(t *testing.T) {
	b := newBench(t)
	_, second := b.takeOver("web:2")
	third := b.release(berth.ReleaseStarting, "web:3")
	b.run(10 * time.Second)
	b.serves(third, second, berth.ReleaseSuperseded, "")
	b.run(2 * time.Minute)
	if b.instances() != 1 {
		t.Errorf("%d instances after the third release's own trial", b.instances())
	}
}

// migrating stores a release that runs a command before it starts.
func (b *bench) migrating(web, migrate string) (id berth.ID) {
	b.Helper()
	id = b.release(berth.ReleasePending)
	template := berth.ReleaseElement{}
	other := b.release(berth.ReleaseSuperseded, web)
	template = b.state(other).Elements[0]
	objects, err := chart.Unmarshal(template.Objects)
	if err != nil {
		b.Fatal(err)
	}
	objects = append(objects, &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: metav1.ObjectMeta{Name: berth.PreDeploy},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: migrate, Env: []corev1.EnvVar{{Name: "BERTH_RELEASE", Value: string(id)}},
		}}}}},
	})
	if template.Objects, err = chart.Marshal([]runtime.Object(objects)); err != nil {
		b.Fatal(err)
	}
	template.Workloads = map[string]int{"app": 1, berth.PreDeploy: 1}
	b.update(func(tx *sqlite.Tx) error {
		r, err := tx.Release(id)
		if err != nil {
			return err
		}
		r.State, r.StartingAt, r.Elements = berth.ReleaseStarting, b.now, []berth.ReleaseElement{template}
		return tx.UpdateRelease(r)
	})
	return id
}

func TestNothingStartsBeforeThePreDeployCommandIsDone(t *testing.T) {
	b := newBench(t)
	old := b.release(berth.ReleaseStarting, "web:1")
	b.run(2 * time.Minute)
	b.images["migrate:2"] = fake.Behaviour{Exits: true, ExitAfter: 20 * time.Second}
	id := b.migrating("web:2", "migrate:2")
	b.run(15 * time.Second)
	for _, i := range b.observed().Instances {
		if i.Wanted && i.Workload == "app" {
			t.Errorf("web started before its migration was done: %+v", i)
		}
	}
	b.serves(old, id, berth.ReleaseStarting, "")
	b.run(time.Minute)
	b.serves(id, old, berth.ReleaseSuperseded, "")
	b.run(2 * time.Minute)
	if o := b.observed(); len(o.Instances) != 1 || o.Elements[0].Status != berth.Green {
		t.Errorf("afterwards: %+v", o)
	}
}

func TestAReleaseFailsWithItsPreDeployCommand(t *testing.T) {
	b := newBench(t)
	old := b.release(berth.ReleaseStarting, "web:1")
	b.run(2 * time.Minute)
	b.images["migrate:2"] = fake.Behaviour{Exits: true, ExitAfter: time.Second, ExitCode: 7}
	id := b.migrating("web:2", "migrate:2")
	b.run(10 * time.Second)
	b.serves(old, id, berth.ReleaseFailed, "the pre-deploy command of web failed")
	b.run(2 * time.Minute)
	if o := b.observed(); len(o.Instances) != 1 || o.Instances[0].Run != 1 || !o.Instances[0].Ready {
		t.Errorf("what served was touched: %+v", o.Instances)
	}
}

func TestAFailedReleaseShowsWhatItsInstanceWroteLast(t *testing.T) {
	b := newBench(t)
	b.images["web:1"] = crashes
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	r := b.state(id)
	why, lines, _ := strings.Cut(r.Message, "\n")
	if !strings.Contains(why, "web ended 3 times") || !strings.HasPrefix(lines, "It could not reach packages.test: ") || !strings.Contains(lines, "\n  | line of ") || !strings.HasSuffix(lines, "\n  | "+strings.Repeat("é", 150)+"…") {
		t.Errorf("the message is %q", r.Message)
	}
	b.view(func(tx *sqlite.Tx) error {
		events, err := tx.Events(berth.Everything(), "", 0, 0)
		for _, e := range events {
			if strings.Contains(e.Message, "line of") {
				t.Errorf("an event has what the program wrote: %s", e.Message)
			}
		}
		return err
	})
}

func TestTheOldestOfThreeDrainingReleasesIsCut(t *testing.T) {
	b := newBench(t)
	b.busy = map[string]bool{}
	var oldest string
	for _, image := range []string{"web:1", "web:2", "web:3", "web:4"} {
		id := b.release(berth.ReleaseStarting, image)
		b.run(10 * time.Second)
		if r := b.state(id); r.State != berth.ReleaseServing {
			t.Fatalf("release %d is %s: %s", r.Revision, r.State, r.Message)
		}
		for _, i := range b.observed().Instances {
			b.busy[i.ID] = true // and never drains
			if oldest == "" {
				oldest = i.ID
			}
		}
	}
	b.run(10 * time.Second)
	if o := b.observed(); len(o.Instances) != 3 || o.Instances[0].ID == oldest {
		t.Errorf("%d instances, want the newest and two that drain: %+v", len(o.Instances), o.Instances)
	}
}
