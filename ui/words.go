package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// state is how something is, at a glance: a word, an icon and a colour that says no more than both.
type state struct {
	word, icon, colour string
	turns              bool
}

var phases = map[berth.Phase]state{
	berth.PhasePending:  {"Pending", "pending", "grey", false},
	berth.PhaseStarting: {"Starting", "spinner", "blue", true},
	berth.PhaseRunning:  {"Running", "check", "green", false},
	berth.PhaseDegraded: {"Degraded", "alert", "yellow", false},
	berth.PhaseFailed:   {"Failed", "failed", "red", false},
	berth.PhaseSleeping: {"Sleeping", "moon", "grey", false},
	berth.PhaseStopped:  {"Stopped", "stop", "grey", false},
	berth.PhaseDeleting: {"Deleting", "spinner", "grey", true},
}

var releaseStates = map[berth.ReleaseState]state{
	berth.ReleasePending:    {"Pending", "pending", "grey", false},
	berth.ReleaseBuilding:   {"Building", "spinner", "blue", true},
	berth.ReleaseStarting:   {"Starting", "spinner", "blue", true},
	berth.ReleaseServing:    {"Serving", "check", "green", false},
	berth.ReleaseSuperseded: {"Superseded", "archive", "grey", false},
	berth.ReleaseFailed:     {"Failed", "failed", "red", false},
}

var buildStates = map[berth.BuildState]state{
	berth.BuildQueued:    {"Queued", "pending", "grey", false},
	berth.BuildRunning:   {"Building", "spinner", "blue", true},
	berth.BuildSucceeded: {"Built", "check", "green", false},
	berth.BuildFailed:    {"Failed", "failed", "red", false},
	berth.BuildCancelled: {"Cancelled", "stop", "grey", false},
}

var certificateStates = map[berth.CertificateState]state{
	berth.CertificatePublic:  {"Trusted certificate", "lock", "green", false},
	berth.CertificateLocal:   {"This server's certificate", "lock", "grey", false},
	berth.CertificateWaiting: {"Certificate on its way", "clock", "blue", false},
	berth.CertificateRefused: {"Certificate refused", "alert", "yellow", false},
}

// elementState puts a colour of the status tree into words: its reason code.
func elementState(e berth.ElementStatus) state {
	s := map[berth.Colour]state{
		berth.Green: {"", "check", "green", false}, berth.Yellow: {"", "alert", "yellow", false},
		berth.Red: {"", "failed", "red", false},
	}[e.Status]
	if s.icon == "" {
		s = state{icon: "pending", colour: "grey"}
	}
	switch e.Reason {
	case "Starting", "Building", "Preparing", "Waiting":
		s.icon, s.turns = "spinner", true
		if e.Status != berth.Red {
			s.colour = "blue"
		}
	case "Stopped":
		s.icon = "stop"
	}
	s.word = spaced(e.Reason)
	return s
}

// spaced makes words of a reason code: CrashLoop is "Crash loop".
func spaced(code string) string {
	var out strings.Builder
	for i, r := range code {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte(' ')
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// age tells how long ago something was. web/src/time.ts tells it in the same words.
func age(d time.Duration) string {
	seconds := d.Seconds()
	switch {
	case seconds < 45:
		return "just now"
	case seconds < 90*60:
		return fmt.Sprintf("%d min ago", max(1, int(math.Round(seconds/60))))
	case seconds < 36*3600:
		return fmt.Sprintf("%d h ago", int(math.Round(seconds/3600)))
	}
	return fmt.Sprintf("%d days ago", int(math.Round(seconds/86400)))
}

// took tells how long something lasted.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// size tells bytes as people do.
func size(n int64) string {
	const unit = 1024
	value, units := float64(n), []string{"B", "KB", "MB", "GB", "TB"}
	i := 0
	for value >= unit && i < len(units)-1 {
		value /= unit
		i++
	}
	if i == 0 || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, units[i])
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + units[i]
}

// short is a commit as people name it.
func short(commit string) string { return commit[:min(len(commit), 7)] }

// count names a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// stageMeaning says what a stage is for.
func stageMeaning(s berth.Stage) string {
	if s.Kind == berth.KindDevelopment {
		return "Live code: what you save shows at once."
	}
	if s.Branch != "" {
		return "Built images of branches that fit " + s.Branch + ", rolled out without a failed request."
	}
	return "Built images, rolled out without a failed request; follows its branch."
}

// sizeMeaning says what a size allows.
func sizeMeaning(s berth.Size) string {
	l, ok := berth.LimitsOf(s)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s, %s memory, %s disk", count(int(l.MilliCPU/1000), "CPU", "CPUs"), size(l.MemoryBytes), size(l.DiskBytes))
}

// summary is how all deployments together are, in a sentence.
func summary(list []berth.Deployment) (sentence string, s state) {
	var failed, degraded, moving int
	for _, d := range list {
		switch d.Phase {
		case berth.PhaseFailed:
			failed++
		case berth.PhaseDegraded:
			degraded++
		case berth.PhaseStarting, berth.PhasePending, berth.PhaseDeleting:
			moving++
		}
	}
	switch {
	case len(list) == 0:
		return "Nothing is deployed yet.", state{icon: "pending", colour: "grey"}
	case failed+degraded > 0:
		colour := "yellow"
		if failed > 0 {
			colour = "red"
		}
		verb := "need"
		if failed+degraded == 1 {
			verb = "needs"
		}
		return fmt.Sprintf("%d of %s %s a look.", failed+degraded, count(len(list), "deployment", "deployments"), verb), state{icon: "alert", colour: colour}
	case moving > 0:
		return fmt.Sprintf("%d of %s on the move, the rest is well.", moving, count(len(list), "deployment", "deployments")), state{icon: "spinner", colour: "blue", turns: true}
	case len(list) == 1:
		return "The only deployment is well.", state{icon: "check", colour: "green"}
	}
	return fmt.Sprintf("All %d deployments are well.", len(list)), state{icon: "check", colour: "green"}
}

// eventLook chooses an icon and a mood for an event by its kind.
func eventLook(kind string) (iconName, mood string) {
	noun, verb, _ := strings.Cut(kind, ".")
	iconName = map[string]string{
		"release": "layers", "build": "box", "deployment": "server", "project": "branch", "person": "person", "token": "key",
		"instance": "cpu", "element": "cpu", "environment": "settings", "domain": "globe", "host": "globe", "volume": "disk", "secret": "lock",
		"exec": "terminal", "session": "terminal", "hook": "activity",
	}[noun]
	if iconName == "" {
		iconName = "activity"
	}
	switch verb {
	case "failed", "exited", "lost", "refused", "unhealthy":
		return "alert", "bad"
	case "serving", "proven", "recovered":
		return "check", "good"
	}
	return iconName, ""
}

// shareOf is a part of a whole in hundredths.
func shareOf(part, whole int64) int {
	if whole <= 0 {
		return 0
	}
	return int(min(100, max(0, 100*part/whole)))
}

// fullness says how full something is, for its colour.
func fullness(share int) string {
	switch {
	case share >= 90:
		return "is-full"
	case share >= 75:
		return "is-filling"
	}
	return ""
}

// namesOf counts what a deployment is called by.
func namesOf(d berth.Deployment) string {
	hosts := count(len(d.Hosts), "host", "hosts")
	if len(d.Domains) == 0 {
		return hosts
	}
	return hosts + " and " + count(len(d.Domains), "domain", "domains")
}
