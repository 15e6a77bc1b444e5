// Command berth-agent is Berth's small helper inside a deployment. Its mode "core" is the only
// process of the deployment's core container: the deployment's name server, and the door through
// which its containers reach Berth and the deployment's public hosts. Its mode "watch" runs a program
// in development and starts it again when a file changes, for programs that do not reload by themselves.
// Its mode "serve" runs programs, serves files, dials and listens for people who work in a container.
//
// It is static and lives without a root file system, a shell or a configuration file. It must not
// know anything of Berth but agentwire: it reads a name table that Berth writes and passes streams
// on to a socket that Berth listens on, and keeps answering names while Berth is away.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

const (
	// Every deployment has one of these processes, so a small heap is worth more than a rare collection.
	heapGrowthPercent = 25
	memoryCeiling     = 24 << 20
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("berth-agent: ")
	debug.SetGCPercent(heapGrowthPercent)
	debug.SetMemoryLimit(memoryCeiling)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	if code := exitCode(0); errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, messages io.Writer) error {
	if len(args) == 0 {
		return errors.New("say which mode: berth-agent core --dir DIR, or watch -- PROGRAM ARGS…")
	}
	switch mode := args[0]; mode {
	case "core":
		config, err := parseCoreFlags(args[1:], messages)
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		if err != nil {
			return err
		}
		if os.Getpid() == 1 {
			go reapOrphans()
		}
		return runCore(ctx, config)
	case "watch":
		if len(args) < 3 || args[1] != "--" {
			return errors.New("say what to run: berth-agent watch -- PROGRAM ARGS…")
		}
		return runWatch(ctx, args[2:])
	case "serve":
		return runServe(ctx, os.Stdin, os.Stdout)
	default:
		return fmt.Errorf("there is no mode %q; there are: core, serve, watch", mode)
	}
}

func parseCoreFlags(args []string, messages io.Writer) (coreConfig, error) {
	config := coreConfig{Streams: map[int]string{80: ":80", 443: ":443", 2525: ":2525"}}
	flags := flag.NewFlagSet("core", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.StringVar(&config.Dir, "dir", "/run/berth", "directory with the name table and Berth's socket")
	flags.StringVar(&config.DNS, "dns", ":53", "address of the name server")
	resolvConf := flags.String("resolv", "/etc/resolv.conf", "names the servers that know everybody else's names")
	flags.Func("stream", "PORT=ADDRESS: pass streams to PORT on, listening at ADDRESS (repeatable)", func(s string) error {
		port, address, ok := strings.Cut(s, "=")
		n, err := strconv.ParseUint(port, 10, 16)
		if !ok || err != nil {
			return fmt.Errorf("want PORT=ADDRESS, not %q", s)
		}
		config.Streams[int(n)] = address
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return coreConfig{}, err
	}
	if flags.NArg() > 0 {
		return coreConfig{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if config.Upstream, err = upstreamServers(*resolvConf); err != nil {
		log.Print(err) // our own names are worth answering without
	}
	return config, nil
}

// reapOrphans collects the processes that the kernel hands to PID 1 when their parent ends, as
// after an exec into this container. It lives as long as the process.
func reapOrphans() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if pid <= 0 {
				break
			}
		}
	}
}
