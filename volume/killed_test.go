package volume

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// moveIn names the data directory in which this program, started by a test, only moves a tree.
const moveIn = "BERTH_TEST_MOVE_IN"

func TestMain(m *testing.M) {
	data := os.Getenv(moveIn)
	if data == "" {
		os.Exit(m.Run())
	}
	s, err := Open(context.Background(), Config{Data: data, Dir: filepath.Join(data, "volumes"), Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = s.Move(context.Background(), deployment)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestAMoveMayBeKilledAtAnyMoment kills the process that moves, again and again: what is found is always whole.
func TestAMoveMayBeKilledAtAnyMoment(t *testing.T) {
	kinds(t)
	s, data := newStore(t, berth.StorageDirectories)
	needs(t, berth.StorageBtrfs)
	path := ensure(t, s, named("db", "data"))
	for i := range 400 {
		write(t, filepath.Join(path, strconv.Itoa(i%7), strconv.Itoa(i)), strings.Repeat("row ", 2000))
	}
	tree := filepath.Join(s.dir, string(deployment))
	before, killed := sum(t, tree), 0
	for round := range 12 {
		to := []berth.StorageKind{berth.StorageBtrfs, berth.StorageDirectories}[round%2]
		if s.chosen.Kind != to {
			migrate(t, s, to)
		}
		mover := exec.CommandContext(t.Context(), os.Args[0])
		mover.Env = append(os.Environ(), moveIn+"="+data)
		must(t, mover.Start())
		timer := time.AfterFunc(time.Duration(rand.IntN(250))*time.Millisecond, func() { _ = mover.Process.Kill() })
		if mover.Wait() != nil {
			killed++
		}
		timer.Stop()
		if round%3 == 2 {
			loseMounts(t, data)
		}
		s = openStore(t, data, "")
		if after := sum(t, tree); after != before {
			t.Fatalf("round %d, to %s: it is another", round, to)
		}
		must(t, s.Move(t.Context(), deployment))
		if after := sum(t, tree); after != before {
			t.Fatalf("round %d, moved on to %s: it is another", round, to)
		}
	}
	if killed == 0 {
		t.Error("nothing was killed: the test shows nothing")
	}
}
