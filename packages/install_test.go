package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installScript is what a package runs before the start in development, as its chart has it.
func installScript(t *testing.T, name string) string {
	t.Helper()
	chart, err := fs.ReadFile(FS(), name+"/.diploi/helm/app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(chart), "- name: install-dependencies")
	_, rest, _ = strings.Cut(rest, "- |\n")
	script, _, found := strings.Cut(rest, "\n          env:")
	if !found {
		t.Fatalf("%s has no script that installs", name)
	}
	return script
}

// npm is one that does what the file "outcome" says: ok, fails, or dies together with the script.
const npm = `#!/bin/sh
mkdir -p node_modules/half
case "$(cat outcome)" in
ok) rm -rf node_modules; mkdir -p node_modules/whole ;;
fails) exit 1 ;;
dies) kill -9 "$PPID" ;;
esac
`

// A failed install never makes a working tree worse, and what is half there is never started with.
func TestAFailedInstallLeavesWhatWasThere(t *testing.T) {
	for _, name := range []string{"nodejs", "nextjs", "react-vite"} {
		t.Run(name, func(t *testing.T) {
			script, dir := installScript(t, name), t.TempDir()
			write := func(name, text string, mode fs.FileMode) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			write("bin/npm", npm, 0o755)
			write("package.json", "{}", 0o644)
			for n, step := range []struct {
				outcome, lock string
				works         bool
				left          string // in node_modules
			}{
				{"fails", "one", false, ""},
				{"fails", "one", false, ""},
				{"dies", "one", false, "half"},
				{"fails", "one", false, ""},
				{"ok", "one", true, "whole"},
				{"fails", "one", true, "whole"}, // nothing to install
				{"fails", "two", true, "whole"},
				{"dies", "two", false, "half"},
				{"fails", "two", true, "whole"},
				{"ok", "two", true, "whole"},
			} {
				write("outcome", step.outcome, 0o644)
				write("package-lock.json", step.lock, 0o644)
				cmd := exec.Command("sh", "-c", script)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if (err == nil) != step.works {
					t.Errorf("step %d: %v\n%s", n, err, out)
				}
				left, _ := filepath.Glob(filepath.Join(dir, "node_modules", "*"))
				names := []string{}
				for _, path := range left {
					if name := filepath.Base(path); name != ".berth-lock" {
						names = append(names, name)
					}
				}
				if got := strings.Join(names, " "); got != step.left {
					t.Errorf("step %d: node_modules has %q, want %q\n%s", n, got, step.left, out)
				}
			}
		})
	}
}
