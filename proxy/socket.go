package proxy

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// targetCloseLimit and clientCloseLimit are how long the two ends of a WebSocket may take to answer a
// Close frame with theirs.
const (
	targetCloseLimit = 2 * time.Second
	clientCloseLimit = 2 * time.Second
)

var errSocketOver = errors.New("the WebSocket was closed because its target left")

func isWebSocket(response *http.Response) bool {
	return response.StatusCode == http.StatusSwitchingProtocols && strings.EqualFold(response.Header.Get("Upgrade"), "websocket")
}

// socket is the target's end of a WebSocket, as ReverseProxy copies from and to it. Until goAway it
// lets everything through and follows the frames, so that goAway cuts none of them in two.
type socket struct {
	target  io.ReadWriteCloser
	leaving atomic.Bool

	// Of Read alone.
	fromTarget frames
	over       bool   // nothing of the target comes any more
	goodbye    []byte // what the client is still to read

	writing    sync.Mutex // guards what follows
	fromClient frames
	told       bool // the target has its Close frame

	clientClosed func() // notes it once
	clientGone   chan struct{}
	limit        atomic.Pointer[time.Timer]
	close        func() error // once
	closed       chan struct{}
}

func newSocket(target io.ReadWriteCloser) *socket {
	s := &socket{target: target, goodbye: closeFrame(goingAway), clientGone: make(chan struct{}), closed: make(chan struct{})}
	s.clientClosed = sync.OnceFunc(func() { close(s.clientGone) })
	s.close = sync.OnceValue(func() error {
		close(s.closed)
		if limit := s.limit.Load(); limit != nil {
			limit.Stop()
		}
		return target.Close()
	})
	return s
}

// goAway closes the WebSocket as section 7 of RFC 6455 wants it: the target is told, what it still says is
// passed on up to its own Close frame, the client is told, and its Close frame is waited for. Each
// end has its limit. It may block for the first of them.
func (s *socket) goAway() {
	if s.leaving.Swap(true) {
		return
	}
	s.limit.Store(time.AfterFunc(targetCloseLimit, func() { _ = s.target.Close() }))
	s.writing.Lock()
	defer s.writing.Unlock()
	s.tellTarget()
}

// Read is what goes to the client.
func (s *socket) Read(b []byte) (int, error) {
	for {
		if s.over {
			return s.sayGoodbye(b)
		}
		n, err := s.target.Read(b)
		leaving := s.leaving.Load()
		if !leaving {
			s.fromTarget.follow(b[:n])
			return n, err
		}
		n = s.untilClose(b[:n])
		if err != nil && s.fromTarget.between() && !s.fromTarget.closed {
			s.over = true
		}
		if n > 0 || !s.over {
			return n, errUnless(s.over, err)
		}
	}
}

func errUnless(quiet bool, err error) error {
	if quiet {
		return nil
	}
	return err
}

// untilClose follows b up to the target's Close frame, which ours takes the place of: not every server
// answers with the code that it was told.
func (s *socket) untilClose(b []byte) int {
	for n := 0; n < len(b); n += s.fromTarget.next(b[n:]) {
		if s.fromTarget.between() && b[n]&0xf == opClose {
			s.over = true
			return n
		}
	}
	return len(b)
}

// sayGoodbye hands out the Close frame, and then fails once the client has answered it.
func (s *socket) sayGoodbye(b []byte) (int, error) {
	if len(s.goodbye) > 0 {
		n := copy(b, s.goodbye)
		s.goodbye = s.goodbye[n:]
		return n, nil
	}
	limit := time.NewTimer(clientCloseLimit)
	defer limit.Stop()
	select {
	case <-s.clientGone:
	case <-s.closed:
	case <-limit.C:
	}
	return 0, errSocketOver // not EOF, after which ReverseProxy would wait for the client
}

// Write is what comes from the client.
func (s *socket) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	done := 0
	if !s.leaving.Load() {
		n, err := s.target.Write(b)
		s.fromClient.follow(b[:n])
		if err != nil && !s.leaving.Load() {
			return n, err
		}
		done = n
	}
	for done < len(b) {
		s.tellTarget()
		n := s.fromClient.next(b[done:])
		if !s.told {
			_, _ = s.target.Write(b[done : done+n]) // the client's Close frame is wanted, whatever became of the target
		}
		done += n
	}
	s.tellTarget()
	return len(b), nil
}

// tellTarget sends the Close frame once, when no frame of the client is under way. writing is held.
func (s *socket) tellTarget() {
	if s.fromClient.closed {
		s.clientClosed()
	}
	if s.told || !s.leaving.Load() || !s.fromClient.between() || s.fromClient.closed {
		return
	}
	s.told = true
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	_, _ = s.target.Write(maskedCloseFrame(goingAway, mask)) // a target that is gone needs no word
}

// CloseWrite passes on that the client sends nothing more.
func (s *socket) CloseWrite() error {
	s.clientClosed()
	if half, ok := s.target.(interface{ CloseWrite() error }); ok && !s.leaving.Load() {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the target's end; a second time it does nothing.
func (s *socket) Close() error { return s.close() }
