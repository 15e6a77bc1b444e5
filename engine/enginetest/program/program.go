// Package program is what the conformance suite runs in containers: one small program whose
// verbs listen, exit, echo and print on demand. Real engines run it as a binary
// (engine/enginetest/testprogram); the fake engine asks it what the binary would do. It must
// not know engines.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Path is where the program lies in the image of the suite.
const Path = "/program"

// Serve is what "serve" was asked to do: listen, print, end.
type Serve struct {
	Ports     []int
	Loopback  bool          // listen on 127.0.0.1 only
	Text      string        // what GET / answers
	After     time.Duration // how long it takes to begin to listen
	Print     string        // a line for its log
	ExitAfter time.Duration // zero: never
	Code      int
}

// Command returns the argv that makes the program do s.
func (s Serve) Command() []string {
	var ports []string
	for _, p := range s.Ports {
		ports = append(ports, strconv.Itoa(p))
	}
	return []string{
		Path, "serve", "-ports", strings.Join(ports, ","), "-text", s.Text, "-print", s.Print,
		"-after", s.After.String(), "-exit-after", s.ExitAfter.String(), "-code", strconv.Itoa(s.Code),
		"-loopback=" + strconv.FormatBool(s.Loopback),
	}
}

// ParseServe is the reverse of Command.
func ParseServe(command []string) (Serve, error) {
	if len(command) < 2 || command[0] != Path || command[1] != "serve" {
		return Serve{}, fmt.Errorf("parse command %q: not %s serve", command, Path)
	}
	var s Serve
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	ports := flags.String("ports", "", "comma-separated ports to listen on")
	flags.BoolVar(&s.Loopback, "loopback", false, "listen on 127.0.0.1 only")
	flags.StringVar(&s.Text, "text", "", "what GET / answers")
	flags.StringVar(&s.Print, "print", "", "a line for the log")
	flags.DurationVar(&s.After, "after", 0, "how long to wait before listening")
	flags.DurationVar(&s.ExitAfter, "exit-after", 0, "how long to live; 0: for ever")
	flags.IntVar(&s.Code, "code", 0, "exit code")
	if err := flags.Parse(command[2:]); err != nil {
		return Serve{}, fmt.Errorf("parse command %q: %w", command, err)
	}
	for _, p := range strings.FieldsFunc(*ports, func(r rune) bool { return r == ',' }) {
		port, err := strconv.Atoi(p)
		if err != nil {
			return Serve{}, fmt.Errorf("parse port: %w", err)
		}
		s.Ports = append(s.Ports, port)
	}
	return s, nil
}

// Handler answers GET / with s.Text, GET /env/NAME with a variable and GET /file/PATH with a file.
func (s Serve) Handler(getenv func(string) string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s.Text) })
	mux.HandleFunc("GET /env/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, getenv(r.PathValue("name")))
	})
	mux.HandleFunc("GET /file/{path...}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "/"+r.PathValue("path"))
	})
	return mux
}

// Main runs the program. Its verbs:
//
//	serve …            see Serve
//	exit CODE          ends at once
//	cat                copies its input to its output
//	say TEXT [STDERR]  prints TEXT, and STDERR to the error output
//	env NAME           prints a variable
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	code, err := run(ctx, args, stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 125
	}
	return code
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	if len(args) < 2 {
		return 0, errors.New("usage: program serve|exit|cat|say|env …")
	}
	switch verb, rest := args[1], args[2:]; {
	case verb == "serve":
		s, err := ParseServe(args)
		if err != nil {
			return 0, err
		}
		return s.run(ctx, stdout)
	case verb == "exit" && len(rest) == 1:
		return strconv.Atoi(rest[0])
	case verb == "cat":
		_, err := io.Copy(stdout, stdin)
		return 0, err
	case verb == "say" && len(rest) == 2:
		fmt.Fprint(stdout, rest[0])
		fmt.Fprint(stderr, rest[1])
		return 0, nil
	case verb == "say" && len(rest) == 1:
		fmt.Fprint(stdout, rest[0])
		return 0, nil
	case verb == "env" && len(rest) == 1:
		fmt.Fprint(stdout, os.Getenv(rest[0]))
		return 0, nil
	}
	return 0, fmt.Errorf("bad arguments: %q", args)
}

func (s Serve) run(ctx context.Context, stdout io.Writer) (int, error) {
	if s.Print != "" {
		fmt.Fprintln(stdout, s.Print)
	}
	if s.ExitAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.ExitAfter)
		defer cancel()
	}
	select {
	case <-ctx.Done():
		return s.Code, nil
	case <-time.After(s.After):
	}
	host := ""
	if s.Loopback {
		host = "127.0.0.1"
	}
	for _, port := range s.Ports {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return 0, err
		}
		server := &http.Server{Handler: s.Handler(os.Getenv), ReadHeaderTimeout: 10 * time.Second}
		defer server.Close()
		go func() { _ = server.Serve(l) }() // ends with the process
	}
	<-ctx.Done()
	return s.Code, nil
}
