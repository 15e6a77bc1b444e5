// Command bench measures what Berth promises about speed and cost, each against its goal and where
// there is one against a rival in the same run, and prints one table.
//
// It drives the real binary on the real Docker as e2e does, and leaves nothing of it behind. The
// rival speaks plain HTTP to Docker's socket: whatever Berth's own engine does well or badly must
// not help or hinder it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// settings are the command line.
type settings struct {
	bin    string        // where berth and berth-agent are
	out    string        // the table as a page; empty: none
	only   string        // letters of the measurements to make
	rounds int           // of development deployments
	idle   time.Duration // how long each half of the idle measurement takes
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", "bin", "directory of berth and berth-agent")
	flag.StringVar(&s.out, "out", "docs/bench.md", "page to write the table to; empty: none")
	flag.StringVar(&s.only, "only", "abcdef", "measurements to make")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each development deployment")
	flag.DurationVar(&s.idle, "idle", idleFor(os.Getenv("BENCH_FULL")), "length of each half of the idle measurement")
	var c contender
	flag.StringVar(&c.kind, "contender", "", "only be one of (f)'s processes; this program starts them so")
	flag.StringVar(&c.listen, "listen", "", "address of that process")
	flag.StringVar(&c.target, "target", "", "address behind it")
	flag.StringVar(&c.dir, "dir", "", "directory of its files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.kind != "" {
		if err := c.run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func idleFor(full string) time.Duration {
	if full != "" {
		return 10 * time.Minute
	}
	return 2 * time.Minute
}

// bench is one run.
type bench struct {
	settings
	docker rawDocker
	dir    string // everything the run makes lies below it
}

// measurement is a letter of the list in the issue.
type measurement struct {
	letter, title string
	measure       func(*bench, context.Context) ([]row, error)
}

func measurements() []measurement {
	return []measurement{
		{"a", "development deployments against plain Docker", (*bench).development},
		{"b", "ten idle production deployments", (*bench).idleness},
		{"c", "lists of deployments", (*bench).listing},
		{"d", "forty networks at once", (*bench).networks},
		{"e", "git push against docker build and docker run", (*bench).pushing},
		{"f", "the proxy against others", (*bench).proxying},
	}
}

func run(ctx context.Context, s settings) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, as berth serve does")
	}
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{settings: s, docker: newDocker(), dir: dir}
	page := newPage(s)
	var failures []error
	for _, m := range measurements() {
		if !strings.Contains(s.only, m.letter) {
			continue
		}
		say("(%s) %s", m.letter, m.title)
		rows, err := m.measure(b, ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("(%s) %s: %w", m.letter, m.title, err))
		}
		page.add(m, rows)
	}
	fmt.Print("\n", page.table())
	if s.out != "" {
		failures = append(failures, page.write(s.out))
	}
	return errors.Join(failures...)
}

// say tells what is going on; the table alone goes to standard output.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
