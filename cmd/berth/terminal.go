package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"github.com/berth-dev/berth"
	"golang.org/x/term"
)

// terminal is what this process has of one.
type terminal struct {
	in  bool // stdin is one
	out bool // stdout is one
	// password reads a line without showing it.
	password func() (string, error)
}

func realTerminal() terminal {
	stdin, stdout := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	return terminal{
		in: term.IsTerminal(stdin), out: term.IsTerminal(stdout),
		password: func() (string, error) {
			text, err := term.ReadPassword(stdin)
			return string(text), err
		},
	}
}

// rawTerminal hands every key to the other side until restore is called, and tells of changes of size.
func rawTerminal(ctx context.Context) (width, height int, sizes <-chan berth.WindowSize, restore func(), err error) {
	stdin, stdout := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	before, err := term.MakeRaw(stdin)
	if err != nil {
		return 0, 0, nil, nil, fmt.Errorf("prepare terminal: %w", err)
	}
	width, height, err = term.GetSize(stdout)
	if err != nil {
		width, height = 80, 24
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, resized...)
	out := make(chan berth.WindowSize, 1)
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-changed:
				if w, h, err := term.GetSize(stdout); err == nil {
					replaceSize(out, berth.WindowSize{Width: w, Height: h})
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return width, height, out, func() {
		signal.Stop(changed)
		stop()
		watching.Wait()
		_ = term.Restore(stdin, before)
	}, nil
}

// replaceSize leaves only the newest size to be read.
func replaceSize(out chan berth.WindowSize, size berth.WindowSize) {
	select {
	case <-out:
	default:
	}
	out <- size
}

// askHidden asks at the terminal for a line that it does not show.
func (a *app) askHidden(what string) (string, error) {
	fmt.Fprint(a.err, what+": ")
	text, err := a.terminal.password()
	fmt.Fprintln(a.err)
	return text, err
}
