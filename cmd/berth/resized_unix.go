//go:build unix

package main

import (
	"os"
	"syscall"
)

// resized are the signals that tell of a terminal's new size.
var resized = []os.Signal{syscall.SIGWINCH}
