package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"
)

// frame is one of a server where mask is nil.
func frame(first byte, payload, mask []byte) []byte {
	out := []byte{first, 0}
	switch n := len(payload); {
	case n < shortFrameLimit:
		out[1] = byte(n)
	case n < 1<<16:
		out[1] = shortFrameLimit
		out = append(out, byte(n>>8), byte(n))
	default:
		out[1] = shortFrameLimit + 1
		out = append(out, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	if mask != nil {
		out[1] |= maskBit
		out = append(out, mask...)
		payload = append([]byte(nil), payload...)
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	return append(out, payload...)
}

func TestFramesKnowWhereOneEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		ends := map[int]bool{0: true}
		for range rapid.IntRange(1, 6).Draw(t, "frames") {
			var mask []byte
			if rapid.Bool().Draw(t, "masked") {
				mask = []byte{1, 2, 3, 4}
			}
			length := rapid.SampledFrom([]int{0, 1, 125, 126, 127, 65535, 65536}).Draw(t, "length")
			stream = append(stream, frame(finalBit|1, make([]byte, length), mask)...)
			ends[len(stream)] = true
		}
		var f frames
		for at := 0; at < len(stream); {
			if f.between() != ends[at] {
				t.Fatalf("at %d: between frames: %v", at, f.between())
			}
			step := min(len(stream)-at, rapid.IntRange(1, 70000).Draw(t, "step"))
			f.follow(stream[at : at+step])
			at += step
		}
		if !f.between() || f.closed {
			t.Fatal("not at the end")
		}
		f.follow(frame(finalBit|opClose, nil, nil))
		if !f.closed {
			t.Fatal("a Close frame was not seen")
		}
	})
}

// leaves takes the target out of the table after a grace of a millisecond.
func leaves(p *Proxy) { p.Swap(&Table{}) }

func socketRoute(target Target) *Table {
	return &Table{Hosts: map[string]*Route{testHost: {Targets: []Target{target}, Grace: time.Millisecond}}}
}

func TestAWebSocketIsClosedCleanlyAtBothEnds(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	heard := make(chan websocket.StatusCode, 1)
	p.Swap(socketRoute(backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		_, _, err = c.Read(r.Context())
		heard <- websocket.CloseStatus(err)
	})))
	c := dialWebSocket(t, server)
	leaves(p)
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the client got %v", err)
	}
	if got := <-heard; got != websocket.StatusGoingAway {
		t.Errorf("the target got %v", got)
	}
	eventually(t, "drained", func() bool { return p.Drained("a") })
}

// rawSocket is an application that speaks WebSocket by hand.
func rawSocket(t *testing.T, speak func(net.Conn, *bufio.Reader)) Target {
	return backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		speak(conn, buffer.Reader)
	})
}

func dialRawSocket(t *testing.T, address net.Addr, protocol string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := dialFront(t, address)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", testHost, protocol)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", response, err)
	}
	return conn, reader
}

// TestNoFrameIsCutInTwo lets the target leave in the middle of a long frame, whose rest comes later.
func TestNoFrameIsCutInTwo(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	long := frame(finalBit|2, bytes.Repeat([]byte("long"), 20000), nil)
	begun, rest := make(chan struct{}), make(chan struct{})
	p.Swap(socketRoute(rawSocket(t, func(conn net.Conn, in *bufio.Reader) {
		_, _ = conn.Write(long[:100])
		close(begun)
		<-rest
		_, _ = conn.Write(long[100:])
		_, _ = conn.Write(frame(finalBit|1, []byte("one more"), nil))
		_, _ = conn.Write(frame(finalBit|opClose, nil, nil)) // without a code
		_, _ = io.Copy(io.Discard, in)
	})))
	client, in := dialRawSocket(t, server.Listener.Addr(), "WebSocket")
	<-begun
	got := make([]byte, 100)
	if _, err := io.ReadFull(in, got); err != nil {
		t.Fatal(err)
	}
	leaves(p)
	eventually(t, "grace is over", func() bool { return p.graceIsOver("a") })
	close(rest)
	want := append(append(long[100:], frame(finalBit|1, []byte("one more"), nil)...), closeFrame(goingAway)...)
	got = make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v; ends with %q, want %q", err, got[len(got)-20:], want[len(want)-20:])
	}
	_, _ = client.Write(frame(finalBit|opClose, []byte{3, 0xe9}, []byte{1, 2, 3, 4}))
	if left, err := io.ReadAll(in); err != nil || len(left) > 0 {
		t.Errorf("after the closing handshake: %q, %v", left, err)
	}
}

