//go:build docker

package docker

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/agentwire"
)

// TestCoreServes runs the real helper as core: names of the table, and streams to Berth's socket.
func TestCoreServes(t *testing.T) {
	m := newMachine(t)
	m.config.AgentPath = filepath.Join(t.TempDir(), "berth-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", m.config.AgentPath, "github.com/berth-dev/berth/cmd/berth-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build berth-agent: %v\n%s", err, out)
	}
	s := stageOn(t, m)
	one := s.element("one", s.sh(serve("8080", "echo I am one")))
	two := s.element("two", s.sh(serve("8080", "echo I am two")))
	o := s.settle(t, one, two)
	names := agentwire.Names{Generation: 1, Core: o.Core, PublicHosts: []string{"app.example.test"}}
	for _, i := range o.Instances {
		names.Services = append(names.Services, agentwire.Service{Element: i.Element, Name: "app", First: true, Addresses: []string{i.Address}})
		names.Askers = append(names.Askers, agentwire.Asker{Address: i.Address, Element: i.Element})
	}
	table, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.netDir(s.id), agentwire.NamesFile), table, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(s.netDir(s.id), agentwire.SocketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	if err := os.Chmod(filepath.Join(s.netDir(s.id), agentwire.SocketFile), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	go func() {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		asked <- string(b[:n])
		_, _ = io.WriteString(conn, "from Berth")
	}()

	asker := o.Instances[0].ID
	await(t, "the table is read", func() bool {
		_, code := s.run(t, asker, "nc -w 2 app.two 8080")
		return code == 0
	})
	for name, want := range map[string]string{"app": "I am one", "app.two": "I am two", "two": "I am two", "one": "I am one"} {
		if got := s.must(t, asker, "nc -w 2 "+name+" 8080"); got != want {
			t.Errorf("%s answers %q, want %q", name, got, want)
		}
	}
	if got := s.must(t, asker, "nc -w 2 app.example.test 80 </dev/null"); got != "from Berth" {
		t.Errorf("the public host answers %q", got)
	}
	if header := <-asked; !strings.Contains(header, `"port":80`) || !strings.Contains(header, o.Instances[0].Address) {
		t.Errorf("header %q", header)
	}
}
