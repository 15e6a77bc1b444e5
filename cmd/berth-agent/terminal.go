package main

import (
	"os"

	"github.com/berth-dev/berth/agentwire"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Some clients say 0×0 (OpenSSH without a terminal of its own).
const (
	defaultWidth  = 80
	defaultHeight = 24
)

func resize(terminal *os.File, s agentwire.Size) {
	if s.Width <= 0 || s.Height <= 0 || s.Width > 1<<15 || s.Height > 1<<15 {
		s = agentwire.Size{Width: defaultWidth, Height: defaultHeight}
	}
	_ = pty.Setsize(terminal, &pty.Winsize{Cols: uint16(s.Width), Rows: uint16(s.Height)})
}

// foreground is the group of a terminal's foreground program, negated for kill(2).
func foreground(terminal *os.File, otherwise int) (group int) {
	group = -otherwise
	raw, err := terminal.SyscallConn()
	if err != nil {
		return group
	}
	_ = raw.Control(func(fd uintptr) {
		if pgid, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP); err == nil && pgid > 0 {
			group = -pgid
		}
	})
	return group
}

// The encoded terminal modes of RFC 4254, 8, by what termios(3) has for them.
var (
	characters = map[uint8]int{1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2,
		8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT, 18: unix.VDISCARD}
	inputFlags = map[uint8]uint32{30: unix.IGNPAR, 31: unix.PARMRK, 32: unix.INPCK, 33: unix.ISTRIP, 34: unix.INLCR, 35: unix.IGNCR,
		36: unix.ICRNL, 37: unix.IUCLC, 38: unix.IXON, 39: unix.IXANY, 40: unix.IXOFF, 41: unix.IMAXBEL, 42: unix.IUTF8}
	localFlags = map[uint8]uint32{50: unix.ISIG, 51: unix.ICANON, 52: unix.XCASE, 53: unix.ECHO, 54: unix.ECHOE, 55: unix.ECHOK,
		56: unix.ECHONL, 57: unix.NOFLSH, 58: unix.TOSTOP, 59: unix.IEXTEN, 60: unix.ECHOCTL, 61: unix.ECHOKE, 62: unix.PENDIN}
	outputFlags = map[uint8]uint32{70: unix.OPOST, 71: unix.OLCUC, 72: unix.ONLCR, 73: unix.OCRNL, 74: unix.ONOCR, 75: unix.ONLRET}
)

// setModes is best effort: a mode is never worth failing a session for.
func setModes(terminal *os.File, modes map[uint8]uint32) {
	if len(modes) == 0 {
		return
	}
	t, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		return
	}
	for mode, value := range modes {
		if at, ok := characters[mode]; ok {
			t.Cc[at] = uint8(value)
			if value == 255 {
				t.Cc[at] = 0 // RFC 4254: 255 is none; Linux: _POSIX_VDISABLE
			}
		}
		setFlag(&t.Iflag, inputFlags[mode], value)
		setFlag(&t.Lflag, localFlags[mode], value)
		setFlag(&t.Oflag, outputFlags[mode], value)
	}
	_ = unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETS, t)
}

func setFlag(flags *uint32, bit, value uint32) {
	*flags &^= bit
	if value != 0 {
		*flags |= bit
	}
}
