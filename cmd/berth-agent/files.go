package main

import (
	"io"
	"net"
	"os/exec"
	"syscall"

	"github.com/berth-dev/berth/agentwire"
	"github.com/pkg/sftp"
)

// fileServers are where distributions keep OpenSSH's.
var fileServers = []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"}

// runFiles serves SFTP: by the container's own server, which is faster, or by ours.
func runFiles(conn *net.UnixConn) {
	for _, path := range fileServers {
		if isProgram(path) {
			who := currentAccount()
			runWithPipes(conn, &exec.Cmd{Path: path, Args: []string{path}, Dir: workDir(), Env: environment(who, agentwire.Program{}),
				SysProcAttr: &syscall.SysProcAttr{Setsid: true}})
			return
		}
	}
	if agentwire.WriteLine(conn, agentwire.Reply{}) != nil {
		return
	}
	f := &fileStream{in: conn, out: agentwire.NewFrames(conn), buffer: make([]byte, agentwire.MaxFrame)}
	server, err := sftp.NewServer(f, sftp.WithServerWorkingDirectory(workDir()))
	if err != nil {
		return
	}
	// Whatever ends it, the client has hung up or will: one that waits for more must not wait for ever.
	_ = server.Serve()
	_ = server.Close()
	_ = f.out.WriteJSON(agentwire.FrameExit, agentwire.Exit{})
	_ = conn.CloseWrite()
}

// fileStream is frames as a plain stream.
type fileStream struct {
	in     io.Reader
	out    *agentwire.Frames
	buffer []byte
	rest   []byte
}

func (f *fileStream) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		kind, payload, err := agentwire.ReadFrame(f.in, f.buffer)
		switch {
		case err != nil:
			return 0, err
		case kind == agentwire.FrameEnd:
			return 0, io.EOF
		case kind == agentwire.FrameInput:
			f.rest = payload
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *fileStream) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		n := min(len(b), agentwire.MaxFrame)
		if err := f.out.Write(agentwire.FrameOutput, b[:n]); err != nil {
			return written, err
		}
		written, b = written+n, b[n:]
	}
	return written, nil
}

// Close is pkg/sftp's; the connection is closed by who opened it.
func (f *fileStream) Close() error { return nil }
