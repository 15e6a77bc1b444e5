//go:build docker

package docker

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestCosts prints what starting and idling cost, for docs and regressions; it holds nothing but that
// both happen.
func TestCosts(t *testing.T) {
	if os.Getenv("BERTH_COSTS") == "" {
		t.Skip("set BERTH_COSTS=1 to measure")
	}
	s := newStage(t)
	s.kind = berth.KindDevelopment
	var all []engine.Element
	for _, name := range []string{"db", "api", "web"} {
		p := s.sh("trap 'exit 0' TERM; httpd -f -p 8080 -h /etc & wait")
		p.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
		if name == "api" {
			p.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}
		}
		all = append(all, s.element(name, p))
	}
	all[0].Kind = berth.KindAddon
	began := time.Now()
	if _, err := s.Sync(t.Context(), s.workload()); err != nil {
		t.Fatal(err)
	}
	t.Logf("network and core: %s", time.Since(began))
	began = time.Now()
	s.settle(t, all...)
	t.Logf("three pods ready: %s", time.Since(began))

	began = time.Now()
	for range 20 {
		if _, err := s.Sync(t.Context(), s.workload(all...)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("an idle Sync: %s", time.Since(began)/20)
	i := s.settle(t, all...).Instances[0]
	var dials []time.Duration
	for range 200 {
		began = time.Now()
		conn, err := s.Dial(t.Context(), i.ID, 8080)
		if err != nil {
			t.Fatal(err)
		}
		dials = append(dials, time.Since(began))
		_ = conn.Close()
	}
	slices.Sort(dials)
	t.Logf("a dial: %s in the middle", dials[len(dials)/2])

	before, docker := cpu(), dockerCPU(t)
	began = time.Now()
	<-time.After(30 * time.Second)
	t.Logf("idle: %.3f %% of a core here, %.3f %% in dockerd", 100*float64(cpu()-before)/float64(time.Since(began)), 100*float64(dockerCPU(t)-docker)/float64(time.Since(began)))
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dockerCPU reads dockerd's own time, in ticks of a hundredth of a second.
func dockerCPU(t *testing.T) time.Duration {
	t.Helper()
	pid := strings.Fields(shell(t, "pidof", "dockerd"))[0]
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b))
	return time.Duration(number(fields[13])+number(fields[14])) * 10 * time.Millisecond
}
