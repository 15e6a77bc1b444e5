package machine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Question says what to look at.
type Question struct {
	Root   string // of the files that would lie under /: tests have one of their own
	Data   string // the data directory, which need not exist
	Domain string
	// Listen are the addresses that are listened on, or would be, by flag: --http, --https.
	Listen map[string]string
	// Pid is this server's process, if it runs: what it listens on is not taken.
	Pid int
	// Published are ports that containers have on this machine, with the container's name.
	Published map[int]string
	Now       time.Time
}

// Gather looks at the machine. Engine and Server are for others to fill in.
func Gather(ctx context.Context, q Question) Facts {
	f := Facts{
		Root:          os.Geteuid() == 0,
		Arch:          runtime.GOARCH,
		KernelRelease: kernelRelease(),
		Cores:         runtime.NumCPU(),
		MemoryBytes:   memoryBytes(),
		Disk:          diskOf(q.Data),
		Cgroup:        cgroupAt("/sys/fs/cgroup"),
		Inotify:       Inotify{Instances: sysctl("fs/inotify/max_user_instances"), Watches: sysctl("fs/inotify/max_user_watches")},
		Apt:           installed("apt-get"),
		Systemd:       exists(filepath.Join(q.Root, "/run/systemd/system")),
		CABundle:      hasBundle(),
		Engine:        Engine{Installed: installed("dockerd")},
		Network:       networkOf(ctx, q.Domain),
		Ports:         portsOf(q),
		Clock:         clockOf(q),
	}
	for _, p := range Programs {
		if !installed(p.Name) {
			f.Missing = append(f.Missing, p.Name)
		}
	}
	if !installed(forDebian) {
		f.Missing = append(f.Missing, forDebian)
	}
	return f
}

// installed looks where a person's PATH may not lead, too.
func installed(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	return exists("/usr/sbin/"+program) || exists("/sbin/"+program)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// memoryBytes reads proc_meminfo(5), which a container's own view of its machine replaces where sysinfo(2) stays
// the machine's.
func memoryBytes() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	kilobytes, _ := memoryField(string(text), "MemTotal:")
	return kilobytes << 10
}

// kinds of file systems, by statfs(2)'s magic numbers.
var kinds = map[int64]string{
	0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", 0x01021994: "tmpfs",
	0x858458f6: "ramfs", 0x794c7630: "overlay", 0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p", 0x65735546: "fuse",
}

// diskOf looks at the file system of a directory, or of the nearest one above it that exists.
func diskOf(path string) Disk {
	dir := path
	for dir != "/" && !exists(dir) {
		dir = filepath.Dir(dir)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Disk{Path: path, Kind: "unknown"}
	}
	kind, known := kinds[int64(uint32(s.Type))]
	if !known {
		kind = "type 0x" + strconv.FormatUint(uint64(uint32(s.Type)), 16)
	}
	return Disk{Path: path, Kind: kind, FreeBytes: int64(s.Bavail) * s.Bsize, TotalBytes: int64(s.Blocks) * s.Bsize}
}

// cgroupAt tells version 2, whose controllers stand in a file, from version 1, where each is a directory.
func cgroupAt(root string) Cgroup {
	needed := []string{"memory", "cpu", "pids"}
	if text, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil {
		have := strings.Fields(string(text))
		return Cgroup{Version: 2, Missing: without(needed, func(c string) bool { return slices.Contains(have, c) })}
	}
	missing := without(needed, func(c string) bool { return exists(filepath.Join(root, c, "cgroup.procs")) })
	if len(missing) == len(needed) {
		return Cgroup{}
	}
	return Cgroup{Version: 1, Missing: missing}
}

func without(list []string, has func(string) bool) (out []string) {
	for _, s := range list {
		if !has(s) {
			out = append(out, s)
		}
	}
	return out
}

func sysctl(name string) int {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

func hasBundle() bool {
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, Bundles...) {
		if path != "" && exists(path) {
			return true
		}
	}
	return false
}

func networkOf(ctx context.Context, domain string) Network {
	n := Network{Domain: domain, Nameservers: nameservers("/etc/resolv.conf")}
	addresses, _ := net.InterfaceAddrs() // none is what an error means too
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap()
		n.Addresses = append(n.Addresses, ip)
		n.IPv6 = n.IPv6 || ip.Is6() && ip.IsGlobalUnicast()
	}
	if domain == "" || domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	leads, err := net.DefaultResolver.LookupNetIP(ctx, "ip", "berth-doctor."+domain)
	for _, a := range leads {
		n.DomainLeads = append(n.DomainLeads, a.Unmap())
	}
	if err != nil {
		n.DomainError = err.Error()
	}
	return n
}

func nameservers(file string) (list []netip.Addr) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// written are files that a machine writes by itself as it runs, beside Berth's own.
var written = []string{"/var/log/syslog", "/var/log/messages", "/var/log/wtmp", "/var/lib/systemd/timesync/clock", "/var/lib/dpkg/status", "/etc/machine-id"}

func clockOf(q Question) Clock {
	c := Clock{Now: q.Now, Synchronised: synchronised(), Built: committed()}
	for _, file := range append([]string{filepath.Join(q.Data, "berth.db"), filepath.Join(q.Data, "berth.db-wal")}, written...) {
		info, err := os.Stat(file)
		if err == nil && info.ModTime().After(c.Newest) {
			c.Newest, c.NewestFile = info.ModTime(), file
		}
	}
	return c
}

// synchronised asks the kernel whether a time service keeps its clock.
func synchronised() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}

// committed is when the source that this program was built from was committed.
func committed() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, err := time.Parse(time.RFC3339, s.Value)
			if err == nil {
				return t
			}
		}
	}
	return time.Time{}
}
