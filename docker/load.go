package docker

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// CPU is how much processor time all containers of a deployment have used, those that are gone included.
func (e *Engine) CPU(deployment berth.ID) (time.Duration, error) { return e.cgroups.cpu(deployment) }

// cpu reads cpuacct.usage (nanoseconds) of version 1 and usage_usec of cpu.stat of version 2, by the kernel's
// admin-guide/cgroup-v1/cpuacct.rst and cgroup-v2.rst.
func (c cgroups) cpu(id berth.ID) (time.Duration, error) {
	if !c.unified {
		text, err := os.ReadFile(filepath.Join(c.path(id, "cpuacct"), "cpuacct.usage"))
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(used), err
	}
	file, err := os.Open(filepath.Join(c.path(id, "cpu"), "cpu.stat"))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "usage_usec "); ok {
			used, err := strconv.ParseInt(text, 10, 64)
			return time.Duration(used) * time.Microsecond, err
		}
	}
	return 0, errors.New("read processor time: cpu.stat does not say it")
}
