package sshd

import (
	"encoding/binary"
	"strings"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// What a client gets that says nothing: OpenSSH without a terminal of its own sends 0 by 0.
const (
	usualColumns = 80
	usualRows    = 24
	maxWindow    = 10_000
)

// setTerminal takes a pty-req (RFC 4254 §6.2).
func (s *session) setTerminal(payload []byte) bool {
	var asked struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        []byte
	}
	if ssh.Unmarshal(payload, &asked) != nil || len(asked.Term) > maxValue || strings.Contains(asked.Term, "\x00") {
		return false
	}
	modes, ok := terminalModes(asked.Modes)
	if !ok {
		return false
	}
	s.terminal = &berth.Terminal{
		Type: asked.Term, Size: window(asked.Columns, asked.Rows), Modes: modes,
		Client: strings.Join(strings.Fields(s.env["SSH_CLIENT"])[:2], " "),
	}
	return true
}

func window(columns, rows uint32) berth.WindowSize {
	if columns == 0 || columns > maxWindow || rows == 0 || rows > maxWindow {
		return berth.WindowSize{Width: usualColumns, Height: usualRows}
	}
	return berth.WindowSize{Width: int(columns), Height: int(rows)}
}

// terminalModes reads opcodes with their arguments (RFC 4254 §8): those from 160 on have none that is known.
func terminalModes(text []byte) (modes map[uint8]uint32, ok bool) {
	modes = map[uint8]uint32{}
	for len(text) > 0 {
		opcode := text[0]
		if opcode == 0 || opcode >= 160 {
			break
		}
		if len(text) < 5 {
			return nil, false
		}
		modes[opcode] = binary.BigEndian.Uint32(text[1:])
		text = text[5:]
	}
	return modes, true
}

// changeWindow takes a window-change (RFC 4254 §6.7). A size that nobody has read yet is replaced.
func (s *session) changeWindow(payload []byte) bool {
	var asked struct{ Columns, Rows, Width, Height uint32 }
	if s.terminal == nil || ssh.Unmarshal(payload, &asked) != nil {
		return false
	}
	size := window(asked.Columns, asked.Rows)
	if !s.started {
		s.terminal.Size = size
		return true
	}
	select {
	case <-s.resize:
	default:
	}
	s.resize <- size // there is room: nobody else writes
	return true
}

const (
	maxVariables = 64
	maxValue     = 4 << 10
	maxEnv       = 32 << 10
)

// setEnv takes a variable that a client may set (RFC 4254 §6.4): what says how to speak with a person or with
// git, and nothing that changes what a program does otherwise.
func (s *session) setEnv(payload []byte) bool {
	var asked struct{ Name, Value string }
	if ssh.Unmarshal(payload, &asked) != nil || !allowed(asked.Name) || len(asked.Value) > maxValue || strings.Contains(asked.Value, "\x00") {
		return false
	}
	if s.envBytes += len(asked.Name) + len(asked.Value); s.envBytes > maxEnv || len(s.env) >= maxVariables {
		return false
	}
	s.env[asked.Name] = asked.Value
	return true
}

func allowed(name string) bool {
	switch name {
	case "LANG", "LANGUAGE", "TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TZ", "GIT_PROTOCOL":
		return true
	}
	category, isLocale := strings.CutPrefix(name, "LC_")
	return isLocale && category != "" && len(category) <= 30 && strings.Trim(category, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
