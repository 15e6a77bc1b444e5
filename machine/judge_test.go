package machine

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// good are the facts of a machine that nothing is wrong with.
func good() Facts {
	return Facts{
		Root: true, Arch: "amd64", KernelRelease: "6.1.0-28-amd64", Cores: 4, MemoryBytes: 8 * gib, CABundle: true, Apt: true, Systemd: true,
		Disk:    Disk{Path: "/var/lib/berth", Kind: "ext4", FreeBytes: 50 * gib, TotalBytes: 100 * gib},
		Cgroup:  Cgroup{Version: 2},
		Inotify: Inotify{Instances: 1024, Watches: 524288},
		Engine:  Engine{Address: "unix:///var/run/docker.sock", Answers: true, Installed: true, Version: "20.10.24", API: "1.41", StorageDriver: "overlay2", CgroupDriver: "systemd", Root: "/var/lib/docker"},
		Network: Network{
			IPv6: true, Nameservers: []netip.Addr{netip.MustParseAddr("192.0.2.53")}, Domain: "apps.example.com",
			Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.7")}, DomainLeads: []netip.Addr{netip.MustParseAddr("198.51.100.7")},
		},
		Ports: []Port{{Flag: "--http", Address: ":80"}, {Flag: "--https", Address: ":443", Ours: true}},
		Clock: Clock{Now: noon, Synchronised: true, Built: noon.Add(-72 * time.Hour), Newest: noon.Add(-time.Minute), NewestFile: "/var/log/syslog"},
		Server: &Server{
			Answers: true, Version: "v1", ConsoleURL: "https://console.apps.example.com",
			Certificate: Certificate{Seen: true, NotBefore: noon.Add(-24 * time.Hour), NotAfter: noon.Add(60 * 24 * time.Hour)},
		},
	}
}

func TestGoodMachineIsFine(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Judge(good()) {
		if f.Level != Fine || f.Mend != "" {
			t.Errorf("%s: %s: %s (%s)", f.Check, f.Level, f.Message, f.Mend)
		}
		seen[f.Check] = true
	}
	for _, check := range strings.Fields("root platform kernel cgroup cores memory disk engine programs inotify clock dns domain ipv6 ports server reachable certificate") {
		if !seen[check] {
			t.Errorf("nothing is said of %s", check)
		}
	}
}

