//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestGuides runs every command block of every page of the users' guide, in order, as a reader would.
func TestGuides(t *testing.T) {
	pages, err := filepath.Glob("../docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no guide pages: %v", err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			script := "set -euo pipefail\n"
			for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
				script += block[1]
			}
			dir := t.TempDir()
			file := filepath.Join(dir, ".guide.sh") // not by stdin, which a command of the page may read
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-x", file)
			cmd.Dir = dir
			// A reader's git trusts what it is told to.
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_SSL_CAINFO=") }), "BERTH_SOCKET="+shared.socket(), "BERTH_DATA="+shared.data, "HOME="+cmd.Dir,
				"PATH="+shared.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=/dev/null")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", page, err, out)
			}
		})
	}
}
