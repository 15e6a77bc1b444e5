package machine

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestListenersAreReadAsTheKernelWritesThem(t *testing.T) {
	for line, want := range map[string]string{
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0":                                  "127.0.0.1:8080",
		"   1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0": "[::]:443",
		"   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0": "[::1]:80",
		"   3: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0":                                  "",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode":                                                                 "",
	} {
		got, ok := parseListener(line)
		if ok != (want != "") || ok && (got.address.String() != want || got.inode != "4711") {
			t.Errorf("%s\nis %v (%v), want %s", line, got, ok, want)
		}
	}
}

func TestAddressesClashWhereListeningWouldFail(t *testing.T) {
	for _, test := range []struct {
		wanted, other string
		want          bool
	}{
		{":80", "0.0.0.0:80", true}, {":80", "127.0.0.1:80", true}, {":80", "[::]:80", true}, {":80", "0.0.0.0:81", false},
		{"127.0.0.1:80", "0.0.0.0:80", true}, {"127.0.0.1:80", "127.0.0.1:80", true}, {"127.0.0.1:80", "192.0.2.1:80", false},
		{"0.0.0.0:80", "192.0.2.1:80", true},
	} {
		host, port, err := splitAddress(test.wanted)
		if got := clash(host, port, netip.MustParseAddrPort(test.other)); err != nil || got != test.want {
			t.Errorf("%s against %s: %v, want %v (%v)", test.wanted, test.other, got, test.want, err)
		}
	}
}

func TestWhoHasAPortIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	ask := func(q Question) Port {
		q.Listen = map[string]string{"--https": address}
		return portsOf(q)[0]
	}
	if p := ask(Question{}); !strings.Contains(p.Holder, "(process "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("%s is held by %q, not by this process", address, p.Holder)
	}
	if p := ask(Question{Pid: os.Getpid()}); p.Holder != "" || !p.Ours {
		t.Errorf("a server's own port is %+v", p)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if p := ask(Question{Published: map[int]string{port: "shop-web-1"}}); p.Holder != "the container shop-web-1" {
		t.Errorf("a container's port is held by %q", p.Holder)
	}
	if free := FreePort(port, map[int]string{port + 1: "x"}); free == port || free == port+1 || free == 0 {
		t.Errorf("port %d is free", free)
	}
}

func TestFactsOfThisMachine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "not", "there", "yet")
	f := Gather(t.Context(), Question{Root: t.TempDir(), Data: data, Now: time.Now()})
	if f.KernelRelease == "" || f.Cores < 1 || f.MemoryBytes < mib || f.Disk.TotalBytes < mib || f.Disk.Kind == "" || f.Cgroup.Version == 0 || f.Inotify.Watches == 0 {
		t.Errorf("unseen: %+v", f)
	}
	if f.Systemd {
		t.Error("systemd runs in an empty directory")
	}
}

func TestAFileOfTheFutureSpeaksAgainstTheClock(t *testing.T) {
	data := t.TempDir()
	database := filepath.Join(data, "berth.db")
	later := time.Now().Add(48 * time.Hour)
	if err := os.WriteFile(database, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(database, later, later); err != nil {
		t.Fatal(err)
	}
	f := good()
	f.Clock = clockOf(Question{Data: data, Now: time.Now()})
	if got := checkClock(f); got.Level != Broken || !strings.Contains(got.Message, database) {
		t.Errorf("%+v", got)
	}
}

func TestControlGroupsAreTold(t *testing.T) {
	v1, v2 := t.TempDir(), t.TempDir()
	for _, controller := range []string{"memory", "cpu"} {
		if err := os.Mkdir(filepath.Join(v1, controller), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(v1, controller, "cgroup.procs"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(v2, "cgroup.controllers"), []byte("cpu io memory pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c := cgroupAt(v1); c.Version != 1 || len(c.Missing) != 1 || c.Missing[0] != "pids" {
		t.Errorf("v1: %+v", c)
	}
	if c := cgroupAt(v2); c.Version != 2 || len(c.Missing) != 0 {
		t.Errorf("v2: %+v", c)
	}
	if c := cgroupAt(t.TempDir()); c.Version != 0 {
		t.Errorf("none: %+v", c)
	}
}
