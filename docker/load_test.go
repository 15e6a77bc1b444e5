//go:build docker

package docker

import (
	"testing"
	"time"
)

// TestLoadCountsWhatContainersWork has a container work for a second and rest for one.
func TestLoadCountsWhatContainersWork(t *testing.T) {
	s := newStage(t)
	i := s.running(t, s.sh("exec sleep 600"))
	used := func() time.Duration {
		t.Helper()
		cpu, err := s.CPU(s.id)
		if err != nil {
			t.Fatal(err)
		}
		return cpu
	}
	before := used()
	s.must(t, i.ID, "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done")
	if worked := used() - before; worked < 50*time.Millisecond {
		t.Errorf("a loop of 300,000 took %v of processor time", worked)
	}
}
