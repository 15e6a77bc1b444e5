package buildkit

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/diagnosis"
)

// symptom is a way builds fail and what helps. command and output are matched where they are set.
type symptom struct {
	command *regexp.Regexp
	output  *regexp.Regexp // what the step printed last, or the engine's own words
	exit    int
	help    string
	tell    func(said string) string // instead of output and help: the help, or nothing
}

// symptoms are tried in this order: what is more particular comes first.
func symptoms() []symptom {
	words := func(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + pattern) }
	return []symptom{
		{command: words(`npm (ci|clean-install)`), output: words(`can only install with an existing package-lock|npm ci.+package-lock\.json.+lockfileVersion`),
			help: "npm ci needs a package-lock.json: run `npm install` in the folder and commit the lock file."},
		{command: words(`npm (ci|clean-install)`), output: words(`package\.json and package-lock\.json.*(in sync)|Missing: .+ from lock file`),
			help: "package.json and package-lock.json disagree: run `npm install` and commit the changed lock file."},
		{command: words(`^(COPY|ADD) `), output: words(`not found|no such file or directory`),
			help: "A file that the instruction names is not in the build context: paths count from the repository's root, and .dockerignore may exclude it."},
		{output: words(`certificate|self.signed|UNABLE_TO_(GET|VERIFY)|x509`),
			help: "A server's certificate was not trusted. Steps find the machine's bundle at " + caPath + " and in the usual variables; a tool that reads neither has to be told that path."},
		{tell: func(said string) string { return diagnosis.Unreachable("The step", said) }},
		{output: words(`EACCES|permission denied`),
			help: "The step may not write there: check USER and the owner of the files it copies (COPY --chown), and that scripts are executable."},
		{output: words(`no space left on device|ENOSPC`),
			help: "The machine's disk is full: free some space and try again."},
		{output: words(`unknown instruction|dockerfile parse error`),
			help: "The Dockerfile has an instruction that does not exist; look for a typing error or a missing line continuation (\\)."},
		{output: words(`target stage .+ could not be found`),
			help: "The Dockerfile has no stage of that name."},
		{exit: 126, help: "The command exists but cannot be run: is it executable, and made for this processor?"},
		{exit: 127, help: "A command was not found: it is not installed in the base image, or not on PATH."},
		{output: words(`exec: "[^"]+": (executable file not found|stat)`),
			help: "A command was not found: it is not installed in the base image, or not on PATH."},
		{exit: killed, help: "Something killed the step (SIGKILL). Builds are not known to have reached their memory ceiling."},
	}
}

// remedy says what likely helps, or nothing. output is more of what the step printed than f.Tail.
func remedy(f *build.Failure, output []string) string {
	if f.OutOfMemory {
		return fmt.Sprintf("All builds together may use %d MiB. Let the step use less (fewer parallel jobs, a smaller --max-old-space-size), or raise the ceiling of builds.", f.Ceiling>>20)
	}
	said := strings.Join(output, "\n")
	if f.Cause != nil {
		said += "\n" + f.Cause.Error()
	}
	for _, s := range symptoms() {
		if s.tell != nil {
			if help := s.tell(said); help != "" {
				return help
			}
		} else if s.matches(f, said) {
			return s.help
		}
	}
	return ""
}

func (s symptom) matches(f *build.Failure, said string) bool {
	return (s.command == nil || s.command.MatchString(f.Command)) &&
		(s.output == nil || s.output.MatchString(said)) &&
		(s.exit == 0 || s.exit == f.ExitCode)
}
