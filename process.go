package berth

import "io"

// ProcessKind is what a person starts in an instance.
type ProcessKind string

const (
	// ProcessShell is the user's login shell.
	ProcessShell ProcessKind = "shell"
	// ProcessCommand is a line for the user's shell (-c), as the client sent it: it is never split.
	ProcessCommand ProcessKind = "command"
	// ProcessSFTP serves files by SFTP (draft-ietf-secsh-filexfer-02) on its input and output.
	ProcessSFTP ProcessKind = "sftp"
)

// Process is a program that a person runs in an instance, over SSH or in a terminal of the console.
type Process struct {
	Kind    ProcessKind
	Command string // of ProcessCommand
	// Env is what the client asked for, after the rules of what a client may ask.
	Env map[string]string
	// AgentSocket is where the person's forwarded SSH agent is listened for; empty: it is not forwarded.
	AgentSocket string
	Terminal    *Terminal // nil: pipes, with Stderr apart
	// Session names a shell that outlives the connection: it is begun or, where it runs, attached to, what it
	// wrote last first. Empty: the program ends with the connection.
	Session string
	Stdin   io.Reader // nil: no input
	Stdout  io.Writer
	Stderr  io.Writer // unused with a Terminal
	Resize  <-chan WindowSize
	Signals <-chan string // names without SIG, RFC 4254 §6.10
}

// Terminal is what a program with a terminal is given.
type Terminal struct {
	Type   string // TERM
	Size   WindowSize
	Modes  map[uint8]uint32 // RFC 4254 §8
	Client string           // "address port", of SSH_CLIENT
}

// Exit is how a program ended.
type Exit struct {
	Code       int
	Signal     string // name without SIG of what killed it; empty: it exited with Code
	CoreDumped bool
}
