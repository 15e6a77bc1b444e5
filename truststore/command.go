package truststore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sbin is where programs of root lie that others do not have on their path.
var sbin = []string{"/usr/sbin", "/sbin"}

func look(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range sbin {
		if path, other := exec.LookPath(filepath.Join(dir, name)); other == nil {
			return path, nil
		}
	}
	return "", err
}

// run runs a program as a person; sudo may ask that person for a password.
func run(ctx context.Context, as Person, name string, args ...string) ([]byte, error) {
	path, err := look(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = os.Stdin
	if err := become(cmd, as); err != nil {
		return nil, err
	}
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if name == "sudo" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(failure.String()))
	}
	return out.Bytes(), nil
}
