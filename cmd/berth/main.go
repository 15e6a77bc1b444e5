// Command berth is Berth's one binary: "berth serve" is the server, every other verb is a client of one.
// It knows flags, files, the environment and terminals, and must not know how anything is done.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := newApp()
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// The exit codes that scripts may rely on, besides 0 and a command's own in exec.
const (
	exitFailed      = 1
	exitUnanswered  = 2   // there was a question, and nobody to ask
	exitTimeout     = 124 // as timeout(1) has it
	exitInterrupted = 130
)

// exit is an error that says the exit code. An empty text prints nothing.
type exit struct {
	code int
	text string
}

func (e *exit) Error() string { return e.text }

// run runs one command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	a.close()
	var wanted *exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wanted):
		if wanted.text != "" {
			fmt.Fprintln(a.err, "berth: "+clean(wanted.text))
		}
		return wanted.code
	case ctx.Err() != nil:
		return exitInterrupted
	}
	fmt.Fprintln(a.err, "berth: "+clean(err.Error()))
	return exitFailed
}
