package sshd

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// session is a channel in which one program runs (RFC 4254 §6).
type session struct {
	*connection
	channel ssh.Channel

	env      map[string]string
	envBytes int
	terminal *berth.Terminal
	agent    bool
	resize   chan berth.WindowSize // holds the newest size
	signals  chan string

	started bool
	running sync.WaitGroup
}

// session answers a channel until the client or the program ends it. Each request is answered once.
func (c *connection) session(ctx context.Context, n ssh.NewChannel) {
	channel, requests, err := n.Accept()
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	s := &session{connection: c, channel: channel, env: c.addresses(), resize: make(chan berth.WindowSize, 1), signals: make(chan string, 16)}
	for r := range requests {
		ok := s.answer(r)
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		s.begin(ctx, ok, r)
	}
	stop() // the client closed the channel: what runs in it is hung up on
	s.running.Wait()
	_ = channel.Close()
}

// addresses are the two variables that programs know SSH by.
func (c *connection) addresses() map[string]string {
	client, clientPort, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	server, serverPort, _ := net.SplitHostPort(c.conn.LocalAddr().String())
	return map[string]string{
		"SSH_CLIENT":     strings.Join([]string{client, clientPort, serverPort}, " "),
		"SSH_CONNECTION": strings.Join([]string{client, clientPort, server, serverPort}, " "),
	}
}

// answer decides a request; what starts a program is begun once that was said.
func (s *session) answer(r *ssh.Request) bool {
	switch r.Type {
	case "env":
		return !s.started && s.setEnv(r.Payload)
	case "pty-req":
		return !s.started && s.setTerminal(r.Payload)
	case "window-change":
		return s.changeWindow(r.Payload)
	case "auth-agent-req@openssh.com":
		if s.started {
			return false
		}
		s.agent = true
		return true
	case "signal":
		var asked struct{ Name string }
		return ssh.Unmarshal(r.Payload, &asked) == nil && s.signal(asked.Name)
	case "break": // RFC 4335: to a terminal, ^C
		return s.terminal != nil && s.signal("INT")
	case "shell", "exec", "subsystem":
		_, ok := s.process(r)
		return ok && !s.started
	}
	return false
}

// process is what a request asks to run.
func (s *session) process(r *ssh.Request) (p berth.Process, ok bool) {
	if r.Type == "shell" {
		return berth.Process{Kind: berth.ProcessShell}, true
	}
	var asked struct{ Text string }
	if ssh.Unmarshal(r.Payload, &asked) != nil {
		return p, false
	}
	if r.Type == "exec" {
		return berth.Process{Kind: berth.ProcessCommand, Command: asked.Text}, !strings.Contains(asked.Text, "\x00")
	}
	return berth.Process{Kind: berth.ProcessSFTP}, asked.Text == "sftp"
}

// begin starts the program that a request asked for and was granted.
func (s *session) begin(ctx context.Context, granted bool, r *ssh.Request) {
	if !granted || s.started || r.Type != "shell" && r.Type != "exec" && r.Type != "subsystem" {
		return
	}
	s.started = true
	p, _ := s.process(r)
	p.Env, p.Stdin, p.Stdout, p.Stderr = maps.Clone(s.env), s.channel, s.channel, s.channel.Stderr()
	p.Resize, p.Signals = s.resize, s.signals
	if s.terminal != nil {
		terminal := *s.terminal
		p.Terminal = &terminal
	}
	s.running.Go(func() { s.finish(s.run(ctx, p)) })
}

// run runs the program in the place, with the person's agent at hand where it is forwarded.
func (s *session) run(ctx context.Context, p berth.Process) (berth.Exit, error) {
	if s.conn.User() == gitUser {
		return s.git(ctx, p)
	}
	place, err := s.enter(ctx)
	if err != nil {
		return berth.Exit{}, err
	}
	if err := s.ran(ctx, program(p)); err != nil {
		return berth.Exit{}, err
	}
	if s.agent {
		closeAgent, path, err := s.forwardAgent(ctx, place)
		if err != nil {
			s.tell("your SSH agent is not forwarded: " + berth.MessageOf(err))
		} else {
			defer closeAgent()
			p.AgentSocket = path
		}
	}
	return place.Run(ctx, p)
}

// failed is the exit status of a program that could not be run, as ssh itself has it.
const failed = 255

// finish tells how the program ended, after its output. That comes before the end of the output: a client that has
// both ends closes the channel at once, and would never hear it.
func (s *session) finish(exit berth.Exit, err error) {
	if err != nil {
		s.tell(berth.MessageOf(err))
		exit = berth.Exit{Code: failed}
		if berth.CodeOf(err) == berth.EInternal {
			s.server.Log.Warn("run over SSH", "user", s.conn.User(), "error", err)
		}
	}
	if exit.Signal != "" {
		_, _ = s.channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Error      string
			Language   string
		}{exit.Signal, exit.CoreDumped, "", ""}))
	} else {
		_, _ = s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit.Code)}))
	}
	_ = s.channel.CloseWrite()
	_ = s.channel.Close()
}

// tell says a sentence beside the program's output.
func (s *session) tell(sentence string) {
	end := "\n"
	if s.terminal != nil {
		end = "\r\n"
	}
	_, _ = fmt.Fprintf(s.channel.Stderr(), "berth: %s%s", sentence, end)
}

// signalNames are those of RFC 4254 §6.10.
var signalNames = []string{"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"}

// signal passes a signal on; one too many at a time is dropped.
func (s *session) signal(name string) bool {
	if !s.started || !slices.Contains(signalNames, name) {
		return false
	}
	select {
	case s.signals <- name:
		return true
	default:
		return false
	}
}
