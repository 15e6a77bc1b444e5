package deployments_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
)

func TestAnElementWhoseVolumesHoldTooMuchIsToldAndStopped(t *testing.T) {
	b := newBench(t)
	why, stop := "", false
	b.config.Storage = func(deployment berth.ID, element string) (string, bool) {
		if deployment != shop {
			t.Errorf("asked of %s", deployment)
		}
		return why, stop
	}
	b.restart()
	b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	status := func() berth.ElementStatus { return b.observed().Elements[0] }
	live := func() (n int) {
		for _, i := range b.observed().Instances {
			if i.State != berth.InstanceExited {
				n++
			}
		}
		return n
	}
	if s := status(); s.Status != berth.Green {
		t.Fatalf("at first: %+v", s)
	}
	why = "its volume data holds 11 GiB of 10 GiB"
	b.run(time.Minute)
	if s := status(); s.Status != berth.Yellow || s.Reason != engine.DiskLimit || s.Message != why || live() != 1 {
		t.Errorf("over its size: %+v with %d live", s, live())
	}
	why, stop = "was stopped", true
	b.run(5 * time.Minute)
	if s := status(); s.Status != berth.Red || s.Reason != engine.DiskLimit || s.Message != why || live() != 0 {
		t.Errorf("when it has to stop: %+v with %d live", s, live())
	}
	why, stop = "", false
	b.run(5 * time.Minute)
	if s := status(); s.Status != berth.Green || live() != 1 {
		t.Errorf("with room again: %+v with %d live", s, live())
	}
}
