package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

// Exec runs a command in the newest ready instance of an element, or in the slot that "element.N" names.
func (s *Service) Exec(ctx context.Context, ref string, x berth.Exec) (int, error) {
	if len(x.Command) == 0 || x.Command[0] == "" {
		return 0, &berth.Error{Code: berth.EInvalid, Field: "command", Message: "say which command to run, after --"}
	}
	ctx, d, end, err := s.allowed(ctx, s.sessions.Access.MayExec, ref)
	if err != nil {
		return 0, err
	}
	defer end()
	instance, err := s.choose(ctx, d, x.Element)
	if err != nil {
		return 0, err
	}
	if s.sessions.Execer == nil {
		return 0, berth.Errorf(berth.EUnsupported, "this server's engine cannot run commands in containers")
	}
	if err := s.audit(ctx, d, instance, x.Command[0]); err != nil {
		return 0, err
	}
	defer s.sessions.enter(d.ID)()
	code, err := s.sessions.Execer.Exec(ctx, engine.ExecSpec{
		Instance: instance.ID, Command: x.Command, TTY: x.TTY, Width: x.Width, Height: x.Height,
		Stdin: x.Stdin, Stdout: x.Stdout, Stderr: x.Stderr, Resize: x.Resize,
	})
	if err := revoked(ctx); err != nil {
		return 0, err
	}
	return code, explain(err, d, instance)
}

// audit records who entered what. Arguments stay out: they may hold secrets.
func (s *Service) audit(ctx context.Context, d berth.Deployment, i berth.InstanceStatus, program string) error {
	return s.sessions.Store.Update(ctx, func(tx Tx) error {
		return tx.AppendEvent(berth.Event{
			Project: d.ProjectID, Deployment: d.ID, Slug: d.Slug, Element: i.Element, Person: s.caller.Name,
			Kind: "exec.started", Message: fmt.Sprintf("%s runs %.100q in %s", s.caller.Name, program, i.Element),
		})
	})
}

func explain(err error, d berth.Deployment, i berth.InstanceStatus) error {
	unsupported := (*engine.Unsupported)(nil)
	switch {
	case errors.Is(err, engine.ErrNoInstance):
		return berth.Errorf(berth.EUnavailable, "the container of %s was replaced just now: try again", i.Element)
	case errors.As(err, &unsupported):
		return berth.Errorf(berth.EUnsupported, "%w", err)
	}
	return err
}

func (s *Service) choose(ctx context.Context, d berth.Deployment, target string) (berth.InstanceStatus, error) {
	if d.Desire == berth.DesireSleep {
		return s.awaken(ctx, d, target)
	}
	seen, err := s.observed(ctx, d.ID)
	if err != nil {
		return berth.InstanceStatus{}, err
	}
	return chooseInstance(d.Slug, seen, target)
}

// chooseInstance is pure: which instance "", "element" or "element.N" means.
func chooseInstance(slug string, seen berth.Observed, target string) (berth.InstanceStatus, error) {
	if len(seen.Elements) == 0 {
		return berth.InstanceStatus{}, berth.Errorf(berth.EUnavailable, "nothing of %s runs yet: berth status %s says how far it is", slug, slug)
	}
	identifier, slot, numbered := strings.Cut(target, ".")
	want := -1
	if numbered {
		n, err := strconv.Atoi(slot)
		if err != nil || n < 0 {
			return berth.InstanceStatus{}, &berth.Error{Code: berth.EInvalid, Field: "element", Message: fmt.Sprintf("%q is not ELEMENT or ELEMENT.N", target)}
		}
		want = n
	}
	if identifier == "" {
		identifier = berth.DefaultElement(seen.Elements)
	}
	element, err := findElement(slug, seen.Elements, identifier)
	if err != nil {
		return berth.InstanceStatus{}, err
	}
	return newest(slug, element, candidates(seen, identifier, want), want)
}

func findElement(slug string, elements []berth.ElementStatus, identifier string) (berth.ElementStatus, error) {
	names := make([]string, len(elements))
	for i, e := range elements {
		if e.Identifier == identifier {
			return e, nil
		}
		names[i] = e.Identifier
	}
	return berth.ElementStatus{}, berth.Errorf(berth.ENotFound, "%s has no element %s; it has %s", slug, identifier, strings.Join(names, ", "))
}

// candidates are the running instances of an element, in one slot or, with slot -1, in all.
func candidates(seen berth.Observed, identifier string, slot int) (list []berth.InstanceStatus) {
	for _, i := range seen.Instances {
		if i.Element == identifier && i.State == berth.InstanceRunning && (slot < 0 || i.Slot == slot) {
			list = append(list, i)
		}
	}
	return list
}

// newest prefers what is ready, then what is wanted, then what started last: in a container that is not
// ready a person may still look why.
func newest(slug string, e berth.ElementStatus, running []berth.InstanceStatus, slot int) (berth.InstanceStatus, error) {
	if len(running) == 0 {
		what := e.Identifier
		if slot >= 0 {
			what += "." + strconv.Itoa(slot)
		}
		return berth.InstanceStatus{}, berth.Errorf(berth.EUnavailable, "%s of %s has no running container: %s", what, slug, cmp.Or(e.Message, "it has not started"))
	}
	return slices.MaxFunc(running, func(a, b berth.InstanceStatus) int {
		return cmp.Or(compareBool(a.Ready, b.Ready), compareBool(a.Wanted, b.Wanted), a.StartedAt.Compare(b.StartedAt))
	}), nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
