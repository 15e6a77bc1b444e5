package buildkit

import (
	"errors"
	"strings"
	"testing"

	"github.com/berth-dev/berth/build"
)

func TestExitCode(t *testing.T) {
	for message, want := range map[string]int{
		"executor failed running [/bin/sh -c npm ci]: exit code: 1":                                  1,
		"executor failed running [/bin/sh -c echo exit code: 9; exit 7]: exit code: 7":               7,
		`process "/bin/sh -c false" did not complete successfully: exit code: 137: context canceled`: 137,
		`failed to compute cache key: "/nothing.txt" not found: not found`:                           0,
		"exit code: 99999999999999999999":                                                            0,
	} {
		if got := exitCode(message); got != want {
			t.Errorf("%q: %d, want %d", message, got, want)
		}
	}
}

func TestRemedies(t *testing.T) {
	for name, test := range map[string]struct {
		failure build.Failure
		output  string
		help    string
	}{
		"no lock file":     {build.Failure{Command: "RUN npm ci", ExitCode: 1}, "npm error The `npm ci` command can only install with an existing package-lock.json", "commit the lock file"},
		"old lock file":    {build.Failure{Command: "RUN npm ci", ExitCode: 1}, "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync", "changed lock file"},
		"missing file":     {build.Failure{Command: "COPY x /", Cause: errors.New(`"/x" not found: not found`)}, "", ".dockerignore"},
		"untrusted server": {build.Failure{Command: "RUN npm ci", ExitCode: 1}, "npm error SELF_SIGNED_CERT_IN_CHAIN: self-signed certificate in certificate chain", caPath},
		"no name server":   {build.Failure{Command: "RUN curl x", ExitCode: 6}, "curl: (6) Could not resolve host: x", "network"},
		"apt, no network":  {build.Failure{Command: "RUN apt-get update", ExitCode: 100}, "Temporary failure resolving 'deb.example'", "network"},
		"npm, no server":   {build.Failure{Command: "RUN npm ci", ExitCode: 1}, "npm error path /app/node_modules/sqlite3\nnpm error gyp ERR! stack FetchError: request to https://nodejs.org/download/release/v22.1.0/node-v22.1.0-headers.tar.gz failed, reason: getaddrinfo EAI_AGAIN nodejs.org", "could not reach nodejs.org, which it needs for sqlite3:"},
		"pip, no server":   {build.Failure{Command: "RUN pip install", ExitCode: 1}, "WARNING: Retrying: Failed to establish a new connection: [Errno -2] Name or service not known: /simple/flask/\nERROR: No matching distribution found for flask==2.0", "could not reach a server, which it needs for flask:"},
		"go, no server":    {build.Failure{Command: "RUN go build", ExitCode: 1}, `go: example.com/x@v1.2.3: Get "https://proxy.example/x": dial tcp: lookup proxy.example on 127.0.0.11:53: no such host`, "could not reach proxy.example, which it needs for example.com/x@v1.2.3:"},
		"apt, the server":  {build.Failure{Command: "RUN apt-get update", ExitCode: 100}, "Err:1 http://deb.example trixie InRelease\n  Temporary failure resolving 'deb.example'", "could not reach deb.example:"},
		"may not write":    {build.Failure{Command: "RUN npm ci", ExitCode: 243}, "npm error code EACCES", "--chown"},
		"disk full":        {build.Failure{Command: "RUN dd", ExitCode: 1}, "dd: No space left on device", "disk is full"},
		"no such command":  {build.Failure{Command: "RUN pnpm i", ExitCode: 127}, "/bin/sh: 1: pnpm: not found", "not installed"},
		"cannot be run":    {build.Failure{Command: "RUN ./x", ExitCode: 126}, "", "executable"},
		"killed":           {build.Failure{Command: "RUN x", ExitCode: 137}, "Killed", "SIGKILL"},
		"out of memory":    {build.Failure{Command: "RUN x", ExitCode: 137, OutOfMemory: true, Ceiling: 512 << 20}, "Killed", "512 MiB"},
		"typing error":     {build.Failure{Cause: errors.New("unknown instruction: RUNN")}, "", "does not exist"},
		"unknown":          {build.Failure{Command: "RUN make", ExitCode: 2}, "make: *** [all] Error 2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := remedy(&test.failure, strings.Split(test.output, "\n"))
			if test.help == "" && got != "" || !strings.Contains(got, test.help) {
				t.Errorf("says %q, want something about %q", got, test.help)
			}
		})
	}
}

func TestBreakdownIsTheMachinesOwnWord(t *testing.T) {
	for message, want := range map[string]bool{
		"failed to copy: write /x: no space left on device":                               true,
		"executor failed running [/bin/sh -c echo no space left on device]: exit code: 1": false,
		"failed to compute cache key: \"/x\" not found":                                   false,
		"rpc error: code = Unavailable desc = transport is closing":                       true,
	} {
		if got := brokeDown(message); got != want {
			t.Errorf("%q: %v, want %v", message, got, want)
		}
	}
}
