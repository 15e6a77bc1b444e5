package githttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// Packets are lines with their length in front (gitprotocol-common(5)).
const (
	flush     = "0000"
	maxPacket = 65520 // with its length
)

func packet(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// The bands of a side-band (gitprotocol-pack(5)).
const (
	bandData     = "\x01"
	bandProgress = "\x02"
)

const (
	// maxCommands bounds what a push asks for before its objects come.
	maxCommands = 1 << 20
	// maxRefused is how much of a refused push is read, so that its client reads the answer.
	maxRefused = 64 << 20
)

// command is one ref that a push moves. old or new are zeros where it is made or deleted.
type command struct{ old, new, ref string }

func (c command) deletes() bool { return strings.Trim(c.new, "0") == "" }

// commands are what a push asks for, and the bytes that said so.
type commands struct {
	list     []command
	raw      []byte
	sideBand bool
	status   bool // the client wants to be told of each ref
}

var errPacket = errors.New("a packet is broken")

// readCommands reads up to the flush behind the commands (gitprotocol-pack(5), "Reference Update Request").
// A lone flush, with which clients find out whether they are let in, has none.
func readCommands(in *bufio.Reader) (c commands, err error) {
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(in, head); err != nil {
			return c, errPacket
		}
		size, err := strconv.ParseUint(string(head), 16, 16)
		if err != nil || size != 0 && size < 4 || size > maxPacket || len(c.raw)+int(size) > maxCommands {
			return c, errPacket
		}
		c.raw = append(c.raw, head...)
		if size == 0 {
			return c, nil
		}
		line := make([]byte, size-4)
		if _, err := io.ReadFull(in, line); err != nil {
			return c, errPacket
		}
		c.raw = append(c.raw, line...)
		if err := c.read(line); err != nil {
			return c, err
		}
	}
}

func (c *commands) read(line []byte) error {
	text, capabilities, first := bytes.Cut(line, []byte{0})
	if first {
		all := strings.Fields(string(capabilities))
		c.sideBand, c.status = slices.Contains(all, "side-band-64k"), slices.Contains(all, "report-status") || slices.Contains(all, "report-status-v2")
	}
	fields := strings.SplitN(strings.TrimSuffix(string(text), "\n"), " ", 3)
	switch {
	case fields[0] == "shallow":
		return nil
	case len(fields) != 3 || !objectName(fields[0]) || !objectName(fields[1]):
		return errPacket // signed pushes are not offered
	}
	c.list = append(c.list, command{fields[0], fields[1], fields[2]})
	return nil
}

func objectName(text string) bool {
	return len(text) >= 40 && strings.Trim(text, "0123456789abcdef") == ""
}

// refusals says by ref why a push is not taken; empty if it is.
func (c commands) refusals(p berth.Project) map[string]string {
	reasons := map[string]string{}
	for _, one := range c.list {
		branch, isBranch := strings.CutPrefix(one.ref, "refs/heads/")
		switch {
		case !isBranch && !strings.HasPrefix(one.ref, "refs/tags/"):
			reasons[one.ref] = "only branches and tags are taken"
		case isBranch && one.deletes() && slices.Contains(p.Protected, branch):
			reasons[one.ref] = "the branch is protected"
		case isBranch && one.deletes() && branch == p.DefaultBranch:
			reasons[one.ref] = "it is the project's default branch"
		}
	}
	return reasons
}

// all says the same reason of every ref.
func (c commands) all(reason string) map[string]string {
	reasons := map[string]string{}
	for _, one := range c.list {
		reasons[one.ref] = reason
	}
	return reasons
}

// packed reports whether objects follow: a push that only deletes has none.
func (c commands) packed() bool {
	return slices.ContainsFunc(c.list, func(one command) bool { return !one.deletes() })
}

// touches reports whether one of the branches is moved.
func (c commands) touches(branches []string) bool {
	return slices.ContainsFunc(c.list, func(one command) bool {
		return slices.Contains(branches, strings.TrimPrefix(one.ref, "refs/heads/"))
	})
}

// refuse is the answer to a push of which nothing is taken.
func (c commands) refuse(reasons map[string]string) string {
	report := packet("unpack ok\n")
	for _, one := range c.list {
		reason, refused := reasons[one.ref]
		if !refused {
			reason = "another ref of this push is refused"
		}
		report += packet("ng " + one.ref + " " + reason + "\n")
	}
	report += flush
	switch {
	case !c.status:
		return ""
	case !c.sideBand:
		return report
	}
	return packet(bandData+report) + flush
}

// held passes on what git answers but for the flush at its end, behind which a client hears nothing more.
type held struct {
	w    io.Writer
	kept []byte
}

func (h *held) Write(p []byte) (int, error) {
	all := append(h.kept, p...)
	keep := min(len(all), len(flush))
	if _, err := h.w.Write(all[:len(all)-keep]); err != nil {
		return 0, err
	}
	h.kept = bytes.Clone(all[len(all)-keep:])
	return len(p), nil
}

// say adds a line of progress, which git shows behind "remote: ".
func (h *held) say(line string) error {
	if string(h.kept) != flush {
		return errPacket // git has not answered as it should, and nothing can be added
	}
	const most = 900 // the oldest side-band's packets are of a kilobyte
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	_, err := io.WriteString(h.w, packet(bandProgress+line+"\n"))
	return err
}

func (h *held) end() {
	_, _ = h.w.Write(h.kept) // whoever does not read it has gone
	h.kept = nil
}
