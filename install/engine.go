package install

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/machine"
)

// packagesFor are the Debian packages that are missing, none where apt-get cannot install them.
func packagesFor(f machine.Facts) (missing []string) {
	if !f.Apt {
		return nil
	}
	if !f.Engine.Answers && !f.Engine.Installed {
		missing = append(missing, "docker.io")
	}
	for _, p := range machine.Programs {
		if slices.Contains(f.Missing, p.Name) {
			missing = append(missing, p.Package)
		}
	}
	if slices.Contains(f.Missing, "debootstrap") {
		missing = append(missing, "debootstrap")
	}
	if !f.CABundle {
		missing = append(missing, "ca-certificates")
	}
	if f.Cgroup.Version == 0 && !f.Systemd {
		missing = append(missing, "cgroupfs-mount")
	}
	return missing
}

// aptInstall installs packages without asking anything.
func aptInstall(ctx context.Context, packages []string, log io.Writer) error {
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-y", "-q", "--no-install-recommends", "--"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}

const (
	engineLog    = "/var/log/berth-dockerd.log"
	engineWithin = 60 * time.Second
)

// startEngine starts Docker, as a service where there is systemd, and waits until it answers. Installing may
// have started it.
func (i *Installation) startEngine(ctx context.Context) error {
	socket := cmp.Or(i.wanted.Docker, defaultDocker)
	answers := func() bool {
		_, err := docker.Ask(ctx, socket)
		return err == nil
	}
	if until(ctx, 3*time.Second, answers) {
		return nil
	}
	var err error
	if i.survey.facts.Systemd {
		err = systemctl(ctx, "enable", "--now", "docker")
	} else {
		err = startDockerd()
	}
	if err != nil {
		return err
	}
	if !until(ctx, engineWithin, answers) {
		return berth.Errorf(berth.EUnavailable, "Docker Engine was started and does not answer at %s; its last words (%s):\n%s", socket, engineLog, tailOf(engineLog))
	}
	return nil
}

// startDockerd starts the engine as nobody's child: it outlives this program and holds none of its pipes.
func startDockerd() error {
	log, err := os.OpenFile(engineLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the engine's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("dockerd")
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	return cmd.Process.Release()
}
