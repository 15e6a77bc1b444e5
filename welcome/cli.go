package welcome

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// platforms are those for which there is a command line.
var platforms = []string{"darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "windows-amd64", "windows-arm64"}

func isPlatform(name string) bool { return slices.Contains(platforms, name) }

// sumsFile lists the checksum of every command line that there is; its own checksum stands for all of them.
const sumsFile = "SHA256SUMS"

// CLI is the command lines that the server can give away.
type CLI struct {
	Dir     string // with files named <os>-<arch>[.exe]
	Beside  string // directory of this program, with files named berth-<version>-<os>-<arch>[.exe]
	Version string
	Self    string // this program: the command line of its own platform

	mu   sync.Mutex
	sums map[string]sum // by path
}

// sum is a file's checksum, as long as the file is the same.
type sum struct {
	hex      string
	size     int64
	modified time.Time
}

// find returns the file for a platform.
func (c *CLI) find(platform string) (path string, ok bool) {
	if !isPlatform(platform) {
		return "", false
	}
	name := platform
	if strings.HasPrefix(platform, "windows-") {
		name += ".exe"
	}
	candidates := []string{filepath.Join(c.Dir, name), filepath.Join(c.Beside, "berth-"+c.Version+"-"+name)}
	if platform == runtime.GOOS+"-"+runtime.GOARCH {
		candidates = append(candidates, c.Self)
	}
	for _, path := range candidates {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}

// Sums lists the checksums as sha256sum does, by platform.
func (c *CLI) Sums() (string, error) {
	var out strings.Builder
	for _, platform := range platforms {
		path, ok := c.find(platform)
		if !ok {
			continue
		}
		hex, err := c.sum(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s  %s\n", hex, platform)
	}
	return out.String(), nil
}

// Checksum stands for all that Sums lists; empty where there is nothing.
func (c *CLI) Checksum() (string, error) {
	sums, err := c.Sums()
	if err != nil || sums == "" {
		return "", err
	}
	total := sha256.Sum256([]byte(sums))
	return hex.EncodeToString(total[:]), nil
}

func (c *CLI) sum(path string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open command line: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("look at command line: %w", err)
	}
	if known, ok := c.sums[path]; ok && known.size == info.Size() && known.modified.Equal(info.ModTime()) {
		return known.hex, nil
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", fmt.Errorf("read command line: %w", err)
	}
	if c.sums == nil {
		c.sums = map[string]sum{}
	}
	c.sums[path] = sum{hex.EncodeToString(digest.Sum(nil)), info.Size(), info.ModTime()}
	return c.sums[path].hex, nil
}
