package disk

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// Space is how much of a disk is left.
type Space struct {
	Path        string // something on it, for people
	Free, Total int64
}

// Floor is what Berth leaves free of a disk: below it nothing new begins. 5 %, and at least 2 GiB; of a disk
// smaller than 10 GiB a fifth.
func (s Space) Floor() int64 { return max(s.Total/20, min(2*gib, s.Total/5)) }

// Room says in a sentence why nothing new may begin; nil when there is room for it.
func Room(disks []Space) error {
	for _, s := range disks {
		if s.Free < s.Floor() {
			return berth.Errorf(berth.EUnavailable,
				"the disk that holds %s has %s left, and Berth keeps %s of it free: builds and new deployments wait until there is room. Free some space there (berth delete, docker image prune), then try again",
				s.Path, Bytes(s.Free), Bytes(s.Floor()))
		}
	}
	return nil
}

// pressure is how little room there is.
type pressure int

const (
	none pressure = iota
	some          // what was stopped for want of room stays so
	high          // what is over its limit has to stop
)

func pressureOf(disks []Space) (p pressure) {
	for _, s := range disks {
		switch {
		case s.Free < 2*s.Floor():
			return high
		case s.Free < 3*s.Floor():
			p = some
		}
	}
	return p
}

// Scarce reports whether the database needs its reserve; Ample, whether there is room to make it again.
func (s Space) Scarce() bool { return s.Free < s.Floor()/4 }

func (s Space) Ample() bool { return s.Free > s.Floor()/2 }

// latest is how long a measurement is good enough at most, whatever it cost.
const latest = 15 * time.Minute

// schedule says when to measure again.
type schedule struct {
	every time.Duration
	share int // measuring may take one part in this many of the time

	next  time.Time
	seen  []Space // when it was last measured
	took  time.Duration
	begun bool
}

// due reports whether it is time, or whether a disk filled so fast since that it is time early.
func (s *schedule) due(now time.Time, disks []Space) bool {
	return !s.begun || !now.Before(s.next) || s.falling(disks)
}

// falling reports whether a disk lost more since the last measuring than an eighth of what it had to lose.
func (s *schedule) falling(disks []Space) bool {
	for _, d := range disks {
		for _, before := range s.seen {
			if d.Path == before.Path && before.Free-d.Free > max((before.Free-d.Floor())/8, 64*mib) {
				return true
			}
		}
	}
	return false
}

func (s *schedule) done(began, now time.Time, disks []Space) {
	s.begun, s.seen, s.took = true, disks, now.Sub(began)
	s.next = now.Add(max(s.every, min(latest, time.Duration(s.share)*s.took)))
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n < mib:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < gib:
		return fmt.Sprintf("%.1f MiB", float64(n)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/gib)
}
