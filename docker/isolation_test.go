//go:build docker

package docker

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// reaches reports whether a container can connect to an address.
func (s *stage) reaches(t *testing.T, instance, address string, port int) bool {
	t.Helper()
	_, code := s.run(t, instance, fmt.Sprintf("nc -w 2 %s %d </dev/null", address, port))
	return code == 0
}

func TestContainersCannotReachWhatIsNotTheirs(t *testing.T) {
	s := newStage(t)
	a := s.running(t, s.sh(serve("8080", "echo hello")))
	own := s.id
	gatewayA := s.networkOf(t, own).gateway().String()
	s.deployment(t)
	b := s.running(t, s.sh(serve("8080", "echo hello")))
	gatewayB := s.networkOf(t, s.id).gateway().String()
	if !s.reaches(t, b.ID, b.Address, 8080) {
		t.Fatal("b does not reach itself: the test proves nothing")
	}

	machine, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = machine.Close() }()
	port := machine.Addr().(*net.TCPAddr).Port
	published := docker(t, "run", "--detach", "--publish", "18099:8080", s.image, "sh", "-c", serve("8080", "echo hello"))
	t.Cleanup(func() { docker(t, "rm", "--force", published) })
	await(t, "the published port answers", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:18099", time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})

	link := "169.254.169.254"
	addLinkLocal(t, link)
	for _, test := range []struct {
		name    string
		address string
		port    int
	}{
		{"another deployment's container", a.Address, 8080},
		{"another deployment's gateway", gatewayA, port},
		{"its own gateway", gatewayB, port},
		{"the machine's own address", machineAddress(t), port},
		{"a port that somebody published, at the machine's address", machineAddress(t), 18099},
		{"a port that somebody published, at its gateway", gatewayB, 18099},
		{"Docker's default bridge", "172.17.0.1", port},
		{"the metadata service", link, port},
	} {
		t.Run(test.name, func(t *testing.T) {
			if s.reaches(t, b.ID, test.address, test.port) {
				t.Errorf("%s:%d can be reached", test.address, test.port)
			}
		})
	}
}

func (s *stage) networkOf(t *testing.T, id berth.ID) deploymentNetwork {
	t.Helper()
	n, found, err := s.findNetwork(t.Context(), id)
	if err != nil || !found {
		t.Fatalf("find network: %v, %v", found, err)
	}
	return n
}

// machineAddress is the one this machine reaches others with.
func machineAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.Dial("udp", "192.0.2.1:9") // nothing is sent
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

// addLinkLocal gives the machine's loopback the metadata service's address, if nobody has it.
func addLinkLocal(t *testing.T, address string) {
	t.Helper()
	shell(t, "ip", "address", "replace", address+"/32", "dev", "lo")
	t.Cleanup(func() { shell(t, "ip", "address", "del", address+"/32", "dev", "lo") })
}

func TestRulesAreSetOnce(t *testing.T) {
	s := newStage(t) // has set them
	for range 3 {
		before := countRules(t)
		if err := s.firewall.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := countRules(t)
		if before < len(machineRules) || after != before {
			t.Errorf("%d rules before, %d after", before, after)
		}
	}
}
