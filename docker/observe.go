package docker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/plan"
)

// observedPod is an instance as its containers' labels and states tell it.
type observedPod struct {
	ID         string
	Deployment berth.ID
	Element    string
	Workload   string
	Hash       string
	Template   string
	Slot       int
	Run        int
	Failures   int
	Record     podRecord
	Containers []containerState // in the pod's order
}

func (p *observedPod) key() string { return p.Element + "/" + p.Workload }

// groupPods sorts containers into instances. Broken ones lack a container: somebody removed it, or the
// server was killed while it made them.
func groupPods(containers []containerState) (pods, broken []*observedPod) {
	byID := map[string]*observedPod{}
	for _, c := range containers {
		role := c.Labels[labelRole]
		if role != roleInit && role != roleMain {
			continue
		}
		id := c.Labels[labelInstance]
		p := byID[id]
		if p == nil {
			p = podOf(id, c.Labels)
			byID[id] = p
		}
		p.Containers = append(p.Containers, c)
	}
	for _, id := range sortedKeys(byID) {
		p := byID[id]
		slices.SortFunc(p.Containers, func(a, b containerState) int { return cmp.Compare(a.index(), b.index()) })
		if p.complete() {
			pods = append(pods, p)
		} else {
			broken = append(broken, p)
		}
	}
	return pods, broken
}

func podOf(id string, labels map[string]string) *observedPod {
	return &observedPod{
		ID:         id,
		Deployment: berth.ID(labels[labelDeployment]),
		Element:    labels[labelElement],
		Workload:   labels[labelWorkload],
		Hash:       labels[labelHash],
		Template:   labels[labelTemplate],
		Slot:       number(labels[labelSlot]),
		Run:        number(labels[labelRun]),
		Failures:   number(labels[labelFailures]),
	}
}

// complete reads the pod's record and reports whether all of its containers are there.
func (p *observedPod) complete() bool {
	first := p.Containers[0]
	if err := json.Unmarshal([]byte(first.Labels[labelPod]), &p.Record); err != nil {
		return false
	}
	if len(p.Containers) != p.Record.Inits+p.Record.Mains || p.Record.Mains == 0 {
		return false
	}
	for i, c := range p.Containers {
		if c.index() != i {
			return false
		}
	}
	return true
}

func (c containerState) index() int { return number(c.Labels[labelIndex]) }

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func (p *observedPod) inits() []containerState { return p.Containers[:p.Record.Inits] }
func (p *observedPod) mains() []containerState { return p.Containers[p.Record.Inits:] }

// owner is the container that has the pod's network namespace.
func (p *observedPod) owner() containerState { return p.Containers[p.Record.Inits] }

func (p *observedPod) endpoint() (endpoint, bool) {
	o := p.owner()
	if !o.running() {
		return endpoint{}, false
	}
	return endpoint{Deployment: p.Deployment, Container: o.ID, Pid: o.Pid, Address: o.Address, Kind: p.Record.Kind}, true
}

// progress is what an instance does and what it needs next.
type progress struct {
	State berth.InstanceState
	// Start is the container to start now; -1: none.
	Start int
	// Over says that a container ended (or could not start), so that the rest has to end as well.
	Over bool
	// Culprit is the container that ended it; -1: none.
	Culprit int
}

// progress decides where a pod stands. It is pure: init containers to exit 0 one after another, then the
// main ones in order; when any of those ends, the instance is over.
func (p *observedPod) progress() progress {
	for i, c := range p.inits() {
		switch {
		case c.ended() && (c.failedToStart() || c.ExitCode != 0):
			return p.over(i)
		case c.ended():
			continue
		case c.running():
			return progress{State: berth.InstancePreparing, Start: -1, Culprit: -1}
		default:
			return progress{State: berth.InstancePreparing, Start: i, Culprit: -1}
		}
	}
	start := -1
	for i, c := range p.mains() {
		if c.ended() && p.endsPod(c) {
			return p.over(p.firstEnded())
		}
		if c.ended() {
			continue
		}
		if !c.running() && start < 0 {
			start = p.Record.Inits + i
		}
	}
	if start >= 0 {
		return progress{State: berth.InstancePreparing, Start: start, Culprit: -1}
	}
	return progress{State: berth.InstanceRunning, Start: -1, Culprit: -1}
}

// endsPod reports whether the end of c is the end of the pod. A job has done its work only when all of
// its containers have.
func (p *observedPod) endsPod(c containerState) bool {
	unfinished := func(o containerState) bool { return !p.finished(o) }
	return !p.finished(c) || !slices.ContainsFunc(p.mains(), unfinished)
}

func (p *observedPod) over(culprit int) progress {
	out := progress{State: berth.InstanceExited, Over: true, Start: -1, Culprit: culprit}
	for _, c := range p.Containers {
		if c.running() {
			out.State = berth.InstanceRunning
		}
	}
	return out
}

// firstEnded is the main container that ended before the others: what came after is its consequence.
func (p *observedPod) firstEnded() int {
	found := -1
	for i, c := range p.mains() {
		if c.ended() && (found < 0 || p.rather(c, p.Containers[found])) {
			found = p.Record.Inits + i
		}
	}
	return found
}

// rather reports whether c's end tells more than o's: the earlier one, and of a job the failed one.
func (p *observedPod) rather(c, o containerState) bool {
	if a, b := p.finished(c), p.finished(o); a != b {
		return b
	}
	return c.endedAt().Before(o.endedAt())
}

