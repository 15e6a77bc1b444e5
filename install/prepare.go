package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/machine"
)

// Installation is what installing would do here, and does when it is told to.
type Installation struct {
	Findings []Finding
	// Taken says in words which standard ports somebody else has, and what Berth takes in their place;
	// empty when it has those that were asked for.
	Taken string
	Steps []Step

	options Options
	survey  survey
	wanted  record
}

// Step is one thing that would be done.
type Step struct {
	What string
	Done bool // already: nothing would be done
	do   func(context.Context) error
}

// Prepare looks at the machine, decides, and changes nothing. It fails where the machine cannot run Berth.
func Prepare(ctx context.Context, o Options) (*Installation, error) {
	o = o.withDefaults()
	s, err := o.look(ctx)
	if err != nil {
		return nil, err
	}
	if unit := o.layout().unit(); exists(unit) && !o.ownsPrograms(s.installed) {
		return nil, berth.Errorf(berth.EConflict, "%s starts a Berth on another data directory: name that with --data, or say berth uninstall --keep-data for it first. Nothing was changed", unit)
	}
	i := &Installation{options: o, survey: s}
	if err := i.choosePorts(ctx); err != nil {
		return nil, err
	}
	i.Findings = machine.Judge(i.survey.facts)
	if err := refuse(i.Findings, i.survey.facts); err != nil {
		return i, err
	}
	i.wanted = i.options.wanted(s.before)
	if err := i.plan(); err != nil {
		return i, err
	}
	return i, nil
}

// choosePorts finds free addresses where the standard ones are somebody else's, or a proxy is to have them. What a
// person named is judged as it is.
func (i *Installation) choosePorts(ctx context.Context) (err error) {
	o, taken := i.options, i.survey.taken()
	free := i.survey.elsewhere(i.options.wanted(i.survey.before))
	if o.SSH == "" && slices.ContainsFunc(taken, func(p machine.Port) bool { return p.Flag == "--ssh" }) {
		i.options.SSH = free.SSH
	}
	web := slices.DeleteFunc(slices.Clone(taken), func(p machine.Port) bool { return p.Flag == "--ssh" })
	named := o.HTTP != "" || o.HTTPS != ""
	keeps := onLoopback(i.survey.before.HTTP) && onLoopback(i.survey.before.HTTPS) && len(web) == 0
	switch {
	case o.BehindProxy && !named && !keeps:
		i.options.HTTP, i.options.HTTPS = i.survey.onLoopback()
	case !o.BehindProxy && !named && len(web) > 0:
		i.options.HTTP, i.options.HTTPS = free.HTTP, free.HTTPS
	}
	if i.options.HTTP == o.HTTP && i.options.HTTPS == o.HTTPS && i.options.SSH == o.SSH {
		return nil
	}
	if len(taken) > 0 {
		i.Taken = takenWords(taken, i.options.wanted(i.survey.before))
	}
	i.survey, err = i.options.look(ctx)
	return err
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func takenWords(taken []machine.Port, r record) string {
	var words []string
	for _, p := range taken {
		words = append(words, fmt.Sprintf("%s is taken by %s", p.Address, p.Holder))
	}
	return fmt.Sprintf("%s. Berth will listen on %s (HTTP), %s (HTTPS) and %s (SSH).", strings.Join(words, "; "), r.HTTP, r.HTTPS, r.SSH)
}

// refuse says why the machine cannot run Berth. What installing mends is no reason.
func refuse(findings []Finding, f machine.Facts) error {
	var reasons []string
	for _, finding := range findings {
		if finding.Level == machine.Broken && !mends(finding.Check, f) {
			reasons = append(reasons, finding.Message+" "+finding.Mend)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return berth.Errorf(berth.EUnsupported, "Berth cannot run on this machine; nothing was changed.\n%s", strings.Join(reasons, "\n"))
}

// mends reports whether installing sees to what a check found.
func mends(check string, f machine.Facts) bool {
	switch check {
	case "engine":
		return !f.Engine.Answers && (f.Apt || f.Engine.Installed)
	case "cgroup":
		return f.Cgroup.Version == 0 && f.Apt && !f.Systemd
	case "programs", "trust":
		return f.Apt
	}
	return false
}

// plan lists the steps in their order.
func (i *Installation) plan() error {
	facts := i.survey.facts
	if missing := packagesFor(facts); len(missing) > 0 {
		i.add("Install from the distribution: "+strings.Join(missing, ", "), false, func(ctx context.Context) error {
			return aptInstall(ctx, missing, i.options.Log)
		})
	}
	if !facts.Engine.Answers {
		i.add("Start Docker Engine", false, i.startEngine)
	}
	changed, err := i.planFiles()
	if err != nil {
		return err
	}
	i.planServer(changed)
	return nil
}

func (i *Installation) add(what string, done bool, do func(context.Context) error) {
	i.Steps = append(i.Steps, Step{what, done, do})
}

// planFiles are what is copied and written; changed reports whether a server that runs would not know of it.
func (i *Installation) planFiles() (changed bool, err error) {
	l := i.options.layout()
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find own binary: %w", err)
	}
	i.options.Dist = cmp.Or(i.options.Dist, filepath.Dir(self))
	release, err := openRelease(i.options.Dist)
	if err != nil {
		return false, err
	}
	agent, err := release.agent(self, l)
	if err != nil {
		return false, err
	}
	i.add(fmt.Sprintf("Make the data directory %s, for root only", l.data), i.survey.installed, func(context.Context) error { return i.makeData(l) })
	if i.replacesAnother(self) {
		i.add(fmt.Sprintf("Upgrade from %s to %s; one that is not healthy goes back", i.survey.before.Version, i.options.Version), false, i.upgrade(self))
	} else {
		changed = i.planPrograms(self, agent)
	}
	for _, c := range release.cli {
		to := filepath.Join(l.cli(), c.platform)
		i.add("Keep the command line for "+c.platform, sameFile(c.path, to), func(context.Context) error { return copyFile(c.path, to, 0o644) })
	}
	return changed, i.planUnit()
}

// replacesAnother reports whether this is another version than the one that is installed whole.
func (i *Installation) replacesAnother(self string) bool {
	l := i.options.layout()
	return i.survey.installed && i.survey.before.Version != i.options.Version && isExecutable(l.binary()) && exists(l.agent()) && !sameFile(self, l.binary())
}

func (i *Installation) upgrade(self string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := Upgrade(ctx, i.options, self)
		return err
	}
}

func (i *Installation) planPrograms(self, agent string) (changed bool) {
	l := i.options.layout()
	for _, f := range []struct{ from, to, what string }{{self, l.binary(), "this program"}, {agent, l.agent(), "the helper"}} {
		same := sameFile(f.from, f.to)
		changed = changed || !same
		i.add(fmt.Sprintf("Put %s at %s", f.what, f.to), same, func(context.Context) error { return copyFile(f.from, f.to, 0o755) })
	}
	return changed
}

func (i *Installation) planUnit() error {
	if !i.survey.facts.Systemd {
		return nil
	}
	l := i.options.layout()
	text := unit(i.wanted.line(l))
	now, err := os.ReadFile(l.unit())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read unit: %w", err)
	}
	i.add("Write the systemd unit "+l.unit(), string(now) == text, func(context.Context) error { return replaceFile(l.unit(), []byte(text), 0o644) })
	return nil
}

