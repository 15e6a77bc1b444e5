// Command testprogram is engine/enginetest/program as a binary, for engines that run real containers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/berth-dev/berth/engine/enginetest/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(program.Main(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
