package install

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// versionOf asks a program for its version.
func versionOf(ctx context.Context, program string) (string, error) {
	out, err := runShortly(ctx, program, "version")
	if err != nil {
		return "", err
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(out), "berth ")
	if !ok || strings.ContainsAny(version, "\r\n") {
		return "", berth.Errorf(berth.EInvalid, "%s is no Berth: it calls itself %.80q", filepath.Base(program), out)
	}
	return version, nil
}

// runShortly runs a program that should say something and end.
func runShortly(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &said, time.Second
	if err := cmd.Run(); err != nil {
		return "", berth.Errorf(berth.EInvalid, "%s does not run on this machine (%w) %s", program, err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}