// makeData makes the data directory and what lies in it of the installation.
func (i *Installation) makeData(l layout) error {
	if err := os.MkdirAll(filepath.Dir(l.link()), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := os.Chmod(l.data, 0o700); err != nil {
		return fmt.Errorf("restrict data directory: %w", err)
	}
	return nil
}

// planServer starts the server, or starts it anew when it is not what it would be now.
func (i *Installation) planServer(changed bool) {
	l := i.options.layout()
	line := i.wanted.line(l)
	current := i.survey.pid != 0 && !changed && sameLine(i.survey.pid, line)
	what := "Start the server"
	switch {
	case i.survey.facts.Systemd:
		what += ", now and at every boot"
	case i.survey.pid != 0 && !current:
		what += " anew"
	}
	i.add(what+": "+shellLine(line), current, i.restart)
}

// Perform does what is not done yet. On the way it says each step.
func (i *Installation) Perform(ctx context.Context) error {
	l := i.options.layout()
	for _, s := range i.Steps {
		if s.Done {
			continue
		}
		fmt.Fprintln(i.options.Log, s.What)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", lowerFirst(s.What), err)
		}
	}
	return i.wanted.write(l)
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// restart ends what serves now and starts what is wanted. What a boot needs is written first.
func (i *Installation) restart(ctx context.Context) error {
	l := i.options.layout()
	if err := i.makeData(l); err != nil {
		return err
	}
	before, err := os.ReadFile(l.environment())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read environment: %w", err)
	}
	if err := replaceFile(l.environment(), environment(before, i.options.Environ), 0o600); err != nil {
		return err
	}
	if err := i.wanted.write(l); err != nil {
		return err
	}
	s := i.options.supervisor(i.survey.facts.Systemd, i.wanted.line(l))
	if err := s.stop(ctx); err != nil {
		return err
	}
	if err := link(l); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return awaitServer(ctx, l, s, startWithin, i.options.Version)
}

// link leads the place where a server listens by itself to where this one does.
func link(l layout) error {
	if leads, err := os.Readlink(l.link()); err == nil && leads == l.socket() {
		return nil
	}
	if err := os.Remove(l.link()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove socket of an earlier server: %w", err)
	}
	if err := os.Symlink(l.socket(), l.link()); err != nil {
		return fmt.Errorf("link socket: %w", err)
	}
	return nil
}
