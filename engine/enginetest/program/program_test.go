package program

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseServeReversesCommand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Serve{
			Ports:     rapid.SliceOf(rapid.IntRange(1, 65535)).Draw(t, "ports"),
			Loopback:  rapid.Bool().Draw(t, "loopback"),
			Text:      rapid.String().Draw(t, "text"),
			After:     time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "after")),
			Print:     rapid.String().Draw(t, "print"),
			ExitAfter: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "exit after")),
			Code:      rapid.IntRange(0, 255).Draw(t, "code"),
		}
		got, err := ParseServe(want.Command())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestVerbs(t *testing.T) {
	for _, test := range []struct {
		args           []string
		stdin          string
		code           int
		stdout, stderr string
	}{
		{args: []string{Path, "exit", "7"}, code: 7},
		{args: []string{Path, "cat"}, stdin: "x", stdout: "x"},
		{args: []string{Path, "say", "a"}, stdout: "a"},
		{args: []string{Path, "say", "a", "b"}, stdout: "a", stderr: "b"},
		{args: Serve{Print: "hi", ExitAfter: 1, Code: 4}.Command(), code: 4, stdout: "hi\n"},
		{args: []string{Path, "dance"}, code: 125, stderr: "bad arguments: [\"/program\" \"dance\"]\n"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(t.Context(), test.args, strings.NewReader(test.stdin), &stdout, &stderr)
			if code != test.code || stdout.String() != test.stdout || stderr.String() != test.stderr {
				t.Errorf("exit code %d, output %q, errors %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestHandlerShowsTheEnvironment(t *testing.T) {
	server := httptest.NewServer(Serve{Text: "hello"}.Handler(func(name string) string { return "value of " + name }))
	defer server.Close()
	for path, want := range map[string]string{"/": "hello", "/env/X": "value of X"} {
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(body) != want {
			t.Errorf("%s answers %q, %v, want %q", path, body, err, want)
		}
	}
}
