package machine

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// Requirement is what Berth needs of something that can be counted: below Least it does not run, below
// Enough it runs with less than a person would expect.
type Requirement struct {
	Name          string
	Least, Enough int64
	unit          int64
	Why           string
}

// Requirements, as measured on Debian 12. Disk is what a fresh machine needs.
var Requirements = []Requirement{
	{"memory", 768 * mib, 2 * gib, mib, "server 60 MB, Docker Engine 130 MB, 20 MB for each container beside its own; a build takes 500 MB and more"},
	{"disk", 4 * gib, 10 * gib, gib, "Docker Engine and packages 0.6 GB, runtime images 0.6 GB, 2 GB that stay free; the rest is what you deploy"},
	{"cores", 1, 2, 1, "one builds and serves, slowly"},
}

// reserve is the room on the disk below which nothing is built.
const reserve = 2 * gib

// kernels that Berth needs: Least has what it calls, Enough is the oldest it is known to run on well.
var kernels = struct{ least, enough [2]int }{[2]int{4, 18}, [2]int{5, 10}}

// Programs are those that the server runs, each with the Debian package that has it.
var Programs = []struct{ Name, Package string }{
	{"git", "git"},
	{"iptables", "iptables"},
	{"tar", "tar"},
}

// forDebian is needed only where no registry answers.
const forDebian = "debootstrap"

func required(name string) Requirement {
	for _, r := range Requirements {
		if r.Name == name {
			return r
		}
	}
	return Requirement{}
}

// Amount says a number of what the requirement counts.
func (r Requirement) Amount(n int64) string {
	switch r.unit {
	case gib:
		return strconv.FormatFloat(float64(n)/float64(gib), 'g', 3, 64) + " GB"
	case mib:
		if n%gib == 0 {
			return strconv.FormatInt(n/gib, 10) + " GB"
		}
		return strconv.FormatInt(n/mib, 10) + " MB"
	}
	return strconv.FormatInt(n, 10)
}

// Table is the requirements in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| | at least | better | why |\n|---|---|---|---|\n")
	for _, r := range Requirements {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Name, r.Amount(r.Least), r.Amount(r.Enough), r.Why)
	}
	fmt.Fprintf(&b, "| kernel | Linux %d.%d | %d.%d or newer | amd64 or arm64, control groups v1 or v2 |\n",
		kernels.least[0], kernels.least[1], kernels.enough[0], kernels.enough[1])
	return b.String()
}
