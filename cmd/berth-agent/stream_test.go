package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/agentwire"
)

// berth listens where Berth does, and hands each stream with its header to answer.
func (w *world) berth(answer func(agentwire.Header, *bufio.Reader, *net.UnixConn)) {
	w.t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(w.dir, agentwire.SocketFile), Net: "unix"})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			reader := bufio.NewReader(conn)
			line, err := reader.ReadBytes('\n')
			var header agentwire.Header
			if err != nil || json.Unmarshal(line, &header) != nil {
				w.t.Errorf("bad header %q: %v", line, err)
			}
			answer(header, reader, conn)
			conn.Close()
		}
	}()
	w.t.Cleanup(func() { listener.Close(); <-done })
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn.(*net.TCPConn)
}

func TestStreamsArePassedOnWithBothEnds(t *testing.T) {
	w := newWorld(t, shop())
	got := make(chan agentwire.Header, 2)
	// The answer comes after the end of the question: half-closed streams must work.
	w.berth(func(h agentwire.Header, r *bufio.Reader, conn *net.UnixConn) {
		question, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("read question: %v", err)
		}
		_, _ = conn.Write([]byte(strings.ToUpper(string(question))))
		got <- h
	})
	large := strings.Repeat("question ", 1<<17)
	for _, port := range []int{80, 443} {
		conn := dial(t, w.core.streams[port].address().String())
		if _, err := io.WriteString(conn, large); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || string(answer) != strings.ToUpper(large) {
			t.Errorf("port %d: %d bytes, %v", port, len(answer), err)
		}
		if h := <-got; h.Port != port || h.Remote != "127.0.0.1" {
			t.Errorf("header %+v", h)
		}
	}
}

func TestABrokenStreamEndsOnBothSides(t *testing.T) {
	w := newWorld(t, shop())
	ended := make(chan error, 1)
	w.berth(func(_ agentwire.Header, r *bufio.Reader, conn *net.UnixConn) {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := r.ReadByte()
		ended <- err
	})
	conn := dial(t, w.core.streams[80].address().String())
	_ = conn.SetLinger(0) // a reset
	conn.Close()
	if err := <-ended; err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("Berth's side: %v", err)
	}
}

func TestWithoutBerthStreamsEndAtOnce(t *testing.T) {
	w := newWorld(t, shop())
	conn := dial(t, w.core.streams[443].address().String())
	if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %v, want the end", err)
	}
	// And when Berth comes back they work again.
	w.berth(func(_ agentwire.Header, _ *bufio.Reader, conn *net.UnixConn) { _, _ = io.WriteString(conn, "back") })
	conn = dial(t, w.core.streams[443].address().String())
	if answer, err := io.ReadAll(conn); string(answer) != "back" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestThePortsOfTheTableAreListenedAt(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(free.Addr().String())
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	w := newWorld(t, shop(func(n *agentwire.Names) { n.Ports = map[int]int{port: 443} }))
	got := make(chan agentwire.Header, 1)
	w.berth(func(h agentwire.Header, _ *bufio.Reader, _ *net.UnixConn) {
		select {
		case got <- h:
		case <-t.Context().Done(): // nobody wants to know of the others
		}
	})
	dial(t, "127.0.0.1:"+text)
	if h := <-got; h.Port != 443 {
		t.Errorf("passed on as %d", h.Port)
	}
	w.write(shop())
	eventually(t, "the port is closed", func() bool {
		w.resolve("api") // looks at the table
		conn, err := net.Dial("tcp", "127.0.0.1:"+text)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

func TestATakenPortIsAnErrorAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for range 20 { // the name server's own port may be taken, too
		_, err = openCore(t.Context(), coreConfig{Dir: t.TempDir(), DNS: "127.0.0.1:0", Streams: map[int]string{80: taken.Addr().String()}})
		if err == nil {
			t.Fatal("no error")
		}
		if strings.Contains(err.Error(), "port 80") {
			return
		}
	}
	t.Errorf("got %v", err)
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"core", "-h"}, true},
		{nil, false},
		{[]string{"dance"}, false},
		{[]string{"core", "extra"}, false},
		{[]string{"core", "--stream", "80"}, false},
		{[]string{"core", "--stream", "70000=:1"}, false},
	} {
		if err := run(t.Context(), c.args, io.Discard); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	config, err := parseCoreFlags([]string{"--stream", "2525=:2525", "--dir", "/x"}, io.Discard)
	if err != nil || config.Streams[2525] != ":2525" || config.Streams[443] != ":443" || config.Dir != "/x" {
		t.Errorf("%+v %v", config, err)
	}
}
