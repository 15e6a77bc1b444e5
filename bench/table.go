package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	what, value, goal, rival, ratio string
	met                             bool
	disturbed                       bool // by others on the machine, so that nothing follows from it
}

func (r row) verdict() string {
	switch {
	case r.goal == "":
		return "–"
	case r.disturbed:
		return "disturbed"
	case r.met:
		return "met"
	}
	return "**missed**"
}

// page is the table and what it was measured on.
type page struct {
	settings settings
	began    time.Time
	load     string
	commit   string // others may commit while it is measured
	rows     []row
}

func newPage(s settings) *page {
	return &page{settings: s, began: time.Now(), load: loadAverage(), commit: commit()}
}

func (p *page) add(m measurement, rows []row) {
	for _, r := range rows {
		r.what = "(" + m.letter + ") " + r.what
		p.rows = append(p.rows, r)
	}
	if len(rows) == 0 {
		p.rows = append(p.rows, row{what: "(" + m.letter + ") " + m.title, value: "could not be measured", goal: "–"})
	}
}

func (p *page) table() string {
	var out strings.Builder
	out.WriteString("| what | value | goal | | rival | ratio |\n|---|---|---|---|---|---|\n")
	dash := func(s string) string {
		if s == "" {
			return "–"
		}
		return s
	}
	for _, r := range p.rows {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", r.what, dash(r.value), dash(r.goal), r.verdict(), dash(r.rival), dash(r.ratio))
	}
	return out.String()
}

// write replaces the page.
func (p *page) write(path string) error {
	text := fmt.Sprintf(`# Measurements

Written by %s on %s at commit %s, on %s. Load average before the run: %s, after it: %s.

%s
How: [bench/](../bench). (a) takes the medians of interleaved rounds; the rival is the same containers with the same mounts,
environment, limits and readiness checks, started by plain calls to Docker's API, with a git clone beside them where it says so; Berth
always clones within its time. There is no store of dependencies outside the working tree yet, so both sides install them, and in the
second group both find them in the repository, whose 147 MB Berth writes while the rival of the second line is given them. (b) measures with the server running and then, for as long, with it stopped; what dockerd and
containerd use is the whole machine's, so anything else that uses Docker disturbs it: the row tells how many
events of others there were, of the last 256 that Docker remembers.
(c) goes through the Unix socket and the real handlers, once at rest and once while deployments change ten times a second.
(f) has 16 connections ask one request at a time for 1.5 s, in 7 rounds that alternate; every proxy is a process of its own with the
same certificate, all but the plain one write an access log, and CPU is the proxy's alone. Caddy and nginx are Debian's, unpacked and not installed.
`, "`make bench`", p.began.UTC().Format("2006-01-02 15:04 UTC"), p.commit, machine(), p.load, loadAverage(), p.table())
	return os.WriteFile(path, []byte(text), 0o644)
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func median(list []time.Duration) time.Duration { return quantile(list, 0.5) }

// quantile is the smallest value that at least the share q of all do not exceed.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	at := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
