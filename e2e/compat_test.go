//go:build e2e && compat

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What is promised of the subjects.
const (
	mustServe    = 16
	mustReload   = 12
	mustEndSoon  = time.Minute
	atOnce       = 2 // subjects on the machine at a time
	reloadWithin = 90 * time.Second
)

// outcome is what became of one subject.
type outcome struct {
	subject
	commit             string
	served, developed  bool
	proposed           string // the packages
	serving, starting  time.Duration
	reloading          time.Duration // from the change to the page that has it; zero: it did not come
	refusal, developer string        // why not
	broken             string        // what must not happen
}

// TestCompatibility brings public repositories, unmodified, with one command each, in production and in
// development, and writes docs/compatibility.md. BERTH_COMPAT_REPOS is a directory with a clone of each,
// named OWNER+NAME; BERTH_COMPAT_ONLY, a regular expression, picks some and writes nothing.
func TestCompatibility(t *testing.T) {
	clones := os.Getenv("BERTH_COMPAT_REPOS")
	if clones == "" {
		t.Fatal("BERTH_COMPAT_REPOS names no directory with clones of the repositories; scripts/compat.sh says more")
	}
	only, err := regexp.Compile(os.Getenv("BERTH_COMPAT_ONLY"))
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(subjects(), func(s subject) bool { return !only.MatchString(s.repository) })
	outcomes := make([]outcome, len(all))
	var wait sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i, s := range all {
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			outcomes[i] = bring(s, filepath.Join(clones, strings.ReplaceAll(s.repository, "/", "+")))
			t.Log(outcomes[i].line())
		})
	}
	wait.Wait()
	served, reloaded := 0, 0
	for _, o := range outcomes {
		if o.broken != "" {
			t.Errorf("%s: %s", o.repository, o.broken)
		}
		if o.served {
			served++
		}
		if o.reloading > 0 {
			reloaded++
		}
	}
	t.Logf("%d of %d serve in production, %d reload in development", served, len(outcomes), reloaded)
	if os.Getenv("BERTH_COMPAT_ONLY") != "" {
		return
	}
	if served < mustServe || reloaded < mustReload {
		t.Errorf("%d serve, want %d; %d reload, want %d", served, mustServe, reloaded, mustReload)
	}
	if err := os.WriteFile("../docs/compatibility.md", []byte(compatibilityPage(outcomes, served, reloaded)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bring does what a person does with a repository, and removes it again.
func bring(s subject, clone string) (o outcome) {
	o.subject = s
	commit, err := exec.Command("git", "-C", clone, "rev-parse", "HEAD").Output()
	if err != nil {
		o.broken = fmt.Sprintf("no clone at %s: %v", clone, err)
		return o
	}
	o.commit = strings.TrimSpace(string(commit))
	name := projectName(s.repository)
	defer func() {
		for _, stage := range []string{"production", "development"} {
			_ = shared.run("delete", stage+"-"+name, "--yes", "--wait") // there may be none
		}
		if err := shared.run("project", "rm", name); err != nil && !strings.Contains(err.Error(), "no project") {
			o.broken = errors.Join(errors.New(o.broken), err).Error()
		}
	}()

	took, element, failure := deployed(s, clone, name, "production")
	o.serving, o.refusal, o.served = took, failure, failure == ""
	if o.served {
		if err := has(name, "production", element, s.page, s.says, time.Minute); err != nil {
			o.served, o.refusal = false, err.Error()
		}
	}
	o.proposed = packagesOf(name)
	_ = shared.run("delete", "production-"+name, "--yes", "--wait")
	if !o.served {
		if took > mustEndSoon {
			o.broken = fmt.Sprintf("ended only after %s", took.Round(time.Second))
		}
		if s.tells == "" || !regexp.MustCompile(s.tells).MatchString(o.refusal) {
			o.broken = "does not serve: " + o.refusal
		}
		return o
	}

	if o.starting, element, o.developer = deployed(s, clone, name, "development"); o.developer != "" {
		return o
	}
	if err := has(name, "development", element, s.page, s.says, time.Minute); err != nil {
		o.developer = err.Error()
		return o
	}
	o.developed = true
	began := time.Now()
	if err := s.edit.make(clone, name, element); err != nil {
		o.developer = err.Error()
		return o
	}
	if err := has(name, "development", element, s.page, regexp.QuoteMeta(s.edit.shows), reloadWithin); err != nil {
		o.developer = "the change does not show: " + err.Error()
		return o
	}
	o.reloading = time.Since(began)
	return o
}

// projectName is a name that any repository's gives.
func projectName(repository string) string {
	name := strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(repository[strings.Index(repository, "/")+1:], "-"))
	return "c-" + strings.Trim(name[:min(len(name), 20)], "-")
}

// deployed runs the one command, and returns the element that has a host.
func deployed(s subject, clone, name, stage string) (took time.Duration, element, failure string) {
	began := time.Now()
	out, err := shared.command("up", clone, "--name", name, "--stage", stage, "--yes", "--timeout", "8m").CombinedOutput()
	took = time.Since(began)
	if err != nil {
		return took, "", reason(out)
	}
	var d struct{ Hosts []struct{ Element string } }
	show, err := shared.command("show", stage+"-"+name, "--json").Output()
	if err == nil {
		err = unmarshal(show, &d)
	}
	if err != nil || len(d.Hosts) == 0 {
		return took, "", fmt.Sprintf("it has no host (%v)", err)
	}
	return took, d.Hosts[0].Element, ""
}

// reason is how berth up ended: what it said in its last paragraph.
func reason(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "berth: ") })
	if at < 0 {
		at = max(len(lines)-3, 0)
	}
	return strings.Join(lines[at:], " ")
}

