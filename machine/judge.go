package machine

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checks, in the order in which a person reads them.
var checks = []func(Facts) Finding{
	checkRoot, checkPlatform, checkKernel, checkCgroup, checkCores, checkMemory, checkDisk, checkDiskKind,
	checkEngine, checkEngineKind, checkPrograms, checkDebian, checkTrust, checkInotify, checkClock, checkDNS,
	checkDomain, checkIPv6, checkPorts, checkServer, checkListeners, checkCertificate, checkCache,
}

// Judge returns a finding for every check that the facts have something to say to.
func Judge(f Facts) []Finding {
	var out []Finding
	for _, check := range checks {
		if finding := check(f); finding.Check != "" {
			out = append(out, finding)
		}
	}
	return out
}

// Breaks reports whether a finding among them keeps Berth from working.
func Breaks(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Broken })
}

func fine(check, message string, args ...any) Finding {
	return Finding{Check: check, Level: Fine, Message: fmt.Sprintf(message, args...)}
}

func warning(check, mend, message string, args ...any) Finding {
	return Finding{Check: check, Level: Warning, Message: fmt.Sprintf(message, args...), Mend: mend}
}

func broken(check, mend, message string, args ...any) Finding {
	return Finding{Check: check, Level: Broken, Message: fmt.Sprintf(message, args...), Mend: mend}
}

func checkRoot(f Facts) Finding {
	if !f.Root {
		return broken("root", "Say it as root, or with sudo.", "You are not root: Berth enters containers' networks, sets firewall rules and owns volumes of other users.")
	}
	return fine("root", "You are root.")
}

func checkPlatform(f Facts) Finding {
	if f.Arch != "amd64" && f.Arch != "arm64" {
		return broken("platform", "Take a machine with an amd64 or arm64 processor.", "Nobody has tried Berth on %s.", f.Arch)
	}
	return fine("platform", "Linux on %s.", f.Arch)
}

func checkKernel(f Facts) Finding {
	version, ok := kernelVersion(f.KernelRelease)
	switch {
	case !ok:
		return warning("kernel", "", "The kernel calls itself %q, which says no version.", f.KernelRelease)
	case older(version, kernels.least):
		return broken("kernel", fmt.Sprintf("Upgrade the system to one with Linux %d.%d or newer.", kernels.enough[0], kernels.enough[1]),
			"Linux %s is too old.", f.KernelRelease)
	case older(version, kernels.enough):
		return warning("kernel", "", "Linux %s is older than what Berth is tried on (%d.%d).", f.KernelRelease, kernels.enough[0], kernels.enough[1])
	}
	return fine("kernel", "Linux %s.", f.KernelRelease)
}

func kernelVersion(release string) (v [2]int, ok bool) {
	n, err := fmt.Sscanf(release, "%d.%d", &v[0], &v[1])
	return v, err == nil && n == 2
}

