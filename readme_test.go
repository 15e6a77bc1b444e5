package berth_test

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the promises of the scenarios into README.md")

const promisesHeading = "## Works today\n"

// TestReadmePromisesWhatIsTested compares README.md's "Works today" with what scenarios show: the first
// line of every script, and the tests that promises.txt names. The order is README's own;
// go test . -run Readme -update drops what is no longer tested and puts what is new at the end.
func TestReadmePromisesWhatIsTested(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), promisesHeading)
	if !found {
		t.Fatalf("README.md has no section %q", promisesHeading)
	}
	section, after := rest, ""
	if next := strings.Index(rest, "\n## "); next >= 0 {
		section, after = rest[:next], rest[next:]
	}
	var promised []string
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); line != "" {
			promised = append(promised, strings.TrimPrefix(line, "- "))
		}
	}
	tested := append(scriptPromises(t), namedPromises(t)...)
	missing := slices.DeleteFunc(slices.Clone(tested), func(s string) bool { return slices.Contains(promised, s) })
	kept := slices.DeleteFunc(slices.Clone(promised), func(s string) bool { return !slices.Contains(tested, s) })
	if *update {
		section = "\n- " + strings.Join(append(kept, missing...), "\n- ") + "\n"
		if err := os.WriteFile("README.md", []byte(before+promisesHeading+section+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, s := range missing {
		t.Errorf("a scenario shows it, and README.md does not say it (-update does):\n%s", s)
	}
	for _, s := range promised {
		if !slices.Contains(tested, s) {
			t.Errorf("README.md says it, and no scenario shows it:\n%s", s)
		}
	}
}

// scriptPromises are the first lines of the scenario scripts.
func scriptPromises(t *testing.T) (list []string) {
	t.Helper()
	scripts, err := filepath.Glob("e2e/testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, script := range scripts {
		first, err := firstLine(script)
		if err != nil {
			t.Fatal(err)
		}
		promise, ok := strings.CutPrefix(first, "# ")
		if !ok || !strings.HasSuffix(promise, ".") {
			t.Errorf("%s does not begin with a comment that is a sentence, but with %q", script, first)
		}
		list = append(list, promise)
	}
	return list
}

func firstLine(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Scan()
	return lines.Text(), lines.Err()
}

// namedPromises are the sentences of scenarios written in Go. Each names its test, which must exist.
func namedPromises(t *testing.T) (list []string) {
	t.Helper()
	table, err := os.ReadFile("e2e/promises.txt")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for line := range strings.Lines(string(table)) {
		name, promise, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || !tests[name] {
			t.Errorf("promises.txt: %q is not \"Test: sentence\" with a test of e2e", line)
		}
		list = append(list, promise)
	}
	return list
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("e2e/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names[match[1]] = true
		}
	}
	return names
}

// The guides' commands run one after another against one server: what one page makes, no other one can.
func TestGuidesMakeProjectsOfTheirOwn(t *testing.T) {
	pages, err := filepath.Glob("docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("there is no guide", err)
	}
	creates := regexp.MustCompile(`(?m)^berth project create ([a-z0-9-]+)`)
	made := map[string]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range creates.FindAllSubmatch(text, -1) {
			if other, taken := made[string(match[1])]; taken && other != page {
				t.Errorf("%s and %s both create project %s", other, page, match[1])
			}
			made[string(match[1])] = page
		}
	}
}
