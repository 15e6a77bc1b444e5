package install

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/berth-dev/berth"
)

// release is a directory with what make dist makes; any part of it may be missing.
type release struct {
	dir  string
	sums map[string]string // by file name, from SHA256SUMS
	cli  []commandLine
}

// commandLine is the program for a platform.
type commandLine struct{ path, platform string } // platform: linux-amd64, windows-arm64.exe, …

var commandLineName = regexp.MustCompile(`^berth-.+-((?:linux|darwin|windows)-(?:amd64|arm64)(?:\.exe)?)$`)

// openRelease reads what lies in a directory. A file that is not what its checksum says is refused.
func openRelease(dir string) (r release, err error) {
	r = release{dir: dir}
	if r.sums, err = readSums(filepath.Join(dir, "SHA256SUMS")); err != nil || r.sums == nil {
		return r, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return r, fmt.Errorf("read release: %w", err)
	}
	for _, e := range entries {
		match := commandLineName.FindStringSubmatch(e.Name())
		if match == nil || strings.HasPrefix(e.Name(), agentName) || r.sums[e.Name()] == "" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := r.verify(path); err != nil {
			return r, err
		}
		r.cli = append(r.cli, commandLine{path, match[1]})
	}
	return r, nil
}

func readSums(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checksums: %w", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, found := strings.Cut(strings.TrimSpace(line), "  ")
		if found {
			sums[name] = sum
		}
	}
	return sums, nil
}

// verify compares a file with the release's checksum of it, if there is one.
func (r release) verify(path string) error {
	want, known := r.sums[filepath.Base(path)]
	if !known {
		return nil
	}
	sum, err := sumOf(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(sum[:]); got != want {
		return berth.Errorf(berth.EInvalid, "%s is not what SHA256SUMS says (%.12s…, not %.12s…): get the release again", path, got, want)
	}
	return nil
}

// agent finds the helper that belongs to a server binary: beside it, in the release, or installed.
func (r release) agent(binary string, l layout) (string, error) {
	candidates := []string{filepath.Join(filepath.Dir(binary), agentName)}
	for name := range r.sums {
		if strings.HasPrefix(name, agentName+"-") && strings.HasSuffix(name, "-"+runtime.GOOS+"-"+runtime.GOARCH) {
			candidates = append([]string{filepath.Join(r.dir, name)}, candidates...)
		}
	}
	for _, path := range append(candidates, l.agent()) {
		if _, err := os.Stat(path); err == nil {
			return path, r.verify(path)
		}
	}
	return "", berth.Errorf(berth.ENotFound, "the helper berth-agent is missing: keep it beside this program, or name the release's directory with --dist")
}
