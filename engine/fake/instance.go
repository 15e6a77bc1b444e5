package fake

import (
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// instance is one run of a pod on the machine. Its state follows from its scripts and the time.
type instance struct {
	engine.Instance
	failures  int
	once      bool
	pod       pod
	inits     []Behaviour
	mains     []Behaviour
	begun     bool      // the start call came through
	begunAt   time.Time // when
	stopAt    time.Time // when a stop takes effect; zero: nobody asked
	since     time.Time // when it entered its state
	unhealthy bool      // its command probe failed last
	// overruled is what a test says about readiness.
	overruled *bool
}

// advance brings the instance to where its script has it now. Call it locked.
func (i *instance) advance(now time.Time, cfg Config) {
	if i.State == berth.InstanceExited || !i.begun {
		return
	}
	if !i.stopAt.IsZero() && !now.Before(i.stopAt) {
		i.end(i.stopAt, 143, "", "")
		return
	}
	if i.State == berth.InstancePreparing && !i.prepare(now) {
		return
	}
	for n, b := range i.mains {
		if at := i.StartedAt.Add(b.ExitAfter); b.Exits && !now.Before(at) {
			i.end(at, b.ExitCode, exitReason(b.ExitCode), fmt.Sprintf("%s ended with exit code %d", i.pod.containers[n].Name, b.ExitCode))
			return
		}
	}
	i.judge(now, cfg)
}

// prepare runs the init containers and reports whether the pod's own containers run now.
func (i *instance) prepare(now time.Time) bool {
	at := i.begunAt
	for n, b := range i.inits {
		if b.Missing {
			i.missing(i.pod.inits[n].Image, at)
			return false
		}
		at = at.Add(b.PrepareFor + b.ExitAfter)
		if now.Before(at) {
			i.Reason, i.Message = "Starting", i.pod.inits[n].Name+" prepares the instance"
			return false
		}
		if b.ExitCode != 0 {
			i.end(at, b.ExitCode, "InitFailed", fmt.Sprintf("%s ended with exit code %d", i.pod.inits[n].Name, b.ExitCode))
			return false
		}
	}
	for n, b := range i.mains {
		if b.Missing {
			i.missing(i.pod.containers[n].Image, at)
			return false
		}
		if at = at.Add(b.PrepareFor); now.Before(at) {
			i.Reason, i.Message = "Starting", i.pod.containers[n].Name+" is being prepared"
			return false
		}
	}
	i.State, i.since, i.StartedAt = berth.InstanceRunning, at, at
	return true
}

func (i *instance) missing(image string, at time.Time) {
	i.end(at, 0, "ImageMissing", "the image "+image+" exists neither here nor in a registry")
	i.EndedAt = at
}

func (i *instance) end(at time.Time, code int, reason, message string) {
	if i.State == berth.InstanceExited {
		return
	}
	i.State, i.since, i.EndedAt = berth.InstanceExited, at, at
	i.Ready, i.ExitCode, i.Reason, i.Message = false, code, reason, message
	if i.once && code == 0 && reason != "ImageMissing" {
		i.Ready, i.Reason = true, "Completed"
	}
}

func exitReason(code int) string {
	if code == 137 {
		return "OutOfMemory"
	}
	return "CrashLoop"
}

// judge decides about readiness.
func (i *instance) judge(now time.Time, cfg Config) {
	readyAt := i.readyAt(cfg)
	wrong, listening := i.wrongPort()
	switch {
	case i.overruled != nil:
		i.Ready = *i.overruled
		readyAt = now
	case i.once, i.unhealthy, now.Before(readyAt), slices.ContainsFunc(i.mains, func(b Behaviour) bool { return b.NeverReady }):
		i.Ready = false
	case wrong != 0:
		i.Ready, i.Listening = false, listening
		i.Reason = "WrongPort"
		i.Message = fmt.Sprintf("nothing listens on port %d, but something does on %v", wrong, listening)
		return
	default:
		i.Ready = true
	}
	i.Listening = nil
	if !i.Ready {
		i.Reason, i.Message = "Starting", "not ready yet"
		return
	}
	i.Reason, i.Message = "", ""
	if i.ReadyAt.IsZero() {
		i.ReadyAt = readyAt
	}
}

func (i *instance) readyAt(cfg Config) time.Time {
	at := i.StartedAt
	for _, b := range i.mains {
		if r := i.StartedAt.Add(b.ReadyAfter); r.After(at) {
			at = r
		}
	}
	if steady := i.StartedAt.Add(cfg.Steady); !i.pod.probed() && steady.After(at) {
		at = steady
	}
	return at
}

// wrongPort returns a port that is declared but not listened on, when the script names its ports.
func (i *instance) wrongPort() (port int, listening []int) {
	for _, b := range i.mains {
		if b.Ports == nil {
			return 0, nil
		}
		listening = append(listening, b.Ports...)
	}
	for _, p := range i.pod.ports() {
		if !slices.Contains(listening, p) {
			return p, listening
		}
	}
	return 0, nil
}

// next is when the script goes on by itself; zero: never.
func (i *instance) next(now time.Time, cfg Config) time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	consider(i.stopAt)
	switch i.State {
	case berth.InstancePreparing:
		at := i.begunAt
		for _, b := range i.inits {
			at = at.Add(b.PrepareFor + b.ExitAfter)
			consider(at)
		}
		for _, b := range i.mains {
			at = at.Add(b.PrepareFor)
			consider(at)
		}
	case berth.InstanceRunning:
		consider(i.readyAt(cfg))
		for _, b := range i.mains {
			if b.Exits {
				consider(i.StartedAt.Add(b.ExitAfter))
			}
		}
	}
	return next
}

// dialer finds the container that listens on port.
func (i *instance) dialer(port int) *Behaviour {
	for n := range i.mains {
		b := &i.mains[n]
		if b.Dial != nil && (b.Ports == nil || slices.Contains(b.Ports, port)) {
			return b
		}
	}
	return nil
}
