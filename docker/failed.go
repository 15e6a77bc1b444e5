package docker

import (
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
)

// failedStart is an instance of which no container could be made. It stands for itself in what is
// observed, so that it backs off and people are told why.
type failedStart struct {
	pod      *pod
	identity identity
	cause    cause
	at       time.Time
}

func (f failedStart) slot() slotID { return slotID{f.pod.key(), f.identity.Slot} }

func (f failedStart) instance() engine.Instance {
	return engine.Instance{
		ID: f.identity.Instance, Element: f.pod.Element, Workload: f.pod.Workload, Hash: f.pod.Hash,
		Slot: f.identity.Slot, Run: f.identity.Run, State: berth.InstanceExited,
		Reason: f.cause.Reason, Message: f.cause.Message, EndedAt: f.at,
	}
}

func (f failedStart) planned() plan.Observed {
	return plan.Observed{
		ID: f.identity.Instance, Key: f.pod.key(), Hash: f.pod.Hash, Slot: f.identity.Slot, Run: f.identity.Run,
		State: plan.Exited, Since: f.at, Drained: true, Failures: f.identity.Failures,
	}
}

func (e *Engine) failedStarts(id berth.ID) []failedStart {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []failedStart
	for _, f := range e.memory(id).failed {
		out = append(out, f)
	}
	return out
}

func (e *Engine) rememberFailed(id berth.ID, f failedStart) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory(id).failed[f.slot()] = f
}

func (e *Engine) forgetFailedSlot(id berth.ID, slot slotID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.memory(id).failed, slot)
}

func (e *Engine) forgetFailed(id berth.ID, instance string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.memory(id)
	for slot, f := range m.failed {
		if f.identity.Instance == instance {
			delete(m.failed, slot)
		}
	}
}