func TestEachFaultIsFoundWithItsMend(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(*Facts)
		check string
		level Level
		says  string // of message and mend together
	}{
		{"not root", func(f *Facts) { f.Root = false }, "root", Broken, "sudo"},
		{"a strange processor", func(f *Facts) { f.Arch = "riscv64" }, "platform", Broken, "riscv64"},
		{"an old kernel", func(f *Facts) { f.KernelRelease = "3.10.0-1160.el7" }, "kernel", Broken, "Linux 5.10 or newer"},
		{"an older kernel", func(f *Facts) { f.KernelRelease = "5.4.0-216-generic" }, "kernel", Warning, "5.4"},
		{"a kernel without a version", func(f *Facts) { f.KernelRelease = "custom" }, "kernel", Warning, "custom"},
		{"no control groups", func(f *Facts) { f.Cgroup = Cgroup{} }, "cgroup", Broken, "cgroupfs-mount"},
		{"no memory controller", func(f *Facts) { f.Cgroup.Missing = []string{"memory"} }, "cgroup", Broken, "cgroup_enable=memory"},
		{"one core", func(f *Facts) { f.Cores = 1 }, "cores", Warning, "Processor cores: 1. That does"},
		{"1 GB of memory", func(f *Facts) { f.MemoryBytes = 960 * mib }, "memory", Warning, "Memory: 960 MB. That does"},
		{"half a GB of memory", func(f *Facts) { f.MemoryBytes = 480 * mib }, "memory", Broken, "needs 768 MB"},
		{"3 GB of disk", func(f *Facts) { f.Disk.FreeBytes = 3 * gib }, "disk", Broken, "needs 4 GB"},
		{"3 GB of disk left", func(f *Facts) { f.Installed, f.Disk.FreeBytes = true, 3*gib }, "disk", Warning, ": 3 GB. That does"},
		{"1 GB of disk left", func(f *Facts) { f.Installed, f.Disk.FreeBytes = true, gib }, "disk", Broken, "needs 2 GB"},
		{"5 GB of disk", func(f *Facts) { f.Disk.FreeBytes = 5 * gib }, "disk", Warning, ": 5 GB. That does"},
		{"a network disk", func(f *Facts) { f.Disk.Kind = "nfs" }, "disk kind", Broken, "--data"},
		{"a disk in memory", func(f *Facts) { f.Disk.Kind = "tmpfs" }, "disk kind", Warning, "reboot"},
		{"no engine", func(f *Facts) { f.Engine = Engine{Address: "unix:///x"} }, "engine", Broken, "apt-get install docker.io"},
		{"no engine and no apt", func(f *Facts) { f.Engine, f.Apt = Engine{}, false }, "engine", Broken, "with your package manager"},
		{"an engine that does not run", func(f *Facts) { f.Engine = Engine{Installed: true} }, "engine", Broken, "systemctl start docker"},
		{"an old engine", func(f *Facts) { f.Engine.TooOld = true }, "engine", Broken, "20.10 or newer"},
		{"a rootless engine", func(f *Facts) { f.Engine.Rootless = true }, "engine kind", Broken, "docker.io"},
		{"an engine in a snap", func(f *Facts) { f.Engine.Root = "/var/snap/docker/common" }, "engine kind", Broken, "Remove the snap"},
		{"images as copies", func(f *Facts) { f.Engine.StorageDriver = "vfs" }, "engine kind", Warning, "vfs"},
		{"builds without a ceiling", func(f *Facts) { f.Cgroup.Version = 1 }, "engine kind", Warning, "no memory ceiling"},
		{"no git", func(f *Facts) { f.Missing = []string{"git"} }, "programs", Broken, "apt-get install git"},
		{"no debootstrap", func(f *Facts) { f.Missing = []string{"debootstrap"} }, "images", Warning, "debootstrap"},
		{"no authorities", func(f *Facts) { f.CABundle = false }, "trust", Broken, "ca-certificates"},
		{"few watchers", func(f *Facts) { f.Inotify.Instances = 128 }, "inotify", Warning, "sysctl -w"},
		{"a clock two days behind its own program", func(f *Facts) { f.Clock.Built = noon.Add(48 * time.Hour) }, "clock", Broken, "made after that"},
		{"a clock two days behind its own files", func(f *Facts) { f.Clock.Newest = noon.Add(48 * time.Hour) }, "clock", Broken, "set back"},
		{"a clock that nothing keeps", func(f *Facts) { f.Clock.Synchronised = false }, "clock", Warning, "timedatectl"},
		{"no name server", func(f *Facts) { f.Network.Nameservers = nil }, "dns", Warning, "/etc/resolv.conf"},
		{"no record", func(f *Facts) { f.Network.DomainLeads = nil }, "domain", Warning, "*.apps.example.com"},
		{"a record to elsewhere", func(f *Facts) { f.Network.DomainLeads = []netip.Addr{netip.MustParseAddr("203.0.113.9")} }, "domain", Warning, "203.0.113.9"},
		{"an IPv6 record on a machine without", func(f *Facts) {
			f.Network.IPv6 = false
			f.Network.DomainLeads = append(f.Network.DomainLeads, netip.MustParseAddr("2001:db8::7"))
		}, "domain", Warning, "AAAA"},
		{"no IPv6", func(f *Facts) { f.Network.IPv6 = false }, "ipv6", Fine, "over IPv4"},
		{"a taken port", func(f *Facts) { f.Ports[0].Holder = "nginx (process 42)" }, "ports", Broken, ":80 is taken by nginx (process 42)"},
		{"a build cache", func(f *Facts) { f.Server.CacheBytes, f.Server.CacheBudget = 3<<30, 20<<30 }, "cache", Fine, "3.0 GB for builds; beyond 20.0 GB"},
		{"no server", func(f *Facts) { f.Server = &Server{Error: "refused"} }, "server", Broken, "refused"},
		{"a deaf listener", func(f *Facts) { f.Server.Unreachable = []string{":443: timeout"} }, "reachable", Broken, "firewall"},
		{"an ended certificate", func(f *Facts) { f.Server.Certificate.NotAfter = noon.Add(-time.Hour) }, "certificate", Broken, "not now"},
		{"a certificate of the future", func(f *Facts) { f.Server.Certificate.NotBefore = noon.Add(time.Hour) }, "certificate", Broken, "not now"},
		{"a certificate about to end", func(f *Facts) { f.Server.Certificate.NotAfter = noon.Add(72 * time.Hour) }, "certificate", Warning, "3 days"},
		{"a certificate of nobody's", func(f *Facts) { f.Server.Certificate.Error = "unknown authority" }, "certificate", Broken, "unknown authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := good()
			test.fault(&f)
			found := Judge(f)
			var got Finding
			for _, one := range found {
				if one.Check == test.check {
					got = one
				}
			}
			if got.Level != test.level || !strings.Contains(got.Message+" "+got.Mend, test.says) {
				t.Errorf("got %+v, want %s that says %q", got, test.level, test.says)
			}
			if got.Level == Broken && got.Mend == "" {
				t.Error("it does not say how to mend it")
			}
			if Breaks(found) != (test.level == Broken) {
				t.Errorf("breaks: %v", Breaks(found))
			}
		})
	}
}

// TestGuideHasTheRequirements: they stand in one table, and people read the same.
func TestGuideHasTheRequirements(t *testing.T) {
	for _, file := range []string{"../README.md", "../docs/guide/install.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), Table()) {
			t.Errorf("%s lacks the table:\n%s", file, Table())
		}
	}
}
