package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// holder is the process that has the lock of the data directory, which is the server's; 0: none runs.
func holder(l layout) int {
	info, err := os.Stat(l.lock())
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	return holderOf(string(locks), file)
}

// holderOf reads /proc/locks: number, kind, …, process, device and inode.
func holderOf(locks, file string) int {
	for line := range strings.Lines(locks) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		pid, err := strconv.Atoi(fields[4])
		if err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// commandOf is a process's command line.
func commandOf(pid int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// flagOf is the value of a flag in a command line, in either form.
func flagOf(line []string, flag string) string {
	for i, word := range line {
		if value, ok := strings.CutPrefix(word, flag+"="); ok {
			return value
		}
		if word == flag && i+1 < len(line) {
			return line[i+1]
		}
	}
	return ""
}

// otherServers are the processes of further Berth servers on this machine.
func otherServers(own int) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == own {
			continue
		}
		line := commandOf(pid)
		if len(line) > 1 && filepath.Base(line[0]) == "berth" && line[1] == "serve" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// supervisor starts and stops the server.
type supervisor interface {
	// start starts the server with what the installation says now.
	start(ctx context.Context) error
	// stop ends it, whoever started it; it is no error when it does not run.
	stop(ctx context.Context) error
	// ended reports whether what start started will not come to answer.
	ended(ctx context.Context) bool
	// lastWords are the end of what the server said.
	lastWords(ctx context.Context) string
}

func (o Options) supervisor(systemd bool, line []string) supervisor {
	alone := &alone{layout: o.layout(), line: line}
	if systemd {
		return underSystemd{alone}
	}
	return alone
}

// alone is a server that is nobody's child.
type alone struct {
	layout layout
	line   []string
	child  int
}

func (a *alone) start(context.Context) error {
	log, err := os.OpenFile(a.layout.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(a.line[0], a.line[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	a.child = cmd.Process.Pid
	return cmd.Process.Release()
}

func (a *alone) ended(context.Context) bool {
	pid, err := syscall.Wait4(a.child, nil, syscall.WNOHANG, nil)
	return a.child != 0 && (err != nil || pid == a.child)
}

// stopWithin is how long the server may take to end when asked.
const stopWithin = 45 * time.Second

func (a *alone) stop(ctx context.Context) error {
	pid := holder(a.layout)
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the server: %w", err)
	}
	gone := func() bool { return holder(a.layout) != pid }
	if until(ctx, stopWithin, gone) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill the server: %w", err)
	}
	if !until(ctx, stopWithin, gone) {
		return fmt.Errorf("the server (process %d) does not end", pid)
	}
	return nil
}

// underSystemd is a server that systemd starts.
type underSystemd struct{ *alone }

func (s underSystemd) start(ctx context.Context) error {
	if err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	// Its crashes are counted anew. A unit that systemd does not know has none.
	_ = systemctl(ctx, "reset-failed", unitName)
	return systemctl(ctx, "enable", "--now", unitName)
}

// stop ends one that was started by hand, too.
func (s underSystemd) stop(ctx context.Context) error {
	if _, err := os.Stat(s.layout.unit()); err == nil {
		if err := systemctl(ctx, "stop", unitName); err != nil {
			return err
		}
	}
	return s.alone.stop(ctx)
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// crashes is how often systemd starts a server again before it is taken for one that cannot run.
const crashes = 3

func (s underSystemd) ended(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=NRestarts", "--value", unitName).Output()
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	return err == nil && n >= crashes
}

func (s underSystemd) lastWords(ctx context.Context) string {
	text, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "--output=cat", "--unit="+unitName, "--lines="+strconv.Itoa(wordsKept)).Output()
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return s.alone.lastWords(ctx)
	}
	return strings.TrimSpace(string(text))
}

// until looks again and again until done says so; false when time is up.
func until(ctx context.Context, limit time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if done() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wordsKept is how many lines of a server that does not run a person is shown.
const wordsKept = 10

func (a *alone) lastWords(context.Context) string {
	lines := strings.Split(strings.TrimSpace(string(tailOf(a.layout.log()))), "\n")
	return strings.Join(lines[max(0, len(lines)-wordsKept):], "\n")
}

func tailOf(file string) []byte {
	const most = 16 << 10
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return nil
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	return text
}

// sameLine reports whether a running server was started as it would be now, from a binary that is still there.
func sameLine(pid int, line []string) bool {
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	return err == nil && !strings.HasSuffix(exe, " (deleted)") && slices.Equal(commandOf(pid), line)
}
