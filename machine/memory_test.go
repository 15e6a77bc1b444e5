package machine

import "testing"

func TestMemoryIsShortBelowATenth(t *testing.T) {
	for meminfo, want := range map[string]bool{
		"MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    100 kB\n": false,
		"MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:     99 kB\n": true,
		"MemTotal:       1000 kB\n": false,
		"":                          false,
	} {
		if got := memoryIsShort(meminfo); got != want {
			t.Errorf("%q: %v", meminfo, got)
		}
	}
}
