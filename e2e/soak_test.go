//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rounds is how often a test repeats what it does: BERTH_SOAK times where it is set (make soak).
func rounds(normally int) int {
	if n, err := strconv.Atoi(os.Getenv("BERTH_SOAK")); err == nil && n > 0 {
		return n
	}
	return normally
}

// report is the table of what a test did, for docs/soak.
type report struct {
	name, text string
	columns    []string
	rows       []string
	seed       uint64
	began      time.Time
}

// newReport takes the seed from BERTH_SEED, or the clock.
func newReport(name, text string, columns ...string) report {
	seed, err := strconv.ParseUint(os.Getenv("BERTH_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	return report{name: name, text: text, columns: columns, seed: seed, began: time.Now()}
}

func (r *report) row(n int, cells ...string) {
	r.rows = append(r.rows, fmt.Sprintf("| %d | %s |", n, strings.Join(cells, " | ")))
	fmt.Printf("%s %s\n", r.name, r.rows[len(r.rows)-1])
}

// write puts the table into docs/soak, where a soak ran.
func (r *report) write(t *testing.T) {
	t.Helper()
	if os.Getenv("BERTH_SOAK") == "" || t.Failed() {
		return
	}
	commit, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		t.Fatal(err)
	}
	binaries := "with the race detector"
	if os.Getenv("BERTH_E2E_BIN") != "" {
		binaries = "with binaries that were ready"
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# Soak: %s\n\n%s\n\n", r.name, r.text)
	fmt.Fprintf(&page, "Commit %s, %s, seed %d, %d rounds in %s on %d cores. All of them came true.\n\n",
		strings.TrimSpace(string(commit)), binaries, r.seed, len(r.rows), time.Since(r.began).Round(time.Second), runtime.NumCPU())
	fmt.Fprintf(&page, "| round | %s |\n|%s\n%s\n", strings.Join(r.columns, " | "), strings.Repeat("---|", len(r.columns)+1), strings.Join(r.rows, "\n"))
	file := filepath.Join("..", "docs", "soak", r.name+".md")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "—"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
