package deployments

import (
	"cmp"
	"slices"

	"github.com/berth-dev/berth"
)

// drainingGenerations is how many releases that served before may go on with what they have begun.
const drainingGenerations = 2

// mayDrain says by hash which instances may: those of what serves, and of the last that served before. What is to
// take over from what serves needs the place of one. Nil while nothing serves: then nothing is cut.
func mayDrain(heads []berth.Release, target berth.ID) map[string]bool {
	served := slices.DeleteFunc(slices.Clone(heads), func(r berth.Release) bool { return r.ServingAt.IsZero() })
	serving := slices.IndexFunc(served, func(r berth.Release) bool { return r.State == berth.ReleaseServing })
	if serving < 0 {
		return nil
	}
	may := map[string]bool{}
	note := func(r berth.Release) {
		for key, hash := range r.Hashes {
			may[generation(key, hash)] = true
		}
	}
	generations := drainingGenerations
	if served[serving].ID != target {
		generations--
	}
	note(served[serving])
	served = slices.Delete(served, serving, serving+1)
	slices.SortFunc(served, func(a, b berth.Release) int { return b.ServingAt.Compare(a.ServingAt) })
	for _, r := range served[:min(len(served), generations)] {
		note(r)
	}
	return may
}

func generation(key, hash string) string { return key + "@" + hash }

// drained is what the engine hears of instances: what stands by is not drained, and the oldest of too many
// generations is, whatever it is still doing.
func (l *Loop) drained(s snapshot) func(instance string) bool {
	standing, cut := l.standingBy(s), cutOff(s)
	return func(instance string) bool { return cut[instance] || !standing[instance] && l.Drained(instance) }
}

func cutOff(s snapshot) map[string]bool {
	cut := map[string]bool{}
	for _, i := range s.observed.Instances {
		if s.mayDrain != nil && !i.Wanted && !s.mayDrain[generation(i.Element+"/"+i.Workload, i.Hash)] {
			cut[i.ID] = true
		}
	}
	return cut
}

// lastToServe is the release of a list that was the last to begin to serve.
func lastToServe(list []berth.Release) *berth.Release {
	if len(list) == 0 {
		return nil
	}
	last := slices.MaxFunc(list, func(a, b berth.Release) int {
		return cmp.Or(a.ServingAt.Compare(b.ServingAt), cmp.Compare(a.Revision, b.Revision))
	})
	return &last
}
