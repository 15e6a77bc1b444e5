package machine

import (
	"os"
	"strconv"
	"strings"
)

// MemoryIsShort reports that less than a tenth of the machine's memory is available without swapping. A
// machine that does not tell is taken to have enough.
func MemoryIsShort() bool {
	data, err := os.ReadFile("/proc/meminfo")
	return err == nil && memoryIsShort(string(data))
}

// memoryIsShort reads proc_meminfo(5).
func memoryIsShort(meminfo string) bool {
	total, ok := memoryField(meminfo, "MemTotal:")
	available, known := memoryField(meminfo, "MemAvailable:")
	return ok && known && available < total/10
}

func memoryField(meminfo, name string) (kilobytes int64, ok bool) {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
