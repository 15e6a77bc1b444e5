package agentwire

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The helper's mode "serve" listens on an abstract Unix socket. Each connection is for one thing: it begins with a
// handshake in which both sides prove that they know the container's key, then there is one Request, one Reply, and
// what follows belongs to the request: frames for Run and Listen, a plain stream for Dial and Accept.

// Start is the line that a helper reads from its input when it is started.
type Start struct {
	Container string `json:"container"`
	Key       []byte `json:"key"`
}

// Ready is what it says once it listens.
const Ready = "ready\n"

// Request asks the helper for one thing.
type Request struct {
	Do string `json:"do"` // Run, Dial, Listen or Accept

	// Of Dial and Listen: "tcp" and host:port, "unix" and a path, or "agent", for an SSH agent's socket.
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	// Of Accept: which of the connections that a Listen told of.
	Conn uint64 `json:"conn,omitempty"`

	Program *Program `json:"program,omitempty"`
}

// What a Request may ask for.
const (
	Run    = "run"
	Dial   = "dial"
	Listen = "listen"
	Accept = "accept"
)

// Program is what Run starts.
type Program struct {
	Kind        string            `json:"kind"` // shell, command or sftp
	Command     string            `json:"command,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	AgentSocket string            `json:"agentSocket,omitempty"`
	Terminal    *Terminal         `json:"terminal,omitempty"`
}

// Terminal is what a program with a terminal is given.
type Terminal struct {
	Type   string           `json:"type,omitempty"`
	Width  int              `json:"width"`
	Height int              `json:"height"`
	Modes  map[uint8]uint32 `json:"modes,omitempty"` // RFC 4254, 8
}

// Reply answers a Request.
type Reply struct {
	Error   string `json:"error,omitempty"` // a sentence; empty: it was done
	Address string `json:"address,omitempty"`
}

// Size is a window's.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Exit is how a program ended.
type Exit struct {
	Code       int    `json:"code"`
	Signal     string `json:"signal,omitempty"`
	CoreDumped bool   `json:"coreDumped,omitempty"`
}

// Arrival is a connection that a Listen took.
type Arrival struct {
	Conn   uint64 `json:"conn"`
	Remote string `json:"remote"`
}

// Kinds of frames. Those of a program's output go to Berth, the others to the helper.
const (
	FrameInput    = 'i'
	FrameEnd      = 'e' // of input
	FrameResize   = 'r' // Size
	FrameSignal   = 's' // its name, without SIG
	FrameOutput   = 'o'
	FrameErrors   = 'x'
	FrameExit     = 'q' // Exit
	FrameArrival  = 'c' // Arrival
	frameOverhead = 5
)

// MaxFrame bounds a frame's payload: whoever sends more is not what it says it is.
const MaxFrame = 64 << 10

// Frames writes frames to a stream, whole ones where several write at once.
type Frames struct {
	mu sync.Mutex
	to io.Writer
}

// NewFrames writes to a stream to which nobody else does.
func NewFrames(to io.Writer) *Frames { return &Frames{to: to} }

// Write writes one frame in one call.
func (f *Frames) Write(kind byte, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("write frame: %d bytes are too many", len(payload))
	}
	frame := make([]byte, frameOverhead, frameOverhead+len(payload))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.to.Write(append(frame, payload...))
	return err
}

// WriteJSON writes a frame with a value.
func (f *Frames) WriteJSON(kind byte, value any) error {
	payload, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	return f.Write(kind, payload)
}

// ReadFrame reads one frame into buffer, of MaxFrame bytes, which payload is a part of.
func ReadFrame(r io.Reader, buffer []byte) (kind byte, payload []byte, err error) {
	var head [frameOverhead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame || int(n) > len(buffer) {
		return 0, nil, fmt.Errorf("read frame: %d bytes are too many", n)
	}
	_, err = io.ReadFull(r, buffer[:n])
	return head[0], buffer[:n], err
}

const maxLine = 256 << 10

// WriteLine writes a value as one line.
func WriteLine(w io.Writer, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	if len(line) > maxLine {
		return errors.New("encode line: it is too long")
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// ReadLine reads a value from one line, and not a byte beyond it.
func ReadLine(r io.Reader, into any) error {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= maxLine {
		if _, err := io.ReadFull(r, one); err != nil {
			return err
		}
		if one[0] == '\n' {
			return json.NewDecoder(bytes.NewReader(line)).Decode(into)
		}
		line = append(line, one[0])
	}
	return errors.New("read line: it is too long")
}

// SocketOf is the name of a container's abstract socket: containers of a pod share their network namespace.
func SocketOf(container string) string { return "@berth-agent/" + container }

// KeyOf is a container's key, made from the server's.
func KeyOf(server []byte, container string) []byte { return mac(server, "agent of", []byte(container)) }

// ErrStranger means that the other side does not know the container's key.
var ErrStranger = errors.New("the other side of the socket is not the one expected")

const nonceSize = 32

// Greet is Berth's part of the handshake.
func Greet(rw io.ReadWriter, key []byte) error {
	mine := nonce()
	if _, err := rw.Write(mine); err != nil {
		return err
	}
	theirs, proof := make([]byte, nonceSize), make([]byte, sha256.Size)
	if _, err := io.ReadFull(rw, theirs); err != nil {
		return err
	}
	if _, err := io.ReadFull(rw, proof); err != nil {
		return err
	}
	if !hmac.Equal(proof, mac(key, "helper", mine, theirs)) {
		return ErrStranger
	}
	_, err := rw.Write(mac(key, "berth", mine, theirs))
	return err
}

// Welcome is the helper's part.
func Welcome(rw io.ReadWriter, key []byte) error {
	theirs := make([]byte, nonceSize)
	if _, err := io.ReadFull(rw, theirs); err != nil {
		return err
	}
	mine := nonce()
	if _, err := rw.Write(append(mine, mac(key, "helper", theirs, mine)...)); err != nil {
		return err
	}
	proof := make([]byte, sha256.Size)
	if _, err := io.ReadFull(rw, proof); err != nil {
		return err
	}
	if !hmac.Equal(proof, mac(key, "berth", theirs, mine)) {
		return ErrStranger
	}
	return nil
}

func nonce() []byte {
	b := make([]byte, nonceSize)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func mac(key []byte, who string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(who))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