// finished reports whether c is a job's and did its work.
func (p *observedPod) finished(c containerState) bool {
	return p.Record.Once && c.ended() && !c.failedToStart() && c.ExitCode == 0
}

func (c containerState) endedAt() time.Time {
	if c.Finished.IsZero() {
		return c.Created // it never ran
	}
	return c.Finished
}

// endedAt is when the last container ended.
func (p *observedPod) endedAt() time.Time {
	var last time.Time
	for _, c := range p.Containers {
		if c.ended() && c.endedAt().After(last) {
			last = c.endedAt()
		}
	}
	return last
}

// instance says what the seam wants to know; verdict is what the probes found.
func (p *observedPod) instance(v verdict, stopping bool) engine.Instance {
	g := p.progress()
	out := engine.Instance{
		ID: p.ID, Element: p.Element, Workload: p.Workload, Hash: p.Hash, Slot: p.Slot, Run: p.Run,
		State: g.State, Address: p.owner().Address, StartedAt: p.owner().Started,
	}
	switch {
	case g.Over:
		out.Reason, out.Message, out.ExitCode = p.whyOver(g.Culprit)
		if g.State == berth.InstanceExited {
			out.EndedAt = p.endedAt()
		}
	case g.State == berth.InstancePreparing:
		out.Reason, out.Message = "Starting", p.whatPrepares()
	case stopping:
		out.Reason, out.Message = "Stopping", "is being stopped"
	case v.Ready:
		out.Ready, out.ReadyAt = true, v.Since
	case p.Record.Once:
		out.Reason, out.Message = "Working", "runs to its end"
	default:
		out.Reason, out.Message, out.Listening = v.Reason, v.Message, v.Listening
	}
	return out
}

func (p *observedPod) whatPrepares() string {
	for _, c := range p.inits() {
		if !c.ended() {
			return fmt.Sprintf("%s is running before the start", c.Labels[labelContainer])
		}
	}
	return "its containers are being started"
}

// whyOver explains the end of an instance by the container that caused it.
func (p *observedPod) whyOver(culprit int) (reason, message string, code int) {
	c := p.Containers[culprit]
	name := ""
	if p.Record.Inits+p.Record.Mains > 1 {
		name = " (container " + c.Labels[labelContainer] + ")"
	}
	init := culprit < p.Record.Inits
	switch {
	case c.failedToStart():
		return "StartFailed", startMessage(c.Command, c.Error) + name, c.ExitCode
	case c.OOM && c.ExitCode == 137:
		return "OutOfMemory", "was ended by the system because the deployment's memory was used up; choose a larger size, or let it use less" + name, c.ExitCode
	case init:
		return "InitFailed", fmt.Sprintf("%s, which runs before the start, exited with code %d", c.Labels[labelContainer], c.ExitCode), c.ExitCode
	case c.ExitCode == 0 && p.Record.Once:
		return "Completed", "ran to its end", 0
	case c.ExitCode == 0:
		return "Exited", "exited with code 0, though it should go on running" + name, 0
	}
	return "CrashLoop", fmt.Sprintf("exited with code %d", c.ExitCode) + signalOf(c.ExitCode) + name, c.ExitCode
}

func signalOf(code int) string {
	switch code {
	case 137:
		return " (killed)"
	case 139:
		return " (segmentation fault)"
	case 143:
		return " (terminated)"
	}
	return ""
}

// startMessage says why Docker could not start a command, in words where the cause is a common one.
func startMessage(command []string, err string) string {
	program := ""
	if len(command) > 0 {
		program = command[0]
	}
	switch {
	case strings.Contains(err, "executable file not found"), strings.Contains(err, "stat "+program+": no such file"),
		strings.Contains(err, "no such file or directory") && strings.Contains(err, "exec"):
		return fmt.Sprintf("cannot start %q: the image has no such program", program)
	case strings.Contains(err, "permission denied"):
		return fmt.Sprintf("cannot start %q: it may not be executed (chmod +x, or the user may not read it)", program)
	case strings.Contains(err, "exec format error"):
		return fmt.Sprintf("cannot start %q: it is made for another kind of processor, or lacks its #! line", program)
	case strings.Contains(err, "unable to find user"):
		return "cannot start: the image does not have the user it is to run as"
	case strings.Contains(err, "Cwd must be"), strings.Contains(err, "chdir to cwd"):
		return "cannot start: the working directory cannot be entered"
	}
	return "cannot start: " + lastLine(err)
}

// lastLine keeps the end of Docker's chain of causes, which is where the cause stands.
func lastLine(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ": unknown")
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// planned is the instance as plan sees it.
func planned(i engine.Instance, p *observedPod, drained func(string) bool) plan.Observed {
	o := plan.Observed{
		ID: i.ID, Key: i.Element + "/" + i.Workload, Hash: i.Hash, Slot: i.Slot, Run: i.Run,
		Ready: i.Ready, Started: i.StartedAt, Drained: drained == nil || drained(i.ID), Failures: p.Failures,
	}
	switch i.State {
	case berth.InstancePreparing:
		o.State, o.Since = plan.Preparing, p.Containers[0].Created
	case berth.InstanceRunning:
		o.State, o.Since = plan.Running, i.StartedAt
	default:
		o.State, o.Since = plan.Exited, i.EndedAt
		o.Success = p.Record.Once && i.Reason == "Completed"
	}
	return o
}
