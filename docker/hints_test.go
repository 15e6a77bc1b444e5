package docker

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/berth-dev/berth"
)

func TestSlowWatcherGetsEachDeploymentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHints()
		ctx, cancel := context.WithCancel(t.Context())
		out := h.watch(ctx)
		for range 100 {
			h.send("one")
			h.send("two")
		}
		synctest.Wait()
		got := map[berth.ID]int{}
		for range 2 {
			got[<-out]++
		}
		// One of the two may have been on its way when it was hinted at again.
		for synctest.Wait(); ; synctest.Wait() {
			select {
			case id := <-out:
				got[id]++
				continue
			default:
			}
			break
		}
		if got["one"] == 0 || got["two"] == 0 || got["one"]+got["two"] > 3 {
			t.Errorf("hints %v", got)
		}
		cancel()
		synctest.Wait()
		if _, open := <-out; open {
			t.Error("the channel is open after its context ended")
		}
		if len(h.watchers) != 0 {
			t.Error("the watcher is remembered")
		}
		h.send("three") // nobody listens, nothing blocks
	})
}
