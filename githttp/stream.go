package githttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/berth-dev/berth"
)

// Conversations is what Streams needs of package git besides Repositories.
type Conversations interface {
	Repositories
	// Converse serves a clone or fetch in which both sides speak in turn.
	Converse(ctx context.Context, project berth.ID, protocol string, in io.Reader, out io.Writer) error
}

// Streams serves the same repositories over the two directions of a stream, as SSH has them (gitprotocol-pack(5)).
type Streams struct {
	handler
	conversations Conversations
}

// NewStreams serves what c says; who asks is known already, so that Authenticate is not used.
func NewStreams(c Config, conversations Conversations) *Streams {
	c.Repositories = conversations
	return &Streams{handler{c}, conversations}
}

// Serve answers one call of git, until both sides have said all. Errors are for the person. It may read from in after
// it has returned, until in ends or says something.
func (s *Streams) Serve(ctx context.Context, caller berth.Caller, service, project, protocol string, in io.Reader, out io.Writer) error {
	p, err := s.Open(ctx, caller, project, service == receive)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	if service == receive {
		return s.take(ctx, caller, p, in, out)
	}
	asked, err := piped(io.LimitReader(in, maxAsked))
	if err != nil {
		return err
	}
	defer func() { _ = asked.Close() }()
	return s.ended(ctx, s.conversations.Converse(ctx, p.ID, protocol, asked, out))
}

// take answers a push: what there is, then what is asked for, then as over HTTP.
func (s *Streams) take(ctx context.Context, caller berth.Caller, p berth.Project, in io.Reader, out io.Writer) error {
	if err := s.Repositories.Advertise(ctx, p.ID, true, "", out); err != nil {
		return s.ended(ctx, err)
	}
	rest := bufio.NewReader(in)
	commands, err := readCommands(rest)
	if err != nil || len(commands.list) == 0 { // it has nothing to push, or left
		return nil
	}
	said, err := piped(io.MultiReader(bytes.NewReader(commands.raw), rest))
	if err != nil {
		return err
	}
	defer func() { _ = said.Close() }()
	return s.ended(ctx, s.push(ctx, caller, p, commands, said, out))
}

// ended is nil for a client that left: nobody is there to be told.
func (s *Streams) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// piped is a file that says what in says: git is not waited for by who copies to it, as it would be where a client
// says nothing more and leaves its side open.
func piped(in io.Reader) (*os.File, error) {
	out, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	go func() {
		_, _ = io.Copy(w, in)
		_ = w.Close()
	}()
	return out, nil
}

// push takes a push, of which in says all, and whose commands were read already; it says what becomes of it.
func (h handler) push(ctx context.Context, caller berth.Caller, p berth.Project, commands commands, in io.Reader, to io.Writer) error {
	refuse := func(reasons map[string]string) {
		if commands.packed() {
			_, _ = io.Copy(io.Discard, io.LimitReader(in, maxRefused))
		}
		_, _ = io.WriteString(to, commands.refuse(reasons))
	}
	if refusals := commands.refusals(p); len(refusals) > 0 {
		refuse(refusals)
		return nil
	}
	var late error // the repository has moved elsewhere while this push waited for its turn
	may := func(ctx context.Context) error {
		_, late = h.Open(ctx, caller, p.Name, true)
		return late
	}
	out := &held{w: to}
	err := h.Repositories.ReceivePack(ctx, p.ID, !commands.touches(p.Protected), may, in, out)
	if late != nil {
		refuse(commands.all(berth.MessageOf(late)))
		return nil
	}
	if err == nil && len(commands.list) > 0 {
		h.tell(ctx, caller, p, commands, out)
	}
	out.end()
	return err
}
