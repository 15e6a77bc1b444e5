package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a program may take to end before a change starts it anew.
const stopGrace = 5 * time.Second

// exitCode is how the watched program ended; the helper ends the same way.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("ended with code %d", int(e)) }

// runWatch runs a program in the working directory and starts it again whenever a file below changes.
//
// A program that ends before anything has changed ends the helper, whose exit code is the program's:
// whoever started it sees what happened. Once somebody is editing, one that fails waits for the next change.
func runWatch(ctx context.Context, command []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	return runWatching(ctx, dir, command)
}

func runWatching(ctx context.Context, dir string, command []string) error {
	tree, err := watchTree(dir)
	if err != nil {
		log.Printf("changes do not start this again, since they cannot be seen: %v", err)
		return supervise(ctx, command, nil)
	}
	log.Printf("this does not reload by itself: Berth starts it again when a file below %s changes", dir)
	changed := make(chan string)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { tellChanges(tree, changed, done) })
	err = supervise(ctx, command, changed)
	close(done)
	closed := tree.close()
	watching.Wait()
	if err != nil {
		return err
	}
	return closed
}

// tellChanges ends when done does, or when nothing can be read any more.
func tellChanges(tree *changes, changed chan<- string, done <-chan struct{}) {
	for {
		name, err := tree.next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("changes are not seen any more: %v", err)
			return
		}
		select {
		case changed <- name:
		case <-done:
			return
		}
	}
}

func supervise(ctx context.Context, command []string, changed <-chan string) error {
	for edited := false; ; edited = true {
		p, err := startProgram(command)
		if err != nil {
			return err
		}
		name, err := p.untilChanged(ctx, changed, edited)
		if err != nil {
			return err
		}
		log.Printf("%s changed: starting again", name)
	}
}

// program is the running command, the leader of a process group of its own.
type program struct {
	pid   int
	ended chan int
}

func startProgram(command []string) (*program, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	process, err := os.StartProcess(path, command, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	p := &program{pid: process.Pid, ended: make(chan int, 1)}
	go func() { p.ended <- collect(p.pid) }()
	return p, process.Release()
}

// untilChanged returns the file that changed, with the program stopped, or how the program ended.
func (p *program) untilChanged(ctx context.Context, changed <-chan string, edited bool) (name string, err error) {
	select {
	case <-ctx.Done():
		p.signal(syscall.SIGTERM)
		return "", exitCode(<-p.ended) // who sent the signal also says how long that may take
	case name := <-changed:
		p.stop()
		return latest(name, changed), nil
	case code := <-p.ended:
		p.signal(syscall.SIGKILL) // what it left running
		if code == 0 || !edited {
			return "", exitCode(code)
		}
		log.Printf("it ended with code %d and starts again at the next change", code)
		select {
		case <-ctx.Done():
			return "", exitCode(code)
		case name := <-changed:
			return name, nil
		}
	}
}

// latest skips the change that came while the program was stopping: the next start has it.
func latest(name string, changed <-chan string) string {
	select {
	case name = <-changed:
	default:
	}
	return name
}

func (p *program) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		p.signal(syscall.SIGKILL)
	case <-time.After(stopGrace):
		log.Printf("it did not end within %s of SIGTERM and is killed", stopGrace)
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

// signal reaches the whole process group. That nobody is left in it is no failure.
func (p *program) signal(s syscall.Signal) { _ = syscall.Kill(-p.pid, s) }

// collect waits for the program to end. The helper has no other children but orphans that the kernel
// hands to PID 1, which are collected on the way.
func collect(pid int) int {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return 1
		case err != nil || got != pid:
		case status.Signaled():
			return 128 + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}
