package install

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

func (l layout) certificateAuthority() string { return filepath.Join(l.data, "certs", "ca.pem") }

// anchors are where distributions keep the authorities that an operator added.
var anchors = []string{
	"/usr/local/share/ca-certificates",
	"/etc/pki/ca-trust/source/anchors",
	"/etc/ca-certificates/trust-source/anchors",
	"/usr/share/pki/trust/anchors",
}

// trustedCopies are the files of the machine's trust store that hold this server's authority, whatever they are
// called, and nothing else.
func trustedCopies(root, authority string) (files []string) {
	text, err := os.ReadFile(authority)
	own := certificatesIn(text)
	if err != nil || len(own) != 1 {
		return nil
	}
	for _, dir := range anchors {
		_ = filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // what cannot be read is none of ours
			}
			text, err := os.ReadFile(path)
			if held := certificatesIn(text); err == nil && len(held) == 1 && bytes.Equal(held[0], own[0]) {
				files = append(files, path)
			}
			return nil
		})
	}
	return files
}

func certificatesIn(text []byte) (der [][]byte) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return der
		}
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes)
		}
		text = rest
	}
}

// refreshTrust has the distribution make its bundle anew.
func refreshTrust(ctx context.Context, log io.Writer) error {
	for _, line := range [][]string{{"update-ca-certificates", "--fresh"}, {"update-ca-trust", "extract"}} {
		if _, err := exec.LookPath(line[0]); err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", line[0], err)
		}
		return nil
	}
	return nil
}
