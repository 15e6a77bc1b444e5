package deployments

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// instancesOf turns what the engine saw into what people see, in a fixed order.
func instancesOf(seen []engine.Instance) []berth.InstanceStatus {
	out := make([]berth.InstanceStatus, 0, len(seen))
	for _, i := range seen {
		out = append(out, berth.InstanceStatus{
			ID: i.ID, Element: i.Element, Workload: i.Workload, Hash: i.Hash, Slot: i.Slot, Run: i.Run,
			State: i.State, Ready: i.Ready, Wanted: i.Wanted, Address: i.Address,
			Reason: i.Reason, Message: berth.MaskSecretTokens(i.Message), // an engine quotes what a chart wrote
			ExitCode:  i.ExitCode,
			StartedAt: i.StartedAt, EndedAt: i.EndedAt,
		})
	}
	slices.SortFunc(out, func(a, b berth.InstanceStatus) int {
		return cmp.Or(cmp.Compare(a.Element, b.Element), cmp.Compare(a.Workload, b.Workload),
			cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Run, b.Run), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// restMessage says why nothing of a deployment runs.
var restMessage = map[berth.Desire]string{berth.DesireStop: "stopped by a person", berth.DesireSleep: "asleep"}

// elementsOf gives each element of the target release its colour, reason and sentence.
func elementsOf(target berth.Release, instances []berth.InstanceStatus, desire berth.Desire, cloning bool) []berth.ElementStatus {
	out := make([]berth.ElementStatus, 0, len(target.Elements))
	for _, e := range target.Elements {
		mine := []berth.InstanceStatus{}
		for _, i := range instances {
			if i.Element == e.Identifier {
				mine = append(mine, i)
			}
		}
		out = append(out, statusOf(e, mine, desire, cloning))
	}
	return out
}

func statusOf(e berth.ReleaseElement, instances []berth.InstanceStatus, desire berth.Desire, cloning bool) berth.ElementStatus {
	s := berth.ElementStatus{Identifier: e.Identifier, Kind: e.Kind, Instances: instances}
	want, have, old := 0, 0, 0
	for _, n := range e.Workloads {
		want += n
	}
	var worst berth.InstanceStatus
	for _, i := range instances {
		switch {
		case fulfils(i) && i.Wanted:
			have++
		case i.Ready:
			old++
		case i.Wanted && (worst.ID == "" || i.Run > worst.Run || i.State == berth.InstanceExited):
			worst = i
		}
	}
	switch {
	case desire.Rests():
		s.Status, s.Reason, s.Message = berth.Grey, "Stopped", restMessage[desire]
	case want == 0:
		s.Status, s.Reason, s.Message = berth.Grey, "NothingToRun", "has nothing to run in this stage"
	case have >= want:
		s.Status, s.Reason, s.Message = berth.Green, "Ready", "ready"
	case worst.State == berth.InstanceExited:
		s.Status, s.Reason, s.Message = berth.Red, cmp.Or(worst.Reason, "CrashLoop"), sentence(worst)
	case old > 0:
		s.Status, s.Reason, s.Message = berth.Yellow, "RollingOut", "the new instance is starting; the old one serves"
	case worst.ID != "" && redReasons[worst.Reason]:
		s.Status, s.Reason, s.Message = berth.Red, worst.Reason, sentence(worst)
	case worst.ID != "":
		s.Status, s.Reason, s.Message = berth.Yellow, cmp.Or(worst.Reason, "Starting"), sentence(worst)
	case cloning && e.Kind != berth.KindAddon:
		s.Status, s.Reason, s.Message = berth.Yellow, "Waiting", "waits for its code, which is being cloned"
	default:
		s.Status, s.Reason, s.Message = berth.Yellow, "Waiting", "waits for its turn to start"
	}
	if s.Status != berth.Green && have > 0 && have < want {
		s.Message = fmt.Sprintf("%d of %d instances are ready; %s", have, want, s.Message)
	}
	return s
}

// redReasons are those of a running instance that will not get ready by waiting.
var redReasons = map[string]bool{
	"WrongPort": true, "ImageMissing": true, "StartFailed": true, "CrashLoop": true, "OutOfMemory": true, initFailed: true,
}