func older(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

func checkCgroup(f Facts) Finding {
	switch {
	case f.Cgroup.Version == 0:
		return broken("cgroup", "Mount them at /sys/fs/cgroup (Debian without systemd: apt-get install cgroupfs-mount).",
			"No control groups are mounted, so that deployments could not be held to their size.")
	case len(f.Cgroup.Missing) > 0:
		return broken("cgroup", "Boot with cgroup_enable=memory swapaccount=1, or enable the controllers in the kernel.",
			"Control groups v%d lack %s, so that deployments could not be held to their size.", f.Cgroup.Version, strings.Join(f.Cgroup.Missing, ", "))
	}
	return fine("cgroup", "Control groups v%d.", f.Cgroup.Version)
}

func checkCores(f Facts) Finding {
	return checkAmount(required("cores"), int64(f.Cores), "Give the machine more processors.", "Processor cores: %s")
}

func checkMemory(f Facts) Finding {
	return checkAmount(required("memory"), f.MemoryBytes, "Give the machine more memory, or keep builds small: berth serve --build-memory.", "Memory: %s")
}

func checkDisk(f Facts) Finding {
	r := required("disk")
	if f.Installed {
		r.Least = reserve
	}
	return checkAmount(r, f.Disk.FreeBytes, "Make room there, or put the data elsewhere with --data.", "Free on the disk of "+strings.ReplaceAll(f.Disk.Path, "%", "%%")+": %s")
}

// checkAmount compares with the table of requirements. words has one verb, for the amount.
func checkAmount(r Requirement, have int64, mend, words string) Finding {
	say := fmt.Sprintf(words, r.Amount(have))
	switch {
	case have < r.Least:
		return broken(r.Name, mend, "%s, and Berth needs %s.", say, r.Amount(r.Least))
	case have < r.Enough:
		return warning(r.Name, mend, "%s. That does for a small deployment; %s is better.", say, r.Amount(r.Enough))
	}
	return fine(r.Name, "%s.", say)
}

func checkDiskKind(f Facts) Finding {
	switch f.Disk.Kind {
	case "nfs", "cifs", "smb2", "9p", "fuse":
		return broken("disk kind", "Put the data on a disk of the machine with --data.",
			"%s lies on %s: databases lose data there, and files cannot belong to the containers' users.", f.Disk.Path, f.Disk.Kind)
	case "tmpfs", "ramfs":
		return warning("disk kind", "Put the data on a disk with --data.", "%s lies in memory (%s): nothing of it survives a reboot.", f.Disk.Path, f.Disk.Kind)
	case "overlay":
		return warning("disk kind", "Put the data on a disk with --data.", "%s lies on an overlay, as in a container: it may be gone with it.", f.Disk.Path)
	}
	return fine("disk kind", "%s lies on %s.", f.Disk.Path, f.Disk.Kind)
}

func checkEngine(f Facts) Finding {
	e := f.Engine
	switch {
	case !e.Answers && e.Installed:
		return broken("engine", "Start it: systemctl start docker, or dockerd where there is no systemd.", "Docker Engine is installed and does not answer at %s.", e.Address)
	case !e.Answers && f.Apt:
		return broken("engine", "apt-get install docker.io, or let berth install do it.", "No Docker Engine answers at %s.", e.Address)
	case !e.Answers:
		return broken("engine", "Install Docker Engine 20.10 or newer (docker, dockerd, containerd, runc) with your package manager and start it.", "No Docker Engine answers at %s.", e.Address)
	case e.TooOld:
		return broken("engine", "Install Docker Engine 20.10 or newer.", "Docker Engine %s (API %s) is too old.", e.Version, e.API)
	}
	return fine("engine", "Docker Engine %s (API %s), cgroup driver %s.", e.Version, e.API, e.CgroupDriver)
}

func checkEngineKind(f Facts) Finding {
	e := f.Engine
	switch {
	case !e.Answers:
		return Finding{}
	case e.Rootless:
		return broken("engine kind", "Install the distribution's Docker Engine (Debian: docker.io), which runs as root.",
			"This Docker Engine runs without root: Berth could not enter its containers' networks.")
	case strings.HasPrefix(e.Root, "/var/snap/"):
		return broken("engine kind", "Remove the snap and install the distribution's package (Ubuntu: docker.io).",
			"This Docker Engine is a snap, which cannot mount Berth's directories.")
	case e.StorageDriver == "vfs":
		return warning("engine kind", "Put Docker's data on ext4, xfs or btrfs.", "Docker stores images as plain copies (vfs): every container takes its image's size again.")
	case f.Cgroup.Version == 1 && e.CgroupDriver == "systemd":
		return warning("engine kind", "Boot with systemd.unified_cgroup_hierarchy=1.", "With control groups v1 and Docker's systemd driver, builds have no memory ceiling.")
	}
	return fine("engine kind", "Storage driver %s in %s.", e.StorageDriver, e.Root)
}

func checkPrograms(f Facts) Finding {
	var missing []string
	for _, p := range Programs {
		if slices.Contains(f.Missing, p.Name) {
			missing = append(missing, p.Package)
		}
	}
	if len(missing) == 0 {
		return fine("programs", "Everything that Berth runs is installed.")
	}
	return broken("programs", installWords(f, missing), "Missing: %s.", strings.Join(missing, ", "))
}

func installWords(f Facts, packages []string) string {
	if f.Apt {
		return "apt-get install " + strings.Join(packages, " ")
	}
	return "Install " + strings.Join(packages, ", ") + " with your package manager."
}

func checkDebian(f Facts) Finding {
	if !slices.Contains(f.Missing, forDebian) {
		return Finding{}
	}
	return warning("images", installWords(f, []string{forDebian}),
		"debootstrap is not installed: without it no runtime image can be made where no image registry answers.")
}

func checkTrust(f Facts) Finding {
	if f.CABundle {
		return Finding{}
	}
	return broken("trust", installWords(f, []string{"ca-certificates"}), "The machine has no bundle of certificate authorities.")
}

// Enough inotify for a few development deployments, each of which watches its source.
const (
	enoughInstances = 512
	enoughWatches   = 65536
)

func checkInotify(f Facts) Finding {
	if f.Inotify.Instances < enoughInstances || f.Inotify.Watches < enoughWatches {
		return warning("inotify", fmt.Sprintf("sysctl -w fs.inotify.max_user_instances=%d fs.inotify.max_user_watches=%d, and the same in /etc/sysctl.d/berth.conf.", 2*enoughInstances, 8*enoughWatches),
			"The kernel lets %d programs of a user watch %d files: hot reload in several development deployments may stop noticing.", f.Inotify.Instances, f.Inotify.Watches)
	}
	return fine("inotify", "%d watchers of %d files.", f.Inotify.Instances, f.Inotify.Watches)
}

const (
	buildSlack = time.Hour // another machine's clock wrote it
	fileSlack  = 10 * time.Minute
	setClock   = "Set it: timedatectl set-ntp true, or install chrony; then try again."
)

func checkClock(f Facts) Finding {
	c := f.Clock
	now := c.Now.UTC().Format("2006-01-02 15:04 MST")
	switch {
	case !c.Built.IsZero() && c.Now.Before(c.Built.Add(-buildSlack)):
		return broken("clock", setClock, "The clock says %s, and this program was made after that (%s): certificates would not be valid for anybody.",
			now, c.Built.UTC().Format(time.DateOnly))
	case c.Now.Before(c.Newest.Add(-fileSlack)):
		return broken("clock", setClock, "The clock says %s, and %s was written after that (%s): it has been set back.",
			now, c.NewestFile, c.Newest.UTC().Format("2006-01-02 15:04 MST"))
	case !c.Synchronised:
		return warning("clock", setClock, "The clock says %s, and nothing keeps it right: certificates are refused where it is wrong by more than three days.", now)
	}
	return fine("clock", "%s, synchronised.", now)
}

func checkDNS(f Facts) Finding {
	if len(f.Network.Nameservers) == 0 {
		return warning("dns", "Name one in /etc/resolv.conf: nameserver ADDRESS.", "The machine has no name server: it can neither fetch packages and repositories by name, nor can deployments.")
	}
	return fine("dns", "Name server %s.", f.Network.Nameservers[0])
}

// checkDomain compares where the base domain leads with where the machine is. Behind an address
// translation the two differ, and all is well.
func checkDomain(f Facts) Finding {
	n := f.Network
	record := fmt.Sprintf("Create one DNS record: *.%s, leading to this machine's public address.", n.Domain)
	switch {
	case n.Domain == "" || n.Domain == "localhost" || strings.HasSuffix(n.Domain, ".localhost"):
		return Finding{}
	case len(n.DomainLeads) == 0:
		return warning("domain", record, "Names below %s lead nowhere (%s).", n.Domain, n.DomainError)
	case !n.IPv6 && slices.ContainsFunc(n.DomainLeads, netip.Addr.Is6):
		return warning("domain", "Remove the AAAA record, or give the machine an IPv6 address.", "Names below %s have an IPv6 address, and this machine has none.", n.Domain)
	case !slices.ContainsFunc(n.DomainLeads, func(a netip.Addr) bool { return slices.Contains(n.Addresses, a) }):
		return warning("domain", record+" If that address is a router's or proxy's that leads here, all is well.",
			"Names below %s lead to %s, which is no address of this machine.", n.Domain, n.DomainLeads[0])
	}
	return fine("domain", "Names below %s lead to this machine.", n.Domain)
}

func checkIPv6(f Facts) Finding {
	if f.Network.IPv6 {
		return fine("ipv6", "The machine has IPv6.")
	}
	return fine("ipv6", "The machine has no IPv6; hosts answer over IPv4.")
}

func checkPorts(f Facts) Finding {
	var free, taken []string
	for _, p := range f.Ports {
		if p.Holder == "" || p.Ours {
			free = append(free, p.Address)
			continue
		}
		taken = append(taken, p.Address+" is taken by "+p.Holder)
	}
	switch {
	case len(taken) > 0:
		return broken("ports", "Stop it, give Berth other addresses (--http, --https), or put Berth behind it (berth install --behind-proxy).", "%s.", strings.Join(taken, "; "))
	case len(free) == 0:
		return Finding{}
	}
	return fine("ports", "%s: free, or this server's.", strings.Join(free, ", "))
}

func checkServer(f Facts) Finding {
	switch {
	case f.Server == nil:
		return Finding{}
	case !f.Server.Answers:
		return broken("server", "systemctl status berth, or the end of serve.log in the data directory, says why; berth install starts it.",
			"The server does not answer: %s.", f.Server.Error)
	}
	return fine("server", "Berth %s answers.", f.Server.Version)
}

func checkListeners(f Facts) Finding {
	switch {
	case f.Server == nil || !f.Server.Answers:
		return Finding{}
	case len(f.Server.Unreachable) > 0:
		return broken("reachable", "Look for a firewall on this machine, and at the server's log.", "The server does not answer at %s.", strings.Join(f.Server.Unreachable, "; "))
	}
	return fine("reachable", "%s answers on this machine.", f.Server.ConsoleURL)
}

// renewsBefore is when a certificate should have been renewed.
const renewsBefore = 7 * 24 * time.Hour

func checkCertificate(f Facts) Finding {
	if f.Server == nil || !f.Server.Certificate.Seen {
		return Finding{}
	}
	c := f.Server.Certificate
	left := c.NotAfter.Sub(f.Clock.Now)
	switch {
	case c.Error != "":
		return broken("certificate", "Restart the server; if that does not help, its log says why no other was issued.", "The console's certificate is refused: %s.", c.Error)
	case f.Clock.Now.Before(c.NotBefore) || left <= 0:
		return broken("certificate", setClock, "The console's certificate is valid from %s to %s, and not now.", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	case left < renewsBefore:
		return warning("certificate", "The server's log says why it has not been renewed.", "The console's certificate ends in %s.", days(left))
	}
	return fine("certificate", "The console's certificate is valid for %s.", days(left))
}

func days(d time.Duration) string { return strconv.Itoa(int(d.Hours()/24)) + " days" }

// checkCache only tells: the server itself keeps to the budget.
func checkCache(f Facts) Finding {
	if f.Server == nil || f.Server.CacheBudget == 0 {
		return Finding{}
	}
	return fine("cache", "The engine keeps %.1f GB for builds; beyond %.1f GB the least recently used goes (berth serve --build-cache).",
		float64(f.Server.CacheBytes)/float64(gib), float64(f.Server.CacheBudget)/float64(gib))
}