// TestAFrameOfTheClientIsNotCutInTwoEither begins a frame before its target leaves, and ends it after.
func TestAFrameOfTheClientIsNotCutInTwoEither(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	received := make(chan []byte, 1)
	p.Swap(socketRoute(rawSocket(t, func(conn net.Conn, in *bufio.Reader) {
		_, _ = conn.Write(frame(finalBit|1, []byte("hello"), nil))
		all, _ := io.ReadAll(in)
		received <- all
	})))
	client, in := dialRawSocket(t, server.Listener.Addr(), "websocket")
	_, _ = io.ReadFull(in, make([]byte, 7))
	message := frame(finalBit|1, bytes.Repeat([]byte("m"), 300), []byte{1, 2, 3, 4})
	_, _ = client.Write(message[:50])
	leaves(p)
	eventually(t, "grace is over", func() bool { return p.graceIsOver("a") })
	_, _ = client.Write(message[50:])
	goodbye := make([]byte, 4)
	if _, err := io.ReadFull(in, goodbye); err != nil || !bytes.Equal(goodbye, closeFrame(goingAway)) {
		t.Errorf("%q, %v", goodbye, err)
	}
	client.Close()
	got := <-received
	if !bytes.HasPrefix(got, message) || len(got) != len(message)+8 {
		t.Fatalf("%d bytes reached the target, want the message and a Close frame", len(got))
	}
	end := got[len(message):]
	if end[0] != finalBit|opClose || uint16(end[6]^end[2])<<8|uint16(end[7]^end[3]) != goingAway {
		t.Errorf("%x is no Close frame with %d", end, goingAway)
	}
}

// TestADeafClientDoesNotKeepItsTarget never reads, while its target sends as much as it can.
func TestADeafClientDoesNotKeepItsTarget(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t)
	server := front(t, p)
	full := make(chan struct{})
	p.Swap(socketRoute(rawSocket(t, func(conn net.Conn, _ *bufio.Reader) {
		_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		for chunk := frame(finalBit|2, make([]byte, 1<<20), nil); ; {
			if _, err := conn.Write(chunk); err != nil {
				close(full)
				return
			}
		}
	})))
	dialRawSocket(t, server.Listener.Addr(), "websocket")
	<-full
	leaves(p)
	eventually(t, "drained", func() bool { return p.Drained("a") })
}

func TestADeafDownloaderDoesNotKeepItsTarget(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t)
	server := front(t, p)
	full := make(chan struct{})
	target := backend(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		defer close(full)
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	p.Swap(&Table{Hosts: map[string]*Route{testHost: {Targets: []Target{target}, Patience: time.Millisecond}}})
	conn := dialFront(t, server.Listener.Addr())
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", testHost)
	<-full
	leaves(p)
	eventually(t, "drained", func() bool { return p.Drained("a") })
}

func TestAnotherUpgradeIsClosedPlainly(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(socketRoute(rawSocket(t, func(conn net.Conn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, "hello")
		_, _ = io.Copy(conn, in)
	})))
	_, in := dialRawSocket(t, server.Listener.Addr(), "postgres")
	hello := make([]byte, 5)
	_, _ = io.ReadFull(in, hello)
	leaves(p)
	if rest, _ := io.ReadAll(in); string(hello) != "hello" || len(rest) > 0 {
		t.Errorf("%q %q", hello, rest)
	}
	eventually(t, "drained", func() bool { return p.Drained("a") })
}

func TestPatienceDoesNotEndWebSockets(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(&Table{Hosts: map[string]*Route{testHost: {Targets: []Target{backend(t, "a", echo(t))}, Grace: time.Hour, Patience: time.Millisecond}}})
	c := dialWebSocket(t, server)
	p.Swap(&Table{})
	for deadline := time.Now().Add(50 * time.Millisecond); time.Now().Before(deadline); {
		if err := echoes(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseSaysGoodbyeToWebSockets(t *testing.T) {
	p := New(Config{})
	server := front(t, p)
	p.Swap(table(1, backend(t, "a", echo(t))))
	c := dialWebSocket(t, server)
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(t.Context())
		read <- err
	}()
	p.Close()
	if err := <-read; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsOfTheTimeToFinish(t *testing.T) {
	p := newTestProxy(t)
	p.Swap(table(1, Target{ID: "a"}))
	for _, state := range p.targets {
		if state.grace != 5*time.Minute || state.patience != 30*time.Second {
			t.Errorf("%s, %s", state.grace, state.patience)
		}
	}
}

// TestASocketThatIsLeavingStillHearsItsClient has the two ends in memory.
func TestASocketThatIsLeavingStillHearsItsClient(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	s := newSocket(near)
	s.goAway()
	far.Close()
	if n, err := s.Read(make([]byte, 100)); n != 4 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	mask := []byte{1, 2, 3, 4}
	late := append(frame(finalBit|1, []byte("late"), mask), frame(finalBit|opClose, []byte{3, 0xe9}, mask)...)
	if n, err := io.Copy(s, strings.NewReader(string(late))); n != int64(len(late)) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := s.Read(make([]byte, 100)); !errors.Is(err, errSocketOver) {
		t.Error(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
