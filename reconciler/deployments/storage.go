package deployments

import (
	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// halted says why an element may not run for now; empty: it may.
func (l *Loop) halted(deployment berth.ID, element string) string {
	if why, stop := l.Storage(deployment, element); stop {
		return why
	}
	return ""
}

// warnOfStorage says of elements that their volumes hold too much: in red of those that may not run for it,
// in yellow of those that are well otherwise.
func (l *Loop) warnOfStorage(d berth.Deployment, elements []berth.ElementStatus) {
	if d.Desire.Rests() {
		return
	}
	for i := range elements {
		e := &elements[i]
		switch why, stop := l.Storage(d.ID, e.Identifier); {
		case stop:
			e.Status, e.Reason, e.Message = berth.Red, engine.DiskLimit, why
		case why != "" && e.Status == berth.Green:
			e.Status, e.Reason, e.Message = berth.Yellow, engine.DiskLimit, why
		}
	}
}
