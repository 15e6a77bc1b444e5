package sqlite

import (
	"bufio"
	"context"
	"fmt"
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

const crashVariable = "BERTH_SQLITE_CRASH"

func crashing() bool { return os.Getenv(crashVariable) != "" }

// crashChild commits for ever and prints each commit that it was told has happened.
func crashChild() {
	s, err := Open(context.Background(), os.Getenv(crashVariable), time.Now)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for {
		n := 0
		err := s.Update(context.Background(), func(tx *Tx) error {
			value, _, err := tx.Meta("n")
			if err != nil {
				return err
			}
			n, _ = strconv.Atoi(value)
			n++
			if err := tx.AppendEvent(berth.Event{Kind: "n", Message: strconv.Itoa(n)}); err != nil {
				return err
			}
			return tx.PutMeta("n", strconv.Itoa(n))
		})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

func TestKilledWriterLosesNothingItConfirmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	for range 5 {
		confirmed := runUntilKilled(t, path)
		s, err := Open(t.Context(), path, clock)
		if err != nil {
			t.Fatal(err)
		}
		view(t, s, func(tx *Tx) error {
			value, _, err := tx.Meta("n")
			if err != nil {
				return err
			}
			if n, _ := strconv.Atoi(value); n < confirmed {
				t.Errorf("%d commits were confirmed, %d are there", confirmed, n)
			}
			events, err := tx.Events(berth.Everything(), "", 0, 0)
			if err != nil {
				return err
			}
			if got := strconv.Itoa(len(events)); got != value {
				t.Errorf("half a transaction: %s events, n = %s", got, value)
			}
			sound, err := must(tx, "check", nil, scanValue[string], `PRAGMA integrity_check`)
			if sound != "ok" {
				t.Errorf("integrity_check: %s", sound)
			}
			return err
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runUntilKilled kills a writer after a random number of confirmed commits and returns the last it confirmed.
func runUntilKilled(t *testing.T, path string) int {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last, left := 0, 1+rand.IntN(40)
	for lines := bufio.NewScanner(out); lines.Scan(); left-- {
		line := lines.Text()
		if strings.HasPrefix(line, "error") {
			t.Fatal(line)
		}
		if last, err = strconv.Atoi(line); err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			_ = child.Process.Kill() // what is still in the pipe was confirmed, too: read on
		}
	}
	_ = child.Wait() // killed
	return last
}
