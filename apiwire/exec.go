package apiwire

// A command runs over one WebSocket. Every message is binary: one byte that says what it is, then its
// content. The client sends one Start, then Stdin, StdinEnd and Resize; the server sends Stdout, Stderr
// and Ack, and last Exit or Failure.
const (
	FrameStart    byte = 'c' // JSON Start
	FrameStdin    byte = 'i' // bytes
	FrameStdinEnd byte = 'e' // nothing
	FrameResize   byte = 'r' // JSON berth.WindowSize
	FrameStdout   byte = 'o' // bytes; with a TTY everything
	FrameStderr   byte = 'x' // bytes
	FrameAck      byte = 'a' // JSON number: so many more bytes of stdin were taken
	FrameExit     byte = 'q' // JSON Exit
	FrameFailure  byte = 'f' // JSON Problem: the command did not run to its end
)

const (
	// StdinWindow is how many bytes of stdin may be on their way without an Ack. So the server can always
	// read its socket, notices at once when a client goes, and never has to buffer more than this.
	StdinWindow = 256 << 10
	// MaxChunk is the longest content of a Stdin, Stdout or Stderr message.
	MaxChunk = 32 << 10
)

// Start says what to run.
type Start struct {
	Element string   `json:"element,omitempty"`
	Command []string `json:"command"`
	TTY     bool     `json:"tty,omitempty"`
	Width   int      `json:"width,omitempty"`
	Height  int      `json:"height,omitempty"`
	Stdin   bool     `json:"stdin,omitempty"` // Stdin messages follow
}

// Exit says how a command ended.
type Exit struct {
	Code int `json:"code"`
}
