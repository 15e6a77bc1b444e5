package ingress

import "github.com/berth-dev/berth"

// current is the release that decides where names lead: the serving one. In development, and
// before anything has served, it is the one being started, whose instances answer as they come.
func (s state) current() *release {
	if s.serving != nil && !s.isLive() {
		return s.serving
	}
	return s.target
}

// next is the release that is being rolled out behind the serving one, nil if none is.
func (s state) next() *release {
	if s.serving == nil || s.isLive() || s.target == nil || s.target.ID == s.serving.ID {
		return nil
	}
	return s.target
}

func (s state) isLive() bool { return s.deployment.Kind == berth.KindDevelopment }

// isBackSoon reports whether an element of what serves answers again by itself: it is being replaced, not
// failing. In development people are told at once.
func (s state) isBackSoon(element string) bool {
	return !s.isLive() && s.serving != nil && s.leadsTo(element) && s.statusOf(element).Status != berth.Red
}

// answering returns the instances of a workload to which requests from outside go: the ready ones
// of the current release. In development an old one answers until its successor is ready.
func (s state) answering(element, workload string) []berth.InstanceStatus {
	mine := s.instances(element, workload, func(i berth.InstanceStatus) bool { return i.Ready && s.serves(i) })
	if len(mine) == 0 && s.isLive() {
		mine = s.instances(element, workload, func(i berth.InstanceStatus) bool { return i.Ready })
	}
	return mine
}

// named returns the instances that a Service's name leads to: those that answer, or if none does
// the starting ones, so that what depends on each other can start together.
func (s state) named(element, workload string) []berth.InstanceStatus {
	if ready := s.answering(element, workload); len(ready) > 0 {
		return ready
	}
	return s.instances(element, workload, s.serves)
}

// namedNext is named for the release that is being rolled out.
func (s state) namedNext(element, workload string) []berth.InstanceStatus {
	ready := s.instances(element, workload, func(i berth.InstanceStatus) bool { return i.Ready && i.Wanted })
	if len(ready) > 0 {
		return ready
	}
	return s.instances(element, workload, func(i berth.InstanceStatus) bool { return i.Wanted })
}

// serves reports whether an instance belongs to the current release: by the hash it was proven
// with where something serves, else by what the reconciler wants.
func (s state) serves(i berth.InstanceStatus) bool {
	key := i.Element + "/" + i.Workload
	current := s.current()
	if current == nil {
		return false
	}
	if n, known := current.replicas[key]; known && i.Slot >= n {
		return false // one too many: it goes as soon as nothing leads to it
	}
	if current == s.serving {
		return s.serving.Hashes[key] == i.Hash
	}
	return i.Wanted
}

// instances returns those of a workload that live, have an address and pass.
func (s state) instances(element, workload string, pass func(berth.InstanceStatus) bool) (out []berth.InstanceStatus) {
	for _, i := range s.observed.Instances {
		if i.Element == element && i.Workload == workload && isAlive(i) && pass(i) {
			out = append(out, i)
		}
	}
	return out
}

func isAlive(i berth.InstanceStatus) bool { return i.State != berth.InstanceExited && i.Address != "" }
