package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// machine is what the numbers depend on.
func machine() string {
	model, memory := field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	engine, _ := exec.Command("docker", "version", "--format", "{{.Server.Version}}").Output()
	return fmt.Sprintf("%d × %s, %s of memory, Linux %s, Docker %s", runtime.NumCPU(), model, memory,
		bytes.TrimSpace(kernel), bytes.TrimSpace(engine))
}

// field is the value of the first line "name: value" of a file.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func proc(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// kilobytes reads a line like "VmRSS: 123 kB", in bytes; 0 where the process has ended.
func kilobytes(path, name string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(field(path, name), " kB"), 10, 64)
	return n << 10
}

func rss(pid int) int64 { return kilobytes(proc(pid, "status"), "VmRSS") }
func pss(pid int) int64 { return kilobytes(proc(pid, "smaps_rollup"), "Pss") }

// tick is the kernel's USER_HZ, which is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// cpu is what a process and its ended children have used.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return 0
	}
	// The name may hold anything, parentheses too.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var total int64
	for _, at := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(fields[at], 10, 64)
		total += n
	}
	return time.Duration(total) * tick
}

// processes lists those that pass, by their command line.
func processes(pass func(command []string) bool) (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range entries {
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			continue
		}
		if command := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00"); pass(command) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func program(command []string) string { return filepath.Base(command[0]) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