func packagesOf(name string) string {
	file, err := shared.command("project", "file", name).Output()
	if err != nil {
		return ""
	}
	var found []string
	for _, match := range regexp.MustCompile(`(?m)package: (\S+)`).FindAllSubmatch(file, -1) {
		found = append(found, string(match[1]))
	}
	return strings.Join(found, ", ")
}

// has waits until a page matches.
func has(name, stage, element, page, want string, limit time.Duration) error {
	pattern, err := regexp.Compile(want)
	if err != nil {
		return err
	}
	var seen []byte
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		url := fmt.Sprintf("https://%s-%s-%s.berth.localhost:%d%s", element, stage, name, shared.https, page)
		host := strings.TrimPrefix(url[:len(url)-len(page)], "https://")
		seen, err = exec.Command("curl", "--silent", "--show-error", "--fail", "--location", "--insecure", "--max-time", "30",
			"--resolve", host+":127.0.0.1", "--", url).CombinedOutput()
		if err == nil && pattern.Match(seen) {
			return nil
		}
	}
	return fmt.Errorf("the page %s does not have %q within %s (%v): %.200q", page, want, limit, err, seen)
}

// make changes the file on the deployment's code volume, as an editor does.
func (e edit) make(clone, name, element string) error {
	text, err := os.ReadFile(filepath.Join(clone, e.file))
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(e.old)) {
		return fmt.Errorf("%s does not have %q", e.file, e.old)
	}
	cmd := shared.command("exec", "development-"+name, element, "--", "tee", e.file)
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(text, []byte(e.old), []byte(e.new)))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("write %s: %w: %s", e.file, err, said.String())
	}
	return nil
}

func (o outcome) line() string {
	return fmt.Sprintf("%s: production %s %s, development %s, reload %s %s", o.repository, o.serving.Round(time.Second), o.refusal,
		o.starting.Round(time.Second), o.reloading.Round(100*time.Millisecond), o.developer)
}

// compatibilityPage is what readers see.
func compatibilityPage(outcomes []outcome, served, reloaded int) string {
	var b strings.Builder
	revision, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	fmt.Fprintf(&b, `# Compatibility

%d public repositories, brought unmodified with one command (%s). %d serve in production, and in development %d show a
saved change without anybody restarting anything. Written by %s on %s at commit %s, on a machine that reaches no image registry and
no Python package index: base images are the ones that Berth makes itself from Debian, and what it has none for is named.

| repository | what it is | proposed packages | production | development | change shows after | otherwise |
|---|---|---|---|---|---|---|
`, len(outcomes), "`berth up`", served, reloaded, "`make compat`", time.Now().UTC().Format("2006-01-02"), strings.TrimSpace(string(revision)))
	for _, o := range outcomes {
		production, development, change := "no", "–", "–"
		if o.served {
			production = fmt.Sprintf("%.0f s", o.serving.Seconds())
		}
		if o.developed {
			development = fmt.Sprintf("%.0f s", o.starting.Seconds())
		} else if o.served {
			development = "no"
		}
		if o.reloading > 0 {
			change = fmt.Sprintf("%.1f s", o.reloading.Seconds())
		}
		why := o.refusal
		if why != "" {
			why = fmt.Sprintf("after %.0f s: %s", o.serving.Seconds(), why)
		} else {
			why = o.developer
		}
		why = strings.NewReplacer("|", `\|`, "\n", " ").Replace(why)
		fmt.Fprintf(&b, "| [%s](https://github.com/%s) at %.8s | %s | %s | %s | %s | %s | %.300s |\n",
			o.repository, o.repository, o.commit, o.kind, o.proposed, production, development, change, why)
	}
	b.WriteString("\nSeconds are of `berth up` until every host answered, two repositories at a time on 2 cores, installation of dependencies included.\n")
	return b.String()
}
